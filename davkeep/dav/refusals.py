"""Turns what WsgiDAV's own middleware raises into an answer, in place of its ErrorPrinter.

That one shows absolute paths and the text of exceptions, and begins a response at the first chunk,
even an empty one (the stock stack's defect 17; the design, Seams).
"""

from collections.abc import Iterable
from typing import Any

from wsgidav.dav_error import DAVError
from wsgidav.mw.base_mw import BaseMiddleware

from davkeep.dav.answers import failure_of
from davkeep.dav.handler import send_failure
from davkeep.dav.request import StartResponse
from davkeep.words.failure import Failure


class Refusals(BaseMiddleware):  # type: ignore[misc]
    """Answers a DAVError, Failure or OSError of the middleware inside it."""

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Run the middleware inside."""
        try:
            answer: Iterable[bytes] = self.next_app(environ, start_response)
            return answer
        except DAVError as error:
            failure = Failure(error.value if error.value >= 300 else 500)
        except Failure as raised:
            failure = raised
        except ConnectionError:
            raise
        except OSError as error:
            failure = failure_of(error)
        return send_failure(failure, environ, start_response)
