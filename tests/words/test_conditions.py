import pytest
from hypothesis import given
from hypothesis import strategies as st

from davkeep.words.conditions import (
    Condition,
    Facts,
    If,
    TaggedList,
    evaluate,
    parse_if,
    submitted_tokens,
)
from davkeep.words.failure import Failure

TOKEN = "urn:uuid:181d4fae-7d8c-11d0-a765-00a0c91e6bf2"


def lists(*each: tuple[str | None, list[Condition]]) -> If:
    return If(tuple(TaggedList(resource, tuple(conditions)) for resource, conditions in each))


def token(text: str, negated: bool = False) -> Condition:
    return Condition(negated, state_token=text)


def etag(text: str, negated: bool = False) -> Condition:
    return Condition(negated, etag=text)


@pytest.mark.parametrize(
    ("value", "parsed"),
    [
        (f"(<{TOKEN}>)", lists((None, [token(TOKEN)]))),
        ('(["etag"])', lists((None, [etag('"etag"')]))),
        ('([W/"weak"])', lists((None, [etag('W/"weak"')]))),
        ('([""])', lists((None, [etag('""')]))),
        ("(Not <DAV:no-lock>)", lists((None, [token("DAV:no-lock", True)]))),
        ("(NOT<DAV:no-lock>)", lists((None, [token("DAV:no-lock", True)]))),
        ('(not["a"])', lists((None, [etag('"a"', True)]))),
        (
            f'(<{TOKEN}> ["a"]) (["b)]<"])',
            lists((None, [token(TOKEN), etag('"a"')]), (None, [etag('"b)]<"')])),
        ),
        (
            f'</r1>(<{TOKEN}>[W/"a"])(["b"])<http://h/r2>(["c"])',
            lists(
                ("/r1", [token(TOKEN), etag('W/"a"')]),
                ("/r1", [etag('"b"')]),
                ("http://h/r2", [etag('"c"')]),
            ),
        ),
        (
            f'  </r>  (  Not  <{TOKEN}>\t[ "a" ]  )  ',
            lists(("/r", [token(TOKEN, True), etag('"a"')])),
        ),
    ],
)
def test_if_field(value: str, parsed: If) -> None:
    """All of the grammar is read, with any white space between its parts."""
    assert parse_if(value) == parsed


@pytest.mark.parametrize(
    "value",
    [
        "",
        "  ",
        "()",
        "(",
        ")",
        "(<a:b>",
        "<a:b>)",
        "<a:b>",
        "</r>",
        "</r></s>(<a:b>)",
        "(<a:b>)</r>(<a:b>)",
        "</r>(<a:b>)</s>",
        "(<a:b>),(<c:d>)",
        "(<>)",
        "(<a b>)",
        "(<a:b)",
        "((<a:b>))",
        "(Not)",
        "(Not Not <a:b>)",
        "(Nota <a:b>)",
        "Not (<a:b>)",
        "(a:b)",
        '("etag")',
        "([etag])",
        '(["a)',
        '(["a"])x',
        '([w/"a"])',
        '([W/ "a"])',
        "([])",
        '(["a" "b"])',
        '(["a b"])',
        "< /r>(<a:b>)",
    ],
)
def test_malformed_if_field_is_400(value: str) -> None:
    """One malformed place refuses the field as a whole, instead of being passed over."""
    with pytest.raises(Failure) as caught:
        parse_if(value)
    assert caught.value.status == 400


uris = st.from_regex(r"[a-z]{1,5}:[!#-;=?-~]{1,20}", fullmatch=True)
opaque = st.from_regex(r"[!#-~\x80-\xff]{0,12}", fullmatch=True)
etags = st.builds(lambda weak, text: f'{weak}"{text}"', st.sampled_from(["", "W/"]), opaque)
conditions = st.one_of(
    st.builds(lambda negated, text: Condition(negated, state_token=text), st.booleans(), uris),
    st.builds(lambda negated, text: Condition(negated, etag=text), st.booleans(), etags),
)
some = st.lists(conditions, min_size=1, max_size=4).map(tuple)
untagged = st.lists(st.builds(TaggedList, st.none(), some), min_size=1, max_size=4)
tagged = st.lists(st.builds(TaggedList, uris, some), min_size=1, max_size=4)
spaces = st.text(" \t", max_size=2)


