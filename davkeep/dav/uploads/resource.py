"""What can be asked of an upload, at the URL that is made from its target's."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from davkeep.dav.answers import Answer
from davkeep.dav.handler import answered, send_failure
from davkeep.dav.request import Request, StartResponse
from davkeep.dav.site import Site
from davkeep.dav.uploads.address import standing_fields
from davkeep.words.conditions import check_preconditions, conditions_in
from davkeep.words.failure import Failure


class UploadResource:
    """HEAD and GET tell how much has arrived, DELETE gives it up; 404 for everybody but its owner.

    It comes after authentication for the share of the target.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._methods: Mapping[str, Callable[[Request], Answer]] = {
            "GET": self._tell,
            "HEAD": self._tell,
            "DELETE": self._abandon,
            "OPTIONS": self._options,
        }

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        try:
            request = Request(environ, start_response, *environ["davkeep.target"])
            method = self._methods.get(request.method)
            if method is None:
                raise Failure(405, fields=[("Allow", self._allowed)])
        except Failure as failure:
            return send_failure(failure, environ, start_response)
        return answered(lambda: method(request)).send(request)

    @property
    def _allowed(self) -> str:
        return ", ".join(self._methods)

    def _tell(self, request: Request) -> Answer:
        request.refuse_body()
        with request.share.existing(request.segments) as entry:
            found = self._site.uploads.standing(entry, request.account)
        if found is None:
            raise Failure(404)
        fields = (
            *standing_fields(found.offset, found.length),
            ("Upload-Limit", f"max-age={int(found.left)}"),
        )
        return Answer(204, fields)

    def _abandon(self, request: Request) -> Answer:
        """404 where there is none, 412 for a condition on an entity tag, which it has not."""
        request.refuse_body()
        with request.share.existing(request.segments) as entry:
            conditions = conditions_in(request.environ)
            if conditions and self._site.uploads.standing(entry, request.account):
                check_preconditions(
                    conditions, method="DELETE", etag=None, modified=None, exists=True
                )
            if not self._site.uploads.abandon(entry, request.account):
                raise Failure(404)
        return Answer(204)

    def _options(self, _: Request) -> Answer:
        return Answer(200, (("Allow", self._allowed),))
