"""A state, and a root."""

from pathlib import Path

import pytest
from state.sites import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A state."""
    return Site(tmp_path / "server")


@pytest.fixture
def one(tmp_path: Path) -> Path:
    """A root."""
    folder = tmp_path / "one"
    folder.mkdir()
    return folder
