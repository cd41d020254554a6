"""When interim responses are due."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from davkeep.keepalive import Beat, Facts, Mode, Profile, Settings
from davkeep.keepalive.planner import DEFAULT_CAP, DEFAULT_PROFILE, products_of, profile_of

seconds = st.floats(min_value=0.001, max_value=1e6)
agents = st.sampled_from(
    [
        "",
        "curl/8.0",
        "davfs2/1.6 neon/0.32",
        "python-requests/2",
        "Java/17",
        "a (Java/1) b",
        "okhttp/4",
    ]
)
settings = st.builds(Settings, st.sampled_from(Mode), seconds, seconds)
facts = st.builds(
    Facts, st.sampled_from([(1, 0), (1, 1), (1, 2)]), agents, st.sampled_from(["COPY", "PUT"])
)
beats = st.builds(Beat, facts, settings)


@given(beats, seconds, st.integers(0, 200))
def test_never_in_the_past(beat, elapsed, sent):
    """A beat is due now or later, never before."""
    due = beat.next_beat(elapsed, sent)
    assert due is None or due >= elapsed


@given(beats, seconds)
def test_bounded(beat, elapsed):
    """Followed to its end, every schedule sends at most the cap, which is at most 100, and then
    is silent for good.
    """
    sent = 0
    while (due := beat.next_beat(elapsed, sent)) is not None:
        elapsed, sent = due, sent + 1
        assert sent <= DEFAULT_CAP
    assert sent == beat.cap
    assert beat.next_beat(elapsed, sent + 1) is None


@given(settings, agents, seconds, st.integers(0, 200))
def test_never_to_http_1_0(settings, agent, elapsed, sent):
    """HTTP/1.0 gets none in any mode."""
    assert Beat(Facts((1, 0), agent), settings).next_beat(elapsed, sent) is None


@given(facts, seconds, seconds, seconds, st.integers(0, 200))
def test_never_means_never(facts, first, interval, elapsed, sent):
    """The mode `never` sends none."""
    assert Beat(facts, Settings(Mode.NEVER, first, interval)).next_beat(elapsed, sent) is None


@given(agents, seconds, seconds)
def test_always_disregards_the_agent(agent, first, interval):
    """The mode `always` sends to every agent of HTTP/1.1."""
    beat = Beat(Facts((1, 1), agent), Settings(Mode.ALWAYS, first, interval))
    assert beat.next_beat(0, 0) == first


@given(seconds, seconds, st.integers(1, DEFAULT_CAP - 1))
def test_first_and_interval(first, interval, sent):
    """The first is due after first_after, the others an interval after the one before."""
    beat = Beat(Facts((1, 1), "curl/8.0"), Settings(Mode.AUTO, first, interval))
    assert beat.next_beat(0, 0) == first
    assert beat.next_beat(first + 1, 0) == first + 1
    assert beat.next_beat(7, sent) == 7 + interval


@pytest.mark.parametrize(
    ("agent", "silent"),
    [
        ("python-requests/2.31.0", True),
        ("python-urllib3/2", True),
        ("Python-urllib/3.11", True),
        ("python-URLLIB/3.11", True),
        ("Java/17.0.9", True),
        ("MyApp/1 Java/17.0.9", True),
        ("okhttp/4.9.3", True),
        ("tool (comment (nested)) okhttp/4.9.3", True),
        ("Go-http-client/1.1", True),
        ("rclone/v1.60.1-DEV", True),
        ("Java-http-client/17", False),
        ("NotJava/17", False),
        ("curl/8 (like okhttp/4)", False),
        ("okhttp", False),
        ("davfs2/1.6.1 neon/0.32.2", False),
        ("", False),
    ],
)
def test_agents(agent, silent):
    """Only a whole product of the table silences, wherever it stands in the list, without case."""
    assert (Beat(Facts((1, 1), agent)).next_beat(0, 0) is None) is silent


@given(st.text())
def test_any_agent(agent):
    """No User-Agent is too odd to have a profile."""
    assert profile_of(agent).cap >= 0
    assert all("(" not in part or agent.count("(") for part in products_of(agent))


def test_table_can_grow():
    """Rows of one's own come first, and a cap of theirs holds."""
    rows = (Profile("four", ("rclone/",), 4),)
    beat = Beat(Facts((1, 1), "rclone/1.60"), Settings(), rows)
    assert beat.next_beat(1, 3) is not None
    assert beat.next_beat(1, 4) is None
    assert profile_of("other/1", rows) is DEFAULT_PROFILE


@pytest.mark.parametrize("wrong", [{"first_after": 0}, {"interval": -1}, {"interim": "perhaps"}])
def test_impossible_settings(wrong):
    """Impossible values fail at birth."""
    with pytest.raises(ValueError, match=r".+"):
        Settings(**wrong)


def test_impossible_cap():
    """A negative cap fails at birth."""
    with pytest.raises(ValueError, match="cap"):
        Profile("x", (), -1)


def test_mode_by_name():
    """The configuration's words are modes."""
    assert Settings("always").interim is Mode.ALWAYS


@pytest.mark.parametrize(
    ("environ", "facts"),
    [
        ({}, Facts((1, 0))),
        (
            {
                "davkeep.http_version": (1, 1),
                "HTTP_USER_AGENT": "a/1",
                "REQUEST_METHOD": "PUT",
                "CONTENT_LENGTH": "5",
            },
            Facts((1, 1), "a/1", "PUT", True),
        ),
        ({"CONTENT_LENGTH": "0"}, Facts((1, 0))),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, Facts((1, 0), had_body=True)),
    ],
)
def test_facts_of_an_environ(environ, facts):
    """A request whose version is unknown counts as HTTP/1.0."""
    assert Facts.of(environ) == facts
