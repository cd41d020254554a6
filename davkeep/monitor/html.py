"""The operations page: HTML of all operations that somebody may see, and of one."""

import json
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from davkeep.monitor import wording
from davkeep.monitor.news import MOST_BYTES, MOST_ERRORS
from davkeep.monitor.pages import Page
from davkeep.monitor.streams import EVENTS, Streams
from davkeep.monitor.tokens import Tokens
from davkeep.operations import Operation, Registry, State
from davkeep.operations.description import MONITORS, OPERATIONS
from davkeep.operations.statuses import status_of
from davkeep.words.callers import Caller
from davkeep.words.display import INVISIBLE, clipped, last_name, readable, shortened
from davkeep.words.urls import UPLOADS, quote_path

#: Finished operations that the list shows at most, and those that run or wait.
MOST_FINISHED, MOST_PENDING = 100, 300

#: Heartbeats of a stream after which one of which nothing is heard is taken for held back.
SILENT_BEATS = 2.5

#: What a script makes the card of a new operation from.
BLANK: dict[str, Any] = {
    **status_of(
        Operation(id="", owner="", method="COPY", source="/", destination="/", created=0.0), 0.0
    ),
    "statusUrl": "",
}


class HtmlPages:
    """Makes the pages; see `davkeep.monitor.pages.Pages`."""

    def __init__(
        self,
        registry: Registry,
        tokens: Tokens,
        streams: Streams,
        *,
        kept: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        """``kept``: the seconds for which finished operations stay; ``now``: those of the epoch."""
        self._registry = registry
        self._tokens = tokens
        self._streams = streams
        self._now = now
        style, script = _read("page.css") + _read("uploads.css"), _script()
        self._fields = (
            ("Content-Security-Policy", _policy(style, script)),
            ("Referrer-Policy", "no-referrer"),
        )
        self._templates = _templates()
        self._templates.globals |= {
            "wording": wording,
            "consequences": wording.CONSEQUENCES,
            "blank": BLANK,
            "style": Markup(style),
            "script": Markup(script),
            "list_url": OPERATIONS,
            "uploads_url": quote_path(UPLOADS),
            "silence": round(1000 * SILENT_BEATS * streams.heartbeat),
            "kept": wording.span(kept),
        }

    def of_operations(self, caller: Caller, operations: Sequence[Operation]) -> Page:
        """The page of all that the caller may see, given in the order of lists."""
        # Before they are looked at, so that the stream has everything that comes after it.
        position = self._streams.position
        # The state of each is asked for once: it may change in between.
        pending: list[Operation] = []
        finished: list[Operation] = []
        for each in operations:
            (finished if each.state.is_over else pending).append(each)
        shown = self._told(pending[:MOST_PENDING])
        return self._page(
            "list.html",
            caller,
            kind="list",
            running=[told for told in shown if told["state"] != State.PENDING.value],
            waiting=[told for told in shown if told["state"] == State.PENDING.value],
            more=len(pending) - len(shown),
            finished=self._told(finished[:MOST_FINISHED]),
            older=len(finished[MOST_FINISHED:]),
            events_url=f"{MONITORS}{EVENTS}?after={position}",
            poll_url=OPERATIONS,
        )

    def of_operation(self, caller: Caller, operation: Operation) -> Page:
        """The page of one operation, whatever its state."""
        (told,) = self._told([operation])
        url = told["statusUrl"]
        return self._page(
            "one.html",
            caller,
            kind="one",
            told=told,
            events_url=f"{url}/{EVENTS}",
            poll_url=url,
        )

    def _told(self, operations: Iterable[Operation]) -> list[dict[str, Any]]:
        now = self._registry.lanes.now()
        return [status_of(each, now, MOST_ERRORS, MOST_BYTES) for each in operations]

    def _page(self, template: str, caller: Caller, **content: Any) -> Page:
        now, token = wording.utc(self._now()), self._tokens.issue(caller)
        text = self._templates.get_template(template).render(token=token, now=now, **content)
        return Page(text.encode("utf-8", "replace"), self._fields)


def _read(name: str) -> str:
    return (files("davkeep.monitor") / "page" / name).read_text(encoding="utf-8")


def _script() -> str:
    """The scripts, with what they share with the server."""
    shared = {
        "INVISIBLE": INVISIBLE,
        "MOST_FINISHED": MOST_FINISHED,
        "MOST_PENDING": MOST_PENDING,
    }
    # In JSON, which is JavaScript, what cannot be seen is escaped.
    given = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in shared.items())
    return given + _read("wording.js") + _read("page.js") + _read("uploads.js")


def _templates() -> Environment:
    templates = Environment(
        loader=PackageLoader("davkeep.monitor", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {
        "readable": readable,
        "shortened": shortened,
        "clipped": clipped,
        "last_name": last_name,
    }
    return templates


def _policy(style: str, script: str) -> str:
    """What the page may do: it loads nothing, talks to its own server, and nobody frames it."""
    directives = {
        "default-src": "'none'",
        "style-src": _hash_of(style),
        "script-src": _hash_of(script),
        "img-src": "data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in directives.items())


def _hash_of(text: str) -> str:
    """The source expression that allows one element with this content (CSP 3, 2.3.1)."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
