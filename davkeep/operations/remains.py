"""What is left of an operation that was taken back, in words (the promises, Ends that are not
success).
"""

from davkeep.operations.operation import Operation

#: By method, where undoing leaves no trace.
_NO_TRACE = {
    "COPY": "Nothing of the copy is left.",
    "MOVE": "Everything is where it was.",
    "PUT": "What was there before is there still.",
    "PATCH": "What was there before is there still.",
}

_HIDDEN = "Undoing it failed; what it left is hidden."


def what_remains(operation: Operation, *, is_undone: bool) -> str:
    """Return what stayed and what went, now that ``operation`` was taken back.

    ``is_undone`` false: taking it back met an error.
    """
    if operation.method == "DELETE" and is_undone:
        return _of_delete(operation.progress.members_done, is_hidden=operation.left_behind)
    if not is_undone or operation.left_behind:
        return _HIDDEN
    return _NO_TRACE.get(operation.method, "What it had begun was undone.")


def _of_delete(treated: int, *, is_hidden: bool) -> str:
    """Members that could not be removed are among the ``treated`` ones."""
    if is_hidden:
        return f"Up to {treated} members are gone for good, the rest is hidden: its name was taken."
    if not treated:
        return "Nothing was removed."
    return f"Up to {treated} members are gone for good, the rest is in its place."
