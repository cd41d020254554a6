"""What the page of a collection says of operations that touch it while they run."""

from collections.abc import Iterable
from html import escape

from davkeep.operations import Operation, describe
from davkeep.operations.description import OPERATIONS
from davkeep.words.callers import Caller
from davkeep.words.display import clipped, last_name, members, number, readable
from davkeep.words.urls import Segments, parse_path

#: Operations that are named at most.
MOST = 5

#: Characters of a name that are shown at most.
LONGEST_NAME = 60

VERBS = {
    "COPY": "Copying",
    "MOVE": "Moving",
    "DELETE": "Deleting",
    "PUT": "Uploading",
    "PATCH": "Changing",
}

STYLE = (
    "margin:1em 0;padding:.7em 1em;border:1px solid #7aa7d6;border-left-width:5px;"
    "border-radius:6px;background:#eef5fc;color:#17202a;font-family:sans-serif"
)


def touching(
    operations: Iterable[Operation], caller: Caller, collection: Segments
) -> list[Operation]:
    """The operations that ``caller`` may see and that change or read ``collection``.

    That is so where their source or destination is equal to it, above it or inside it.
    """
    return [
        operation
        for operation in operations
        if caller.may_see(operation.account)
        and any(
            _is_related(parse_path(href).segments, collection)
            for href in (operation.source, operation.destination)
            if href
        )
    ]


def _is_related(one: Segments, other: Segments) -> bool:
    shared = min(len(one), len(other))
    return one[:shared] == other[:shared]


def notice(operations: list[Operation]) -> str:
    """HTML that names ``operations`` and links to their pages; empty for none."""
    if not operations:
        return ""
    lines = "".join(f"<li>{_line(each)}</li>" for each in operations[:MOST])
    more = len(operations) - MOST
    if more > 0:
        lines += f'<li><a href="{OPERATIONS}">and {more} more</a></li>'
    return (
        f'<div class="operations" role="note" style="{STYLE}"><strong>Running here</strong>'
        f' (<a href="{OPERATIONS}">all operations</a>)'
        f'<ul style="margin:.4em 0 0;padding-left:1.3em">{lines}</ul></div>'
    )


def _line(operation: Operation) -> str:
    told = describe(operation, most_errors=0)
    text = f"{VERBS.get(told['method'], told['method'])} {_named(told['source'])}"
    if told["destination"]:
        text += f" to {_named(told['destination'])}"
    return f'<a href="{told["statusUrl"]}">{text}</a>: {_so_far(told)}'


def _named(href: str) -> str:
    path = readable(href)
    return f'<bdi title="{escape(path)}">{escape(clipped(last_name(path), LONGEST_NAME))}</bdi>'


def _so_far(told: dict[str, int | None]) -> str:
    done, total = told["members_done"] or 0, told["members_total"]
    if total is None:
        return f"{members(done)} so far" if done else "it has just begun"
    return f"{number(done)} of {members(total)}"
