"""A user of the status monitor, with a client library as people use it."""

from typing import Any

import requests

#: Where operations are.
OPERATIONS = "/.davkeep/operations"


class Onlooker:
    """Asks a server about its operations."""

    def __init__(self, url: str, auth: Any = None, *, host: str | None = None) -> None:
        """``auth`` as requests takes it; ``host``: another Host field than that of the URL."""
        self._url = url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.auth = auth
        if host is not None:
            self._session.headers["Host"] = host

    def ask(self, method: str, path: str, **fields: str) -> requests.Response:
        """Ask for a path; ``If_None_Match`` is the field If-None-Match."""
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        return self._session.request(
            method, self._url + path, headers=named, allow_redirects=False, timeout=60
        )

    def look(self, id: str, below: str = "", **fields: str) -> requests.Response:
        """GET one operation, or what is below it."""
        return self.ask("GET", f"{OPERATIONS}/{id}{below}", **fields)

    def cancel(self, id: str, **fields: str) -> requests.Response:
        """DELETE one operation."""
        return self.ask("DELETE", f"{OPERATIONS}/{id}", **fields)

    def list(self, **fields: str) -> list[dict[str, Any]]:
        """All that can be seen."""
        answer = self.ask("GET", OPERATIONS, **fields)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()
        return found
