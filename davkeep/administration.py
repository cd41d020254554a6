"""What a server that runs does for whoever administers it on its machine: `davkeep state`."""

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

from davkeep.control import Command, Control, Refused
from davkeep.control.place import LONGEST
from davkeep.dav.site import Site
from davkeep.operations.forgetting import ForgetRefused, Forgetting
from davkeep.operations.looks import ShareRefused
from davkeep.store.backup import BackupError
from davkeep.store.database import StoreError
from davkeep.store.holdings import Subject, holding, subjects

_log = logging.getLogger("davkeep")

#: Seconds between two slices of a backup, or of what is counted.
PAUSE = 0.002

#: Bytes after which an answer is full, so that one more share never makes it too long: a path has
#: at most 4096 bytes, of which each may take six.
FULL = LONGEST // 2


def start_control(site: Site, opened: ExitStack) -> None:
    """Listen to that person; it is stopped with ``opened``.

    Where no socket can be made (a full disk) it serves all the same.
    """
    administration = Administration(site)
    control = Control(site.database.folder, administration.commands)
    administration.control = control
    try:
        control.start()
    except OSError as error:
        _log.warning("nothing can be asked of it by `davkeep state` while it runs: %s", error)
    opened.callback(control.stop)


class Administration:
    """What can be asked for. Each command is called by the control's thread."""

    def __init__(self, site: Site) -> None:
        """For a server that is not asked yet."""
        self._site = site
        self.control: Control | None = None

    @property
    def commands(self) -> Mapping[str, Command]:
        """All of them, by their names."""
        return {
            "adopt": self._adopt,
            "backup": self._back_up,
            "forget": self._forget,
            "list": self._list,
        }

    def _back_up(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            self._site.database.back_up(Path(request["file"]), self._pause)
        except (BackupError, StoreError) as error:
            raise Refused(str(error)) from None
        return {}

    def _pause(self) -> None:
        """Let others have their turn. Raises BackupError when the server stops."""
        if self.control is not None and self.control.is_stopped.wait(PAUSE):
            raise BackupError("the server stops")

    def _adopt(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"share": self._site.identities.adopt(request["root"], request["share"])}
        except ShareRefused as error:
            raise Refused(str(error)) from None
        except OSError as error:
            raise Refused(f"{request['root']}: {error.strerror}") from None

    def _list(self, request: dict[str, Any]) -> dict[str, Any]:
        """Those that come after the first ``skip``, as many as an answer holds; none at the end."""
        database = self._site.database
        told: list[dict[str, Any]] = []
        try:
            for each in islice(subjects(database), request["skip"], None):
                told.append(self._told(each))
                if len(json.dumps(told)) > FULL:
                    break
        except (BackupError, StoreError) as error:
            raise Refused(str(error)) from None
        return {"shares": told}

    def _told(self, subject: Subject) -> dict[str, Any]:
        site = self._site
        is_served = subject.share is not None and site.identities.is_served(subject.share)
        found = holding(
            site.database, subject, is_served=is_served, now=site.now(), pause=self._pause
        )
        return found.as_told()

    def _forget(self, request: dict[str, Any]) -> dict[str, Any]:
        site = self._site
        identities = site.identities
        forgetting = Forgetting(site.database, site.journal, identities.owner, identities.is_served)
        try:
            forgotten = forgetting.forget(request["share"])
        except (ForgetRefused, StoreError) as error:
            raise Refused(str(error)) from None
        return {"what": forgotten.what, "stays": _few(forgotten.stays)}


def _few(sentences: Sequence[str]) -> list[str]:
    """As many of them as an answer holds, and how many more there are."""
    told: list[str] = []
    for each in sentences:
        if len(json.dumps([*told, each])) > FULL:
            return [*told, f"and {len(sentences) - len(told)} more"]
        told.append(each)
    return told
