"""Where the state was when each set of roots had a state folder of its own."""

import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from davkeep.settings.state import default_of, home, roots_of
from davkeep.store.files import DATABASE
from davkeep.store.former import Former
from davkeep.words.configuration import Configuration

#: Hexadecimal digits of a hash of the roots, by which such a folder was named.
_DIGITS = 16
_NAME = re.compile(rf"[0-9a-f]{{{_DIGITS}}}")

#: In which folders of the XDG state folder they were.
_PLACES = ("davkeep", ".davkeep")


def former_of(configuration: Configuration, environ: Mapping[str, str]) -> Former | None:
    """Where the state may be that came before that of a configuration, which is loaded.

    None for a configuration that names another folder than the default one.
    """
    if configuration.davkeep.state != default_of(environ):
        return None
    places = [Path(home(environ), place) for place in _PLACES]
    given = [os.path.abspath(each.root) for each in configuration.provider_mapping.values()]
    own = _own(places, [_name(roots_of(configuration)), _name(given)])
    found = [state for place in places for state in _states_in(place) if state != own]
    return Former(own, sorted(found, key=_last_used, reverse=True))


def _name(roots: Iterable[str]) -> str:
    joined = b"\0".join(sorted({os.fsencode(root) for root in roots}))
    return hashlib.sha256(joined).hexdigest()[:_DIGITS]


def _own(places: Sequence[Path], names: Sequence[str]) -> Path:
    """That of the same roots, or of where they were when links to them were left there."""
    found = (place / name for name in names for place in places)
    return next((each for each in found if each.is_dir()), places[0] / names[0])


def _states_in(place: Path) -> list[Path]:
    if not place.is_dir():
        return []
    return [
        each
        for each in place.iterdir()
        if _NAME.fullmatch(each.name) and (each / DATABASE).is_file()
    ]


def _last_used(state: Path) -> float:
    return (state / DATABASE).stat().st_mtime