def written(if_: If, space: str) -> str:
    parts: list[str] = []
    last: str | None = None
    for each in if_.lists:
        if each.resource != last:
            parts.append(f"<{each.resource}>")
            last = each.resource
        parts.append("(")
        for condition in each.conditions:
            parts += ["Not"] if condition.negated else []
            inside = condition.state_token
            parts.append(f"[{condition.etag}]" if inside is None else f"<{inside}>")
        parts.append(")")
    return space + space.join(parts) + space


@given(st.one_of(untagged, tagged), spaces)
def test_every_if_field_comes_back(given_lists: list[TaggedList], space: str) -> None:
    """Whatever the grammar can write is read as what it meant."""
    if_ = If(tuple(given_lists))
    assert parse_if(written(if_, space)) == if_


@given(st.text('()<>[]"W/Not a:b\t,', max_size=30))
def test_any_text_is_read_or_refused(value: str) -> None:
    """No text makes the reader fail in another way than with 400."""
    status = None
    try:
        assert parse_if(value).lists
    except Failure as failure:
        status = failure.status
    assert status in (None, 400)


def test_a_condition_is_of_one_kind() -> None:
    """A condition about nothing, or about both, cannot be made."""
    with pytest.raises(ValueError, match="about a state token or"):
        Condition(False)
    with pytest.raises(ValueError, match="about a state token or"):
        Condition(False, "a:b", '"c"')


def holds(value: str, **facts: Facts) -> bool:
    known = {f"/{name}": fact for name, fact in facts.items()}
    return evaluate(parse_if(value), lambda url: known.get(url or "/target", Facts()))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("(<t:1>)", True),
        ("(<t:2>)", False),
        ("(<t:1> <t:2>)", False),
        ("(<t:2>) (<t:1>)", True),
        ('(["e"])', True),
        ('([W/"e"])', True),
        ('(["f"])', False),
        ('(<t:1> ["f"])', False),
        ('(<t:1> Not ["f"])', True),
        ("(Not <t:1>)", False),
        ("(Not <DAV:no-lock>)", True),
        ("(<DAV:no-lock>)", False),
        ("(<t:2>) (Not <DAV:no-lock>)", True),
        ('</other>(["o"])', True),
        ('</other>(["e"])', False),
        ('</other>(["x"])(<t:9>)', True),
        ('</missing>(["e"])', False),
        ('</missing>(Not ["e"])', True),
        ('</missing>(["x"]) </target>(<t:1>)', True),
    ],
)
def test_evaluation(value: str, expected: bool) -> None:
    """One list whose conditions all hold is enough, each list about its own resource."""
    target = Facts("e", frozenset({"t:1"}))
    other = Facts("o", frozenset({"t:9"}))
    assert holds(value, target=target, other=other) is expected


def test_each_resource_is_asked_once() -> None:
    """A long field about few resources costs few look-ups, and a list that holds ends them."""
    asked: list[str | None] = []

    def facts(resource: str | None) -> Facts:
        asked.append(resource)
        return Facts(tokens=frozenset({"t:3"})) if resource == "/b" else Facts()

    assert evaluate(parse_if("</a>(<t:1>)(<t:2>)</b>(<t:3>)</c>(<t:4>)"), facts)
    assert asked == ["/a", "/b"]


def test_all_tokens_are_submitted() -> None:
    """A token counts as submitted wherever it stands, under Not and behind other URLs too."""
    if_ = parse_if('</a>(<t:1> ["e"])(Not <t:2>)</b>(<t:1>)')
    assert submitted_tokens(if_) == {"t:1", "t:2"}


def test_own_entity_tags_have_no_quotes() -> None:
    """An entity tag with quotes could never match, so it cannot be given."""
    with pytest.raises(ValueError, match="without its quotes"):
        Facts('"e"')
