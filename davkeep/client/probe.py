"""`davkeep probe URL`: what becomes of interim responses on the way from a server to here."""

from davkeep.client.address import CannotAsk
from davkeep.client.session import Session, problem
from davkeep.client.trials import Findings, Trial, run
from davkeep.client.wire import Heard

#: The reserved resource, below the URL.
RESOURCE = ".davkeep/probe"

#: Seconds of the first probe, which has no interim response.
CONTROL = 0.1

#: Seconds beyond its time that an answer is waited for.
MARGIN = 5.0

#: What a status of the first probe means.
_MEANINGS = {
    403: "only an administrator may do this",
    405: "there is no davkeep that can be probed",
    429: "other probes are running; try again when they have ended",
}


class Prober:
    """Asks one server for probes."""

    def __init__(self, session: Session) -> None:
        """Nothing is sent yet."""
        self._session = session

    def findings(self, count: int, seconds: float, patience: float | None) -> Findings:
        """Run all experiments. Raises CannotAsk."""
        control = self._trial(0, CONTROL)
        if not control.passed:
            raise CannotAsk(_problem(control.heard))
        return run(self._undisturbed, control, count, seconds, patience)

    def _undisturbed(self, count: int, seconds: float) -> Trial:
        """One experiment; a refusal by the server itself must not pass for the proxy's doing."""
        trial = self._trial(count, seconds)
        if trial.heard.status in (401, 403, 429):
            raise CannotAsk(_problem(trial.heard))
        return trial

    def _trial(self, count: int, seconds: float) -> Trial:
        """One experiment."""
        resource = f"{RESOURCE}?count={count}&seconds={seconds:g}"
        return Trial(count, seconds, self._session.ask("POST", resource, seconds + MARGIN))


def _problem(heard: Heard) -> str:
    """Why there can be no probe."""
    return problem(heard, _MEANINGS, "that is no answer to a probe")
