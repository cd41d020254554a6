import errno

import pytest

from davkeep.words.status import REASONS, reason, status_of_errno


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (errno.EACCES, 403),
        (errno.EPERM, 403),
        (errno.EROFS, 403),
        (errno.ELOOP, 403),
        (errno.EBUSY, 403),
        (errno.ETXTBSY, 403),
        (errno.ENOENT, 404),
        (errno.ESTALE, 404),
        (errno.ENOTDIR, 409),
        (errno.EISDIR, 409),
        (errno.ENOTEMPTY, 409),
        (errno.EEXIST, 409),
        (errno.ENAMETOOLONG, 414),
        (errno.EFBIG, 413),
        (errno.EMFILE, 503),
        (errno.ENFILE, 503),
        (errno.ENOMEM, 503),
        (errno.ENOMEDIUM, 503),
        (errno.ENOTCONN, 503),
        (errno.EHOSTDOWN, 503),
        (errno.EHOSTUNREACH, 503),
        (errno.ETIMEDOUT, 503),
        (errno.ENOSPC, 507),
        (errno.EDQUOT, 507),
        (errno.EMLINK, 507),
        (errno.EIO, 500),
        (0, 500),
        (None, 500),
    ],
)
def test_errno_has_its_status(number: int | None, status: int) -> None:
    """Each error of the file system has the status that a client can act on, or 500."""
    assert status_of_errno(number) == status


@pytest.mark.parametrize(
    ("status", "phrase"),
    [
        (102, "Processing"),
        (200, "OK"),
        (207, "Multi-Status"),
        (422, "Unprocessable Entity"),
        (423, "Locked"),
        (424, "Failed Dependency"),
        (507, "Insufficient Storage"),
        (799, ""),
    ],
)
def test_reason_phrase(status: int, phrase: str) -> None:
    """WebDAV's statuses have RFC 4918's phrases, unknown ones have none."""
    assert reason(status) == phrase


def test_reasons_cannot_be_changed() -> None:
    """The table is read-only, so no part of the program can change another's answers."""
    with pytest.raises(TypeError):
        REASONS[200] = "Fine"  # type: ignore[index]
