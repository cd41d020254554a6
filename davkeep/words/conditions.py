"""Conditions of a request: the If field of WebDAV, and those of HTTP.

An entity tag of the server's own is given without its quotes, as it is strong and has no prefix;
one that a client sent is kept as it was written, quotes included.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NoReturn

from davkeep.words.failure import Failure
from davkeep.words.fields import parse_http_date

#: An entity tag (RFC 9110 8.8.3).
_ETAG = r'(?:W/)?"[^"\x00-\x20\x7f]*"'

#: What an If field consists of (RFC 4918 10.4.2). The inside of "<>" is not checked further: a
#: state token that is no URI matches nothing.
_IF_TOKEN = re.compile(
    r"[ \t]*(?:(?P<open>\()|(?P<close>\))|(?P<not>(?i:not)(?=[ \t<\[]))"
    rf"|<(?P<url>[^<>\s\x00-\x1f\x7f]+)>|\[[ \t]*(?P<etag>{_ETAG})[ \t]*\])[ \t]*"
)

_ETAG_LIST = re.compile(rf"[ \t,]*{_ETAG}(?:[ \t]*,[ \t,]*{_ETAG})*[ \t,]*")

#: The conditional fields of RFC 9110 13.1 that are about the target, by their names in an environ.
#: The fifth, If-Range, is about the Range field.
CONDITIONS = {
    "HTTP_IF_MATCH": "if-match",
    "HTTP_IF_NONE_MATCH": "if-none-match",
    "HTTP_IF_MODIFIED_SINCE": "if-modified-since",
    "HTTP_IF_UNMODIFIED_SINCE": "if-unmodified-since",
}

#: Methods that a failed If-None-Match answers with 304 instead of 412 (RFC 9110 13.1.2).
_READING = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of the If field: either a state token or an entity tag, never both."""

    negated: bool
    state_token: str | None = None
    etag: str | None = None

    def __post_init__(self) -> None:
        if (self.state_token is None) == (self.etag is None):
            raise ValueError("a condition is about a state token or about an entity tag")


