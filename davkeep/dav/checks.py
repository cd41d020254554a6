"""What is checked before anything is promised: conditions and locks (RFC 4918 10.4, 7)."""

import os
from collections.abc import Iterable

from davkeep.dav.request import Request
from davkeep.dav.shares import Provider
from davkeep.dav.site import Site
from davkeep.store.locks import Lock
from davkeep.trees.share import Entry, Kind, Place, etag_of, kind_of
from davkeep.words.conditions import Facts, check_preconditions, conditions_in, evaluate
from davkeep.words.failure import Failure
from davkeep.words.urls import Segments


def etag_if_file(status: os.stat_result | None) -> str | None:
    """The entity tag, without quotes, of a file; collections have none."""
    return etag_of(status) if status is not None and kind_of(status) is Kind.FILE else None


def check_conditions(
    site: Site,
    request: Request,
    status: os.stat_result | None,
    destination: Entry | None = None,
) -> None:
    """Evaluate the conditional fields and If on the target, whose status is given.

    412 when one does not hold, 304 for a read that need not be answered, 400 for malformed ones.

    A list of If without a URL is about the target alone (RFC 4918 10.4.2). But Windows and Office
    save by a MOVE onto the locked original with ``If: (<token>)``, the token being that of the
    ``destination``: where a list does not hold otherwise, its locks count for it too.
    """
    fields = conditions_in(request.environ)
    if fields:
        check_preconditions(
            fields,
            method=request.method,
            etag=etag_if_file(status),
            modified=None if status is None else status.st_mtime,
            exists=status is not None,
        )
    if request.if_ is None:
        return

    def strictly(url: str | None) -> Facts:
        return _facts(site, request, url)

    def kindly(url: str | None) -> Facts:
        facts = strictly(url)
        if url is not None or destination is None:
            return facts
        return Facts(facts.etag, facts.tokens | _tokens_at(site, destination))

    if not (evaluate(request.if_, strictly) or (destination and evaluate(request.if_, kindly))):
        raise Failure(412, "The If field does not hold.")


def _tokens_at(site: Site, entry: Entry) -> frozenset[str]:
    """The tokens of the locks on an entry and on its collection."""
    locks = site.locks.covering(entry.key)
    if not entry.is_root:
        locks += site.locks.covering(os.path.dirname(entry.key))
    return frozenset(lock.token for lock in locks)


def _facts(site: Site, request: Request, url: str | None) -> Facts:
    """What is true of a resource that the If field names; None is the target.

    Nothing is told of what is hidden, nor of a share that the user may not use.
    """
    try:
        segments = request.whole_path if url is None else request.located(url)
    except Failure:
        return Facts()
    found = site.shares.find(segments)
    if found is None or (found[0] is not request.provider and not request.may_use(found[0])):
        return Facts()
    try:
        with found[0].share.entry(found[1]) as entry:
            tokens = frozenset(lock.token for lock in site.locks.covering(entry.key))
            return Facts(etag_if_file(entry.find()), tokens)
    except OSError:
        return Facts()


def refuse_roots(
    site: Site, provider: Provider, segments: Segments, entry: Entry, place: Place
) -> None:
    """403 for what is, or holds, the root of a share, under whichever of its names and URLs.

    ``place`` is where the entry is.
    """
    if (
        entry.is_root
        or site.shares.below(provider.segments + segments)
        or site.shares.have_root_in(place)
    ):
        raise Failure(403, "The root of a share stays where it is.")


class LockCheck:
    """Collects which locks cover a change; the tokens of all of them have to be submitted.

    ``tokens`` are those that the change then relies on.
    """

    def __init__(self, site: Site, request: Request) -> None:
        """Begin with nothing covered."""
        self._locks = site.locks
        self._request = request
        self.tokens: set[str] = set()
        #: Whether something is made where nothing is.
        self.is_creation = False

    def content(self, entry: Entry) -> None:
        """The content or the properties of ``entry`` change (RFC 4918 7.2)."""
        self._require([self._locks.covering(entry.key)])

    def membership(self, entry: Entry) -> None:
        """``entry`` appears in or vanishes from its collection (RFC 4918 7.4)."""
        if not entry.is_root:
            self._require([self._locks.covering(os.path.dirname(entry.key))])

    def creation(self, entry: Entry) -> None:
        """``entry``, where nothing is, gets a content and appears in its collection."""
        self.is_creation = True
        self._require(self._locks.covering_new(entry.key))

    def tree(self, entry: Entry) -> None:
        """``entry`` and everything below it vanishes or is replaced."""
        self.content(entry)
        below: dict[bytes, list[Lock]] = {}
        for lock in self._locks.below(entry.key):
            below.setdefault(lock.path, []).append(lock)
        self._require(below.values())

    def _require(self, groups: Iterable[list[Lock]]) -> None:
        """One token of each group; of exclusive locks there is one in a group."""
        missing: list[str] = []
        for locks in groups:
            own = {lock.token for lock in locks if self._is_submitted(lock)}
            self.tokens |= own
            if locks and not own:
                missing.extend(lock.url for lock in locks)
        if missing:
            hrefs = list(dict.fromkeys(missing))
            raise Failure(423, condition="lock-token-submitted", hrefs=hrefs)

    def _is_submitted(self, lock: Lock) -> bool:
        """A token counts only from the user who made the lock (RFC 4918 6.4)."""
        return lock.token in self._request.tokens and lock.principal == self._request.user
