"""Whose the hidden file of an upload is: one request's, which a newer one may take it from."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from davkeep.trees.partial import Partial
from davkeep.words.failure import Failure


class Tenure:
    """One request's hold on the file. It is the only way to the file, and ends for good.

    A client that resumes may have left a connection behind that is not known to be dead. So a newer
    request is handed the open file, and the older one has nothing left by which it could touch it,
    whatever it still meant to do. ``_guard`` is held whenever the file is used.
    """

    def __init__(self, partial: Partial) -> None:
        """Take over ``partial``, which is closed at the end unless it is handed over."""
        self._partial: Partial | None = partial
        self._guard = threading.Lock()
        self._is_storing = False

    @contextmanager
    def file(self) -> Iterator[Partial]:
        """The file, which nobody takes away meanwhile. Raises Failure 409 for who has lost it."""
        with self._guard:
            yield self._held()

    def hold_to_store(self) -> Partial:
        """The file, which nobody takes away any more. Raises Failure 409 as ``file``."""
        with self._guard:
            held = self._held()
            self._is_storing = True
            return held

    def hand_over(self) -> Partial | None:
        """The file, which is the caller's now; None if it was let go of before.

        Raises Failure 423 while the upload is being stored.
        """
        with self._guard:
            if self._is_storing:
                raise Failure(
                    423, "This upload is complete and being stored.", fields=[("Retry-After", "2")]
                )
            partial, self._partial = self._partial, None
            return partial

    def end(self) -> int | None:
        """Close the file if it is still held; return how many bytes count (``Partial.limit``)."""
        with self._guard:
            partial, self._partial = self._partial, None
            if partial is None:
                return None
            partial.close()
            return partial.limit

    def _held(self) -> Partial:
        if self._partial is None:
            raise Failure(409, "This upload was given up, or a newer request goes on with it.")
        return self._partial
