"""What is told of an operation, in a bounded number of bytes."""

import json

from davkeep.operations import Operation, describe

#: Bytes of a body in which failed members are named. Standard Webhooks recommend less than 20 kB,
#: which all but the ends of large trees are.
MOST_BODY = 64 * 1024


def body_of(operation: Operation, most: int = MOST_BODY) -> bytes:
    """Return the JSON object that describes `operation`, which is over.

    It names as many members of a 207 as fit into `most` bytes; `errors_total` counts all.
    """
    described = describe(operation, most_errors=0)
    text = json.dumps(described)
    _, outcome = operation.standing
    if outcome is None or not outcome.failures:
        return text.encode()
    size = len(text)
    for failure in outcome.failures:
        named = {"href": failure.href, "status": failure.status}
        # With the comma and the space behind it.
        size += len(json.dumps(named)) + 2
        if size > most:
            break
        described["errors"].append(named)
    return json.dumps(described).encode()
