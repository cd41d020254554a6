"""`davkeep probe URL`: what becomes of interim responses on the way from a server to here."""

from davkeep.client.address import Address, CannotAsk
from davkeep.client.credentials import Credentials
from davkeep.client.trials import Findings, Trial, run
from davkeep.client.wire import Heard, ask

#: The reserved resource, below the URL.
RESOURCE = ".davkeep/probe"

#: Seconds of the first probe, which has no interim response.
CONTROL = 0.1

#: Seconds beyond its time that an answer is waited for.
MARGIN = 5.0

#: What a status of the first probe means.
_MEANINGS = {
    401: "the server wants credentials, or refuses those that were given (--user)",
    403: "only an administrator may do this",
    404: "there is no davkeep, or not at this URL",
    405: "there is no davkeep that can be probed",
    502: "the proxy does not reach the server",
    429: "other probes are running; try again when they have ended",
    503: "the server or the proxy is too busy",
}


class Prober:
    """Asks one server for probes."""

    def __init__(self, address: Address, credentials: Credentials | None) -> None:
        """Nothing is sent yet."""
        self._address = address
        self._credentials = credentials

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
        """One experiment; asked again with credentials if the server wants them."""
        trial = self._once(count, seconds)
        heard, credentials = trial.heard, self._credentials
        if heard.status != 401 or credentials is None:
            return trial
        if not credentials.answer(heard.fields.get("www-authenticate", "")):
            raise CannotAsk("the server wants credentials of a kind that is not known here")
        return self._once(count, seconds)

    def _once(self, count: int, seconds: float) -> Trial:
        target = f"{self._address.path}{RESOURCE}?count={count}&seconds={seconds:g}"
        fields = self._credentials.fields("POST", target) if self._credentials else {}
        heard = ask(self._address, "POST", target, fields, seconds + MARGIN)
        return Trial(count, seconds, heard)


def _problem(heard: Heard) -> str:
    """Why there can be no probe."""
    if heard.status is None:
        return f"no answer came: the response is {heard.end.value}"
    meaning = _MEANINGS.get(heard.status, "that is no answer to a probe")
    told = heard.content.decode("utf-8", "replace").partition("\n")[2].strip()
    is_text = heard.fields.get("content-type", "").startswith("text/plain")
    return f"{heard.status}: {meaning}" + (f". It says: {told}" if told and is_text else "")
