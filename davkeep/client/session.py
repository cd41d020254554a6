"""Asking one server, with credentials where it wants them."""

from collections.abc import Mapping

from davkeep import __version__
from davkeep.client.address import Address, CannotAsk
from davkeep.client.credentials import Credentials
from davkeep.client.wire import MOST_CONTENT, Heard, ask
from davkeep.words.display import clipped


class Session:
    """What one command asks of one server."""

    def __init__(self, address: Address, credentials: Credentials | None, command: str) -> None:
        """Nothing is sent yet. `command` is told to the server in the User-Agent field."""
        self._address = address
        self._credentials = credentials
        self._agent = f"davkeep-{command}/{__version__}"

    def ask(
        self,
        method: str,
        resource: str,
        within: float,
        fields: Mapping[str, str] | None = None,
        most_content: int = MOST_CONTENT,
    ) -> Heard:
        """Ask for a resource below the server's URL; once again with credentials if it wants them.

        Listens for at most `within` seconds each time. Raises CannotAsk if there is no connection,
        and where the server wants credentials of another kind.
        """

        def once() -> Heard:
            target = f"{self._address.path}{resource}"
            proof = self._credentials.fields(method, target) if self._credentials else {}
            sent = {"User-Agent": self._agent, **(fields or {}), **proof}
            return ask(self._address, method, target, sent, within, most_content)

        heard = once()
        if heard.status != 401 or self._credentials is None:
            return heard
        if not self._credentials.answer(heard.fields.get("www-authenticate", "")):
            raise CannotAsk("the server wants credentials of a kind that is not known here")
        return once()


#: Characters of a refusal that are repeated, and among which they are looked for.
MOST_TOLD, MOST_READ = 500, 10_000

#: What statuses mean, whatever was asked for.
_MEANINGS = {
    401: "the server wants credentials, or refuses those that were given (--user)",
    404: "there is no davkeep, or not at this URL",
    502: "the proxy does not reach the server",
    503: "the server or the proxy is too busy",
}


def problem(heard: Heard, meanings: Mapping[int, str], otherwise: str) -> str:
    """Why an answer is none, in a sentence; `meanings` are those of what was asked for."""
    if heard.status is None:
        return f"no answer came: the response is {heard.end.value}"
    meaning = {**_MEANINGS, **meanings}.get(heard.status, otherwise)
    location = heard.fields.get("location", "")
    if 300 <= heard.status < 400 and location:
        return f"{heard.status}: {meaning}. It sends elsewhere: {clipped(location, MOST_TOLD)}"
    told = _told(heard)
    return f"{heard.status}: {meaning}" + (f". It says: {told}" if told else "")


def _told(heard: Heard) -> str:
    """The explanation in a refusal of davkeep's own, which follows a line with the status."""
    if not heard.fields.get("content-type", "").startswith("text/plain"):
        return ""
    text = heard.content.decode("utf-8", "replace").partition("\n")[2]
    return clipped(" ".join(text[:MOST_READ].split()), MOST_TOLD)
