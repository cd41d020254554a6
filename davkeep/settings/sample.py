"""The sample share: what is served when no folder is named.

The packaged one may be read-only, part of a checkout or other users' too. So each user gets a copy
of his own to change, which is made once and kept: what he puts there is his. Without the folder a
new copy is made.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping

import davkeep
from davkeep.settings.state import home
from davkeep.words.configuration import ConfigurationError

#: The folder as it was packaged.
PACKAGED = os.path.join(os.path.dirname(davkeep.__file__), "sample_share")


def place(state: str | None, environ: Mapping[str, str]) -> str:
    """Where the user's copy is: in the configured folder of the state, or beside the others."""
    return os.path.join(state or os.path.join(home(environ), "davkeep"), "sample_share")


def make(copy: str, tell: Callable[[str], None]) -> None:
    """Make the user's copy unless it is there, and tell him of it.

    Raises ConfigurationError if it cannot be made.
    """
    try:
        if not os.path.isdir(copy):
            _make_whole(copy)
    except OSError as error:
        raise ConfigurationError(
            [f"ROOT: none is given, and {copy} cannot be made: {error.strerror}"]
        ) from None
    tell(f"no folder is given; serving your own copy of the sample share: {copy}")


def _make_whole(copy: str) -> None:
    """Copy beside and rename, so that an interrupted copy is never taken for a whole one."""
    above = os.path.dirname(copy)
    os.makedirs(above, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sample_share.", dir=above) as staging:
        whole = os.path.join(staging, "whole")
        _copy_contents(PACKAGED, whole)
        try:
            os.rename(whole, copy)
        except OSError:
            # Where another process was faster, its copy is as good.
            if not os.path.isdir(copy):
                raise


def _copy_contents(source: str, target: str) -> None:
    """Names and bytes only: the modes of a read-only installation are of no use."""
    for folder, _, names in os.walk(source):
        below = os.path.normpath(os.path.join(target, os.path.relpath(folder, source)))
        os.mkdir(below)
        for name in names:
            shutil.copyfile(os.path.join(folder, name), os.path.join(below, name))
