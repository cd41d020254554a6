"""A part of an upload, and with the last one the whole file."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from os import stat_result

from davkeep.dav.answers import Answer, Field
from davkeep.dav.request import Request
from davkeep.dav.site import Site
from davkeep.dav.staged import Staged
from davkeep.dav.uploads.address import complete_fields, standing_fields, upload_url
from davkeep.store.database import StoreError
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

    A digest of the whole file counts in the request that brings its end. It is taken of what is
    stored, which is read once more for it: what one request brought is not what counts.
    """

    def __init__(
        self,
        site: Site,
        request: Request,
        part: ContentRange,
        entry: Entry,
        content: Iterable[memoryview] | None = None,
    ) -> None:
        """Begin, or go on with, the upload of the request's owner; raises as ``Uploads.begin``.

        ``content``: of the request, if its beginning was read before.
        """
        super().__init__(site, request, entry, site.control(""))
        self._uploads = site.uploads
        self._content = content
        self._transfer = site.uploads.begin(entry, request.account, part)
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
        verification = Verification(self._digests_of(Scope.CONTENT))
        content = request.blocks(self.block) if self._content is None else self._content
        for block in content:
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
        else:
            self._keep()

    def _digests_of(self, scope: Scope) -> Iterator[Digest]:
        return (each for each in self.digests if each.scope is scope)

    def _keep(self) -> None:
        """What is answered with 202 outlives a loss of power, with the row by which it is found."""
        if self.control.fsync:
            self._transfer.flush()
        try:
            self._uploads.keep(self._transfer, durable=True)
        except StoreError:
            self._transfer.take_back(is_wrong=False)
            raise

    def _complete(self) -> None:
        partial = self._transfer.tenure.hold_to_store()
        self._upload = Upload(self.entry, self.control, arrived=partial)
        self.size = self._transfer.part.total

    def give_up(self) -> None:
        """What has arrived is of no use to anybody."""
        self._transfer.is_over = True

    @property
    def accepted_fields(self) -> tuple[Field, ...]:
        return complete_fields(self._transfer.part.total)

    def accepted(self) -> Answer:
        """What is said while more is to come."""
        part = self._transfer.part
        fields = standing_fields(part.last + 1, part.total)
        return Answer(202, (("Location", self._url), *fields))

    def steps(self, *, only_new: bool) -> Steps:
        assert self._upload is not None, "only a complete upload is stored"
        verification = Verification(self._digests_of(Scope.WHOLE))
        if verification:
            if self._transfer.part.total > self.control.block_size:
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
