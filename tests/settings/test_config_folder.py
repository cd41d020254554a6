"""The ready-to-use configuration files in `config/`."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from davkeep.settings import yaml_file
from davkeep.words.configuration import parse

FOLDER = Path(__file__).parents[2] / "config"


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.yaml")), ids=lambda file: file.name)
def test_every_file_is_valid(file: Path) -> None:
    """Each of the files can be used as it is, but for the folders it names."""
    parse(yaml_file.read(str(file)))


def test_there_are_files_to_test() -> None:
    """The folder is where the tests look for it."""
    assert {"davkeep.yaml", "tls.yaml"} <= {file.name for file in FOLDER.glob("*.yaml")}


def test_the_full_file_holds_the_defaults() -> None:
    """davkeep.yaml means the same as an empty file."""
    assert parse(yaml_file.read(str(FOLDER / "davkeep.yaml"))) == parse(None)


def unset(block: BaseModel, name: str = "") -> list[str]:
    """The keys of a block and of those in it that its file does not name."""
    missing = [f"{name}{key}" for key in type(block).model_fields.keys() - block.model_fields_set]
    for key, value in block:
        if isinstance(value, BaseModel):
            missing += unset(value, f"{name}{key}.")
    return missing


def test_the_full_file_names_every_key() -> None:
    """No key is missing from davkeep.yaml."""
    assert unset(parse(yaml_file.read(str(FOLDER / "davkeep.yaml")))) == []