@dataclass(frozen=True, slots=True)
class TaggedList:
    """Conditions that hold together, and the URL of their resource, as it was written.

    Without a tag, `resource` is None: the conditions are about the target of the request.
    """

    resource: str | None
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class If:
    """The If field (RFC 4918 10.4): it holds if one of its lists does."""

    lists: tuple[TaggedList, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is true of a resource: its entity tag without quotes, and the tokens of its locks.

    A resource that does not exist, or is on another server, has neither.
    """

    etag: str | None = None
    tokens: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        _refuse_quotes(self.etag)


def parse_if(value: str) -> If:
    """The If field (RFC 4918 10.4.2). Raises Failure 400 if any part of it is malformed."""
    return If(tuple(_IfReader(value).lists()))


class _IfReader:
    """Reads an If field from left to right."""

    def __init__(self, value: str) -> None:
        self._tokens = list(_if_tokens(value))
        self._next = 0

    def lists(self) -> list[TaggedList]:
        lists: list[TaggedList] = []
        tagged = self._sees("url")
        while self._next < len(self._tokens):
            resource = self._take("url") if tagged else None
            lists.append(TaggedList(resource, self._conditions()))
            while tagged and self._sees("open"):
                lists.append(TaggedList(resource, self._conditions()))
        return lists or _malformed()

    def _conditions(self) -> tuple[Condition, ...]:
        self._take("open")
        conditions = [self._condition()]
        while not self._sees("close"):
            conditions.append(self._condition())
        self._take("close")
        return tuple(conditions)

    def _condition(self) -> Condition:
        negated = self._sees("not") and bool(self._take("not"))
        if self._sees("etag"):
            return Condition(negated, etag=self._take("etag"))
        return Condition(negated, state_token=self._take("url"))

    def _sees(self, kind: str) -> bool:
        return self._next < len(self._tokens) and self._tokens[self._next][0] == kind

    def _take(self, kind: str) -> str:
        if not self._sees(kind):
            _malformed()
        self._next += 1
        return self._tokens[self._next - 1][1]


def _if_tokens(value: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    position = 0
    while position < len(value):
        match = _IF_TOKEN.match(value, position)
        if match is None or match.lastgroup is None:
            _malformed()
        tokens.append((match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return tokens


def _malformed() -> NoReturn:
    raise Failure(400, "The If field is malformed.")


def evaluate(if_: If, facts: Callable[[str | None], Facts]) -> bool:
    """Whether the If field holds (RFC 4918 10.4.3); if not, the answer is 412.

    `facts` is asked at most once for each resource: for None, the target of the request, and for
    tags as they were written. Entity tags are compared weakly, as RFC 4918 10.4.4 permits, since
    proxies that compress make tags weak.
    """
    known = cache(facts)
    return any(_all_hold(each, known) for each in if_.lists)


def _all_hold(tagged: TaggedList, facts: Callable[[str | None], Facts]) -> bool:
    known = facts(tagged.resource)
    return all(_holds(condition, known) for condition in tagged.conditions)


def _holds(condition: Condition, facts: Facts) -> bool:
    if condition.etag is not None:
        matches = _matches_weakly(condition.etag, facts.etag)
    else:
        matches = condition.state_token in facts.tokens
    return matches != condition.negated


def submitted_tokens(if_: If) -> frozenset[str]:
    """The state tokens that the field submits: all in it, also negated ones (RFC 4918 10.4.2)."""
    conditions = (condition for each in if_.lists for condition in each.conditions)
    return frozenset(each.state_token for each in conditions if each.state_token is not None)


def conditions_in(environ: Mapping[str, Any]) -> dict[str, str]:
    """The conditional fields of a WSGI request, as `check_preconditions` takes them."""
    return {name: environ[key] for key, name in CONDITIONS.items() if key in environ}


def check_preconditions(
    fields: Mapping[str, str],
    *,
    method: str,
    etag: str | None,
    modified: float | None,
    exists: bool,
) -> None:
    """Checks If-Match, If-None-Match, If-Modified-Since and If-Unmodified-Since.

    The names in `fields` may be in any case. `etag` is without quotes, `modified` in epoch seconds;
    either is None where the resource has none. The order is that of RFC 9110 13.2.2. Raises Failure
    412, or 304 with the ETag for GET and HEAD, and 400 for a malformed list of entity tags; a
    malformed date is ignored. If-Modified-Since gives 304 only for the exact date that was sent out
    (the promises, PUT).
    """
    _refuse_quotes(etag)
    present = {name.lower(): value for name, value in fields.items()}
    whole = None if modified is None or not exists else int(modified // 1)
    etag = etag if exists else None
    if "if-match" in present:
        if not _any_matches(present["if-match"], etag, exists, strong=True):
            raise Failure(412, "The content is not the one that If-Match names.")
    elif _is_later(whole, parse_http_date(present.get("if-unmodified-since"))):
        raise Failure(412, "The content was modified since.")
    if "if-none-match" in present:
        if _any_matches(present["if-none-match"], etag, exists, strong=False):
            raise _not_modified(etag) if method in _READING else _none_matched()
    elif method in _READING and _is_same(whole, parse_http_date(present.get("if-modified-since"))):
        raise _not_modified(etag)


def if_range_holds(value: str | None, *, etag: str | None, modified: float | None) -> bool:
    """Whether the Range field is to be obeyed (RFC 9110 13.1.5): True where If-Range is absent.

    An entity tag is compared strongly. A date holds if it is the exact one that was sent out: that
    it was a second old then, which RFC 9110 8.8.2.2 asks for, is left to the client. Whatever is
    malformed does not hold, so that the whole content is sent.
    """
    _refuse_quotes(etag)
    if value is None:
        return True
    text = value.strip(" \t")
    if text.endswith('"'):
        return etag is not None and text == f'"{etag}"'
    return modified is not None and _is_same(int(modified // 1), parse_http_date(text))


def _any_matches(value: str, etag: str | None, exists: bool, *, strong: bool) -> bool:
    """Whether "*" or one entity tag of the list `value` matches (RFC 9110 13.1.1, 13.1.2)."""
    if value.strip(" \t") == "*":
        return exists
    if not _ETAG_LIST.fullmatch(value):
        raise Failure(400, "A list of entity tags is malformed.")
    tags: list[str] = re.findall(_ETAG, value)
    if strong:
        return etag is not None and f'"{etag}"' in tags
    return any(_matches_weakly(tag, etag) for tag in tags)


def _matches_weakly(tag: str, etag: str | None) -> bool:
    return etag is not None and tag.removeprefix("W/") == f'"{etag}"'


def _is_later(modified: int | None, date: int | None) -> bool:
    return modified is not None and date is not None and modified > date


def _is_same(modified: int | None, date: int | None) -> bool:
    return modified is not None and modified == date


def _not_modified(etag: str | None) -> Failure:
    return Failure(304, fields=[("ETag", f'"{etag}"')] if etag is not None else [])


def _none_matched() -> Failure:
    return Failure(412, "The content is one that If-None-Match names.")


def _refuse_quotes(etag: str | None) -> None:
    if etag is not None and '"' in etag:
        raise ValueError(f"{etag!r} is not an entity tag without its quotes")
