"""An answer that is not success, raised where it is found and rendered at the door."""

from collections.abc import Sequence


class Failure(Exception):
    """Ends a request with `status`, 300 to 599.

    `explanation` is a sentence for the person who reads the answer: it never holds a path of the
    file system or the text of an exception. `condition` is the local name of the DAV: element that
    names the precondition or postcondition (RFC 4918 16), and `hrefs` are the quoted URLs inside
    that element. `fields` are header fields of the answer.

    Raises ValueError for a status outside 300 to 599.
    """

    def __init__(
        self,
        status: int,
        explanation: str = "",
        *,
        condition: str | None = None,
        hrefs: Sequence[str] = (),
        fields: Sequence[tuple[str, str]] = (),
    ) -> None:
        if not 300 <= status <= 599:
            raise ValueError(f"{status} is not the status of a failure")
        super().__init__(status, explanation)
        self.status = status
        self.explanation = explanation
        self.condition = condition
        self.hrefs = tuple(hrefs)
        self.fields = tuple(fields)

    def __str__(self) -> str:
        return f"{self.status} {self.explanation}".rstrip()
