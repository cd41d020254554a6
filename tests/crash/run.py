"""One operation that is cut off at a point, and the check of what is there after a restart."""

import os
import select
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from crash.actions import NEW_TIME, Action
from crash.scene import Scene, State
from crash.victim import Forge, Victim
from harness.server import DEADLINE
from harness.wire import AGENT, Wire

#: A client that is answered at the effective point.
EARLY = "Microsoft-WebDAV-MiniRedir/10.0.19045"


@dataclass(frozen=True)
class Cut:
    """How an operation was cut off: at which point (None: it ended), and whether it was answered.

    ``events``: everything that happened, of one that ended.
    """

    point: str | None
    acknowledged: bool
    events: tuple[str, ...] = ()


class Lost(AssertionError):
    """Something is neither as it was nor as it was to be."""


class Trial:
    """One action on one scene."""

    def __init__(
        self, forge: Forge, scene: Scene, action: Action, fault: str | None = None
    ) -> None:
        """``fault``: one of ``faults``, committed by every server of the trial."""
        self._forge = forge
        self._scene = scene
        self.action = action
        self._fault = fault
        self._old = State()
        self._new = State()

    def begin(self) -> None:
        """Make the scene anew."""
        self._old = self._scene.reset()
        self._new = self.action.model(self._scene, self._old)

    def cut(self, stop_at: int | None) -> Cut:
        """Ask for the action and kill the server at a point, or when all is over."""
        with self._victim(stop_at, is_recovery=False) as victim:
            assert victim.wait_until_serving() is None
            parts = urlsplit(victim.url)
            agent = EARLY if self.action.early else AGENT
            with Wire(str(parts.hostname), int(parts.port or 0), agent=agent) as wire:
                self.action.send(wire, self._scene, victim.url)
                return self._watched(victim, wire)

    def _watched(self, victim: Victim, wire: Wire) -> Cut:
        """Wait for the point, or for both the response and the end."""
        acknowledged, ended = False, None
        while not (acknowledged and ended):
            ready = select.select(
                [victim, *([] if acknowledged else [wire.socket])], [], [], DEADLINE
            )
            assert ready[0], f"{self.action.name} hangs:\n" + "\n".join(victim.log)
            if victim not in ready[0]:
                response = wire.response()
                assert response.status == self.action.status, (response, victim.log)
                acknowledged = True
                continue
            for told in victim.heard():
                if told["what"] == "reached":
                    return Cut(told["event"], acknowledged)
                if told["what"] == "ended":
                    ended = tuple(told["events"])
        assert ended is not None
        return Cut(None, True, ended)

    def cut_recovery(self, stop_at: int) -> str | None:
        """Start again and kill recovery at a point; None if it ended before."""
        with self._victim(stop_at, is_recovery=True) as victim:
            stopped = victim.wait_until_recovered()
            return None if stopped is None else str(stopped["event"])

    def check(self, cut: Cut) -> None:
        """Start again, and again, and look. Raises Lost."""
        told = self._restart()
        after = self._seen()
        is_new = self._judge(after, cut)
        self._judge_words(told, is_new)
        if self._restart() or self._seen().differences(after):
            raise Lost(f"{self.action.name}, {cut}: the second recovery did something")

    def _judge(self, after: State, cut: Cut) -> bool:
        """Whether it is the new state; raises Lost if it is neither."""
        from_new, from_old = after.differences(self._new), after.differences(self._old)
        if from_new and (cut.acknowledged or from_old):
            words = [f"{self.action.name}, {cut}", "not new:", *from_new, "not old:", *from_old]
            raise Lost("\n  ".join(words))
        return not from_new

    def _judge_words(self, told: list[str], is_new: bool) -> None:
        """What the log says of the operation has to be true."""
        said = [line for line in told if "operation " in line and "WARNING" in line]
        wrong = "Nothing that a reader sees" if is_new else "succeeded"
        if any(line.endswith((wrong, wrong + " was changed.")) for line in said):
            raise Lost(f"{self.action.name}: {said}, but the new state stands: {is_new}")

    def _restart(self) -> list[str]:
        """Start, let recovery end, kill; return what it told."""
        with self._victim(None, is_recovery=True) as victim:
            assert victim.wait_until_recovered() is None
            return victim.recovered

    def _seen(self) -> State:
        """The state, with a time that cannot be known left out."""
        found = self._scene.look()
        if self.action.fresh_time is not None:
            path = os.fsencode(self._scene.here) + unquote_to_bytes(self.action.fresh_time)
            what = found.names.get(path)
            if what is not None and what != self._old.names.get(path):
                found.names[path] = (what[0], NEW_TIME, what[2])
        return found

    def _victim(self, stop_at: int | None, *, is_recovery: bool) -> Victim:
        plan: dict[str, Any] = {
            "config": str(self._scene.config),
            "stop_at": stop_at,
            "flags": self.action.flags,
            "fault": self._fault,
            "is_recovery": is_recovery,
        }
        return self._forge.victim(plan)
