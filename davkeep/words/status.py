"""HTTP status codes: their reason phrases, and the one table from errno to status."""

import errno
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

#: Status -> reason phrase: those of RFC 9110, and over them the ones that WebDAV itself registers
#: (102: RFC 2518 10.1; 207, 422, 423, 424 and 507: RFC 4918 11).
REASONS: Mapping[int, str] = MappingProxyType(
    {status.value: status.phrase for status in HTTPStatus}
    | {
        102: "Processing",
        207: "Multi-Status",
        413: "Content Too Large",
        414: "URI Too Long",
        416: "Range Not Satisfiable",
        422: "Unprocessable Entity",
        423: "Locked",
        424: "Failed Dependency",
        507: "Insufficient Storage",
    }
)

#: What an error of the file system means to a client. Every other errno is 500.
_STATUS_OF_ERRNO: Mapping[int, int] = MappingProxyType(
    {
        errno.EACCES: 403,
        errno.EPERM: 403,
        errno.EROFS: 403,
        errno.ELOOP: 403,
        errno.EBUSY: 403,
        errno.ETXTBSY: 403,
        errno.ENOENT: 404,
        errno.ESTALE: 404,
        errno.ENOTDIR: 409,
        errno.EISDIR: 409,
        errno.ENOTEMPTY: 409,
        errno.EEXIST: 409,
        errno.EFBIG: 413,
        errno.ENAMETOOLONG: 414,
        errno.EAGAIN: 503,
        errno.EMFILE: 503,
        errno.ENFILE: 503,
        errno.ENOMEM: 503,
        # A share, or the disk or server behind it, is not there at present.
        errno.ENOMEDIUM: 503,
        errno.ENOTCONN: 503,
        errno.EHOSTDOWN: 503,
        errno.EHOSTUNREACH: 503,
        errno.ETIMEDOUT: 503,
        errno.ENOSPC: 507,
        errno.EDQUOT: 507,
        errno.EMLINK: 507,
    }
)


def status_of_errno(number: int | None) -> int:
    """The HTTP status of an `OSError.errno`; 500 when it is unknown or None."""
    return _STATUS_OF_ERRNO.get(number, 500) if number is not None else 500


def reason(status: int) -> str:
    """The reason phrase of `status`; empty, as RFC 9112 4 permits, when it has none."""
    return REASONS.get(status, "")
