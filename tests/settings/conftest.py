"""A user's folders, and a configuration file among them."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The environment of a user whose home is empty."""
    home = tmp_path / "home"
    home.mkdir()
    return {"HOME": str(home)}


@pytest.fixture
def share(tmp_path: Path) -> Path:
    """A folder to serve."""
    folder = tmp_path / "share"
    folder.mkdir()
    return folder


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], str]:
    """Writes a configuration file into `etc` and returns its path."""

    def write(text: str) -> str:
        file = tmp_path / "etc" / "davkeep.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return str(file)

    return write
