"""The list of unfinished uploads that a caller may see: the own ones, administrators all."""

import json
from collections.abc import Callable, Iterable
from typing import Any, Protocol
from urllib.parse import parse_qs

from davkeep.monitor.documents import JSON, Document, Environ, StartResponse, check
from davkeep.monitor.lookup import challenged
from davkeep.monitor.methods import by_method
from davkeep.monitor.same_origin import require_same_origin
from davkeep.monitor.tokens import Tokens
from davkeep.words.failure import Failure
from davkeep.words.status import reason

#: Whether what belongs to an account may be seen.
MaySee = Callable[[tuple[str, str]], bool]


class Unfinished(Protocol):
    """What knows of them."""

    def told(self, may_see: MaySee) -> list[dict[str, Any]]:
        """What JSON says of each that may be seen."""

    def remove(self, id: str, may_see: MaySee) -> bool:
        """Drop one; False if there is none that may be seen. Raises Failure 423."""


class UploadList:
    """The resource."""

    def __init__(self, unfinished: Unfinished, tokens: Tokens) -> None:
        self._unfinished = unfinished
        self._tokens = tokens

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """GET: 200; 401 for one without a name who has nothing to see where there are users, since
        he may have a name after all. DELETE with ``?id=``: 204.
        """
        handlers = {"GET": self._get, "DELETE": self._delete}
        return by_method(handlers, environ, start_response)

    def _get(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        told = self._unfinished.told(environ["davkeep.caller"].may_see)
        asked = None if told else challenged(environ, start_response)
        if asked is not None:
            return asked
        content = json.dumps(told, indent=2).encode() + b"\n"
        return Document(200, JSON, content).send_unconditionally(environ, start_response)

    def _delete(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Raises Failure 400 without an id, 403, 404 also for what is somebody else's, and 423.

        The list has no entity tag, so a condition on one is 412.
        """
        require_same_origin(environ, self._tokens)
        ids = parse_qs(environ.get("QUERY_STRING", "")).get("id", [])
        if len(ids) != 1:
            raise Failure(400, "Which upload is meant has to be said by ?id=.")
        check(environ, None)
        if not self._unfinished.remove(ids[0], environ["davkeep.caller"].may_see):
            asked = challenged(environ, start_response)
            if asked is None:
                raise Failure(404, "There is no such upload.")
            return asked
        start_response(f"204 {reason(204)}", [])
        return ()
