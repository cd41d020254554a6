"""A part of an upload, and with the last one the whole file."""

from contextlib import ExitStack
from os import stat_result

from davkeep.dav.answers import Answer
from davkeep.dav.request import Request
from davkeep.dav.site import Site
from davkeep.dav.staged import Staged
from davkeep.dav.uploads.address import standing_fields, upload_url
from davkeep.trees.share import Entry
from davkeep.trees.steps import Lane, Steps
from davkeep.trees.upload import Upload
from davkeep.words.content_range import ContentRange
from davkeep.words.digests import Digest, Scope, Verification
from davkeep.words.failure import Failure

#: Bytes of a file that arrived in parts, read at once to verify it.
_BLOCK = 1024 * 1024


class Ranged(Staged):
    """One request of an upload in parts; what it brought stays if its connection breaks.

    A digest of the whole file counts in the request that brings its end. If the file arrived in
    several requests, it is read once more for that.
    """

    def __init__(self, site: Site, request: Request, part: ContentRange, entry: Entry) -> None:
        """Begin, or go on with, the upload of the request's owner; raises as ``Uploads.begin``."""
        super().__init__(site, request, entry, site.control(""))
        owner = (request.user, request.account_address)
        self._transfer = site.uploads.begin(entry, owner, part)
        self.control.staging_name = self._transfer.name
        self._url = upload_url(request.whole_path)
        self._upload: Upload | None = None

    @property
    def stored(self) -> stat_result | None:
        return None if self._upload is None else self._upload.stored

    @property
    def has_time(self) -> bool:
        return self._upload is not None and self._upload.has_time

    def receive(self, request: Request) -> None:
        transfer = self._transfer
        verification = Verification(self._verified_now())
        for block in request.blocks(self.block):
            transfer.write(block)
            verification.update(block)
        transfer.finish()
        try:
            verification.check()
        except Failure:
            transfer.take_back(is_wrong=True)
            raise
        if transfer.part.is_last:
            self._complete()
        elif self.control.fsync:
            transfer.flush()

    def _verified_now(self) -> list[Digest]:
        """The digests of what this request brings."""
        is_all = self._transfer.is_all
        return [each for each in self.digests if is_all or each.scope is Scope.CONTENT]

    def _complete(self) -> None:
        transfer = self._transfer
        transfer.begin_commit()
        self._upload = Upload(self.entry, self.control, arrived=transfer.partial)
        self.size = transfer.part.total

    def give_up(self) -> None:
        """What has arrived is of no use to anybody."""
        self._transfer.is_over = True

    def accepted(self) -> Answer:
        """What is said while more is to come."""
        part = self._transfer.part
        fields = standing_fields(part.last + 1, part.total)
        return Answer(202, (("Location", self._url), *fields))

    def steps(self, *, only_new: bool) -> Steps:
        assert self._upload is not None, "only a complete upload is stored"
        whole = [] if self._transfer.is_all else self.digests
        verification = Verification(each for each in whole if each.scope is Scope.WHOLE)
        if verification:
            yield Lane.LONG
            for block in self._upload.blocks(_BLOCK):
                verification.update(block)
                yield None
            self._settle(verification)
        return (yield from self._upload.commit(replace=not only_new, mtime=self.mtime))

    def _settle(self, verification: Verification) -> None:
        """What is not the file that was meant is of no use to anybody."""
        try:
            verification.check()
        except Failure:
            self._transfer.is_over = True
            raise

    def drop(self) -> None:
        with ExitStack() as closing:
            closing.callback(self._transfer.close)
            if self._upload is not None:
                self._upload.abort()
                self._transfer.is_over |= self._upload.stored is not None
