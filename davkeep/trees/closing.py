"""What holds descriptors, and is closed."""

from types import TracebackType
from typing import Self


class Closing:
    """A context manager that gives itself and calls its own ``close`` at the end."""

    def close(self) -> None:
        """Give up what is held; a second time does nothing."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()
