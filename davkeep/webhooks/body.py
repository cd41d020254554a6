"""What is told of an operation, in a bounded number of bytes."""

import json

from davkeep.operations import Operation, describe

#: Bytes of a body in which failed members are named. Standard Webhooks recommend less than 20 kB,
#: which all but the ends of large trees are.
MOST_BODY = 64 * 1024


def body_of(operation: Operation, most: int = MOST_BODY) -> bytes:
    """Return the JSON object that describes `operation`, which is over.

    It names as many members of a 207 as fit into `most` bytes; `errors_omitted` counts the others.
    """
    return json.dumps(describe(operation, most_bytes=most)).encode()
