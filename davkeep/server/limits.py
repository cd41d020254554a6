"""The number of file descriptors that this process may have."""

import logging
import resource

_log = logging.getLogger("davkeep.server")


def raise_descriptor_limit() -> int:
    """Raise the soft limit to the hard one, say so, and return it. Debian's soft limit is 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:
        _log.warning("the limit of %d descriptors cannot be raised: %s", soft, error)
        return soft
    _log.info("the limit of descriptors was raised from %d to %d", soft, hard)
    return hard
