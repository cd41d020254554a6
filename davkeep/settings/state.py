"""Where the database lives: where the configuration says, else below the XDG state folder."""

import os
from collections.abc import Iterable, Mapping

from davkeep.settings.change import changed
from davkeep.store.files import DATABASE
from davkeep.words.configuration import Configuration, ConfigurationError
from davkeep.words.names import is_reserved

#: The folder of the state, below that of everything of ours. In a share, such as the user's home,
#: the reserved name keeps clients away from it.
NAME = ".davkeep-state"


def home(environ: Mapping[str, str]) -> str:
    """The XDG state folder; a relative one is ignored, as its specification says."""
    given = environ.get("XDG_STATE_HOME", "")
    if os.path.isabs(given):
        return given
    user = environ.get("HOME") or os.path.expanduser("~")
    return os.path.join(user, ".local", "state")


def placed(configuration: Configuration, environ: Mapping[str, str]) -> Configuration:
    """The configuration with `davkeep.state` as an absolute path.

    Raises ConfigurationError if it cannot be made there, or if clients would see it in a share.
    """
    roots, folder = roots_of(configuration), folder_of(configuration, environ)
    if _is_shown(folder, roots):
        raise _unusable(folder, "lies inside a share; its name there has to begin with .davkeep")
    if not _can_be_made(folder):
        raise _unusable(
            folder, "cannot be made or written; name another here, or in XDG_STATE_HOME"
        )
    return changed(configuration, "davkeep.state", folder)


def folder_of(configuration: Configuration, environ: Mapping[str, str]) -> str:
    """The state folder of a configuration, whether it can be used or not."""
    return configuration.davkeep.state or default_of(environ)


def default_of(environ: Mapping[str, str]) -> str:
    """The state folder of who names none, whatever is served."""
    return os.path.join(home(environ), "davkeep", NAME)


def roots_of(configuration: Configuration) -> list[str]:
    """The real paths of what is served."""
    return [os.path.realpath(share.root) for share in configuration.provider_mapping.values()]


def _is_shown(folder: str, roots: Iterable[str]) -> bool:
    """Whether `folder` is a root or inside one, and no reserved name hides it from clients."""
    real = os.path.realpath(folder)
    return any(_leads_to(os.path.relpath(real, root)) for root in roots)


def _leads_to(below: str) -> bool:
    segments = below.split(os.sep)
    return segments[0] != os.pardir and not any(is_reserved(segment) for segment in segments)


def _can_be_made(folder: str) -> bool:
    """Whether it, or the nearest folder above it that exists, may be written to.

    One that holds a database already can be used on a disk that is read-only: the store decides.
    """
    if os.access(os.path.join(folder, DATABASE), os.R_OK):
        return True
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)


def _unusable(folder: str, reason: str) -> ConfigurationError:
    return ConfigurationError([f"davkeep.state: {folder} {reason}"])
