"""`provider_mapping`: which folder is served under which URL path."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, model_validator

from davkeep.words.configuration.bounds import Block, Text, first_repeated, quoted, refused
from davkeep.words.names import is_reserved


class SharedFolder(Block):
    """A folder that is served."""

    #: Relative to the configuration file; absolute once the settings are loaded.
    root: Text
    readonly: bool = False

    @model_validator(mode="before")
    @classmethod
    def _root_alone(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"root": given}
        if isinstance(given, Mapping):
            if "class" in given:
                raise refused(
                    "a folder (davkeep serves folders, and nothing else that WsgiDAV can)"
                )
            return given
        raise refused("a folder, or a mapping with root and readonly")


def share_path(name: str) -> str:
    """The URL path of a share, as WsgiDAV writes it: one slash before, none behind."""
    return "/" + name.strip("/")


def _by_path(given: Any) -> Any:
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise refused("a mapping of URL paths to folders")
    paths = [share_path(name) for name in given]
    if (repeated := first_repeated(paths)) is not None:
        raise refused(f"each URL path once; {quoted(repeated)} is there twice")
    for path in paths:
        _require_usable(path)
    return dict(zip(paths, given.values(), strict=True))


def _require_usable(path: str) -> None:
    segments = path.split("/")[1:]
    if path != "/" and any(segment in ("", ".", "..") or "\0" in segment for segment in segments):
        raise refused(f"URL paths without empty segments, dots and NUL; {quoted(path)} is none")
    if any(is_reserved(segment) for segment in segments):
        raise refused(f"URL paths outside of the reserved /.davkeep; {quoted(path)} is inside")


#: Folders by URL path.
Shares = Annotated[dict[str, SharedFolder], BeforeValidator(_by_path)]
