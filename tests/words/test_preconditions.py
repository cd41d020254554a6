import pytest

from davkeep.words.conditions import check_preconditions, if_range_holds
from davkeep.words.failure import Failure

MODIFIED = 784111777.75
SAME = "Sun, 06 Nov 1994 08:49:37 GMT"
EARLIER = "Sun, 06 Nov 1994 08:49:36 GMT"
LATER = "Sun, 06 Nov 1994 08:49:38 GMT"


def answer(method: str, exists: bool = True, etag: str | None = "e", **fields: str) -> int | None:
    """The status that the fields lead to, None if the request goes on."""
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    modified = MODIFIED if exists else None
    try:
        check_preconditions(
            named, method=method, etag=etag if exists else None, modified=modified, exists=exists
        )
    except Failure as failure:
        return failure.status
    return None


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ('"e"', None),
        ('"x", "e"', None),
        ('"x" ,, "e",', None),
        ("*", None),
        ('"x"', 412),
        ('W/"e"', 412),
        ("e", 400),
        ("", 400),
        ('"e" "x"', 400),
        ('*, "e"', 400),
    ],
)
def test_if_match(value: str, status: int | None) -> None:
    """If-Match compares strongly, and is 412 for reading methods too."""
    assert answer("PUT", If_Match=value) == status
    assert answer("GET", If_Match=value) == status


def test_if_match_on_what_does_not_exist() -> None:
    """Neither "*" nor any tag matches a resource that is missing, so nothing is created."""
    assert answer("PUT", exists=False, If_Match="*") == 412
    assert answer("PUT", exists=False, If_Match='"e"') == 412


def test_a_resource_without_entity_tag() -> None:
    """A resource that exists without a tag matches "*" and no tag."""
    assert answer("DELETE", etag=None, If_Match="*") is None
    assert answer("DELETE", etag=None, If_Match='"e"') == 412
    assert answer("GET", etag=None, If_None_Match='"e"') is None
    assert answer("GET", etag=None, If_None_Match="*") == 304


@pytest.mark.parametrize("value", ['"e"', 'W/"e"', '"x", W/"e"', "*"])
def test_if_none_match_that_matches(value: str) -> None:
    """If-None-Match compares weakly: 304 for reading, 412 for every other method."""
    assert answer("GET", If_None_Match=value) == 304
    assert answer("HEAD", If_None_Match=value) == 304
    assert answer("PUT", If_None_Match=value) == 412
    assert answer("PROPFIND", If_None_Match=value) == 412


def test_if_none_match_that_does_not_match() -> None:
    """Another tag, and a resource that is missing, let the request go on."""
    assert answer("GET", If_None_Match='"x"') is None
    assert answer("PUT", exists=False, If_None_Match="*") is None
    assert answer("PUT", exists=False, If_None_Match='"e"') is None
    assert answer("PUT", If_None_Match="e") == 400


def test_304_carries_the_entity_tag() -> None:
    """The answer that saves the content names the content (RFC 9110 15.4.5)."""
    fields = {"if-none-match": "*"}
    with pytest.raises(Failure) as caught:
        check_preconditions(fields, method="GET", etag="e", modified=MODIFIED, exists=True)
    assert caught.value.fields == (("ETag", '"e"'),)


def test_if_modified_since_is_about_the_exact_date() -> None:
    """Only the date that was sent out gives 304: a file may go back in time."""
    assert answer("GET", If_Modified_Since=SAME) == 304
    assert answer("HEAD", If_Modified_Since=SAME) == 304
    assert answer("GET", If_Modified_Since=EARLIER) is None
    assert answer("GET", If_Modified_Since=LATER) is None
    assert answer("PUT", If_Modified_Since=SAME) is None
    assert answer("GET", If_Modified_Since="nonsense") is None
    assert answer("GET", exists=False, If_Modified_Since=SAME) is None


def test_if_unmodified_since_counts_whole_seconds() -> None:
    """The date that was sent out is late enough, although the file is a fraction younger."""
    assert answer("PUT", If_Unmodified_Since=SAME) is None
    assert answer("PUT", If_Unmodified_Since=LATER) is None
    assert answer("PUT", If_Unmodified_Since=EARLIER) == 412
    assert answer("GET", If_Unmodified_Since=EARLIER) == 412
    assert answer("PUT", If_Unmodified_Since="nonsense") is None
    assert answer("PUT", exists=False, If_Unmodified_Since=EARLIER) is None


def test_what_does_not_exist_has_no_validators() -> None:
    """A tag and a date that are given for a missing resource are not looked at."""
    fields = {"If-None-Match": '"e"', "If-Unmodified-Since": EARLIER}
    check_preconditions(fields, method="GET", etag="e", modified=MODIFIED, exists=False)


def test_entity_tags_come_before_dates() -> None:
    """A date is not looked at beside its entity tag field (RFC 9110 13.2.2)."""
    assert answer("PUT", If_Match='"e"', If_Unmodified_Since=EARLIER) is None
    assert answer("GET", If_None_Match='"x"', If_Modified_Since=SAME) is None


def test_preventing_comes_before_saving() -> None:
    """If-Match fails before If-None-Match gives 304."""
    assert answer("GET", If_Match='"x"', If_None_Match='"e"') == 412
    assert answer("GET", If_Match='"e"', If_None_Match='"e"') == 304
    assert answer("GET", If_Unmodified_Since=EARLIER, If_None_Match='"e"') == 412


def test_names_of_fields_in_any_case() -> None:
    """A condition is never missed because of how its name was written."""
    assert answer("GET", IF_NONE_MATCH='"e"') == 304
    assert answer("GET", if_none_match='"e"') == 304
    assert answer("GET") is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, True),
        ('"e"', True),
        (' "e" ', True),
        ('"x"', False),
        ('W/"e"', False),
        ('"e", "x"', False),
        ("e", False),
        ("", False),
        (SAME, True),
        (EARLIER, False),
        (LATER, False),
        ("nonsense", False),
    ],
)
def test_if_range(value: str | None, expected: bool) -> None:
    """A range is served only of exactly the content that the client has a part of."""
    assert if_range_holds(value, etag="e", modified=MODIFIED) is expected


def test_if_range_of_what_has_no_validators() -> None:
    """Without an entity tag and a date nothing can hold."""
    assert not if_range_holds('"e"', etag=None, modified=None)
    assert not if_range_holds(SAME, etag=None, modified=None)
    assert not if_range_holds("", etag=None, modified=None)


def test_quoted_entity_tags_are_refused() -> None:
    """An entity tag with quotes could never match, so it cannot be given."""
    with pytest.raises(ValueError, match="without its quotes"):
        check_preconditions({}, method="GET", etag='"e"', modified=None, exists=True)
    with pytest.raises(ValueError, match="without its quotes"):
        if_range_holds(None, etag='"e"', modified=None)
