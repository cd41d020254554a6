"""What keeps a client waiting, and when."""

import itertools

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from davkeep.keepalive import Action, Facts, Mode, Plan, Profile, Settings, Step
from davkeep.keepalive.clients import CLIENTS
from davkeep.keepalive.planner import BRISK, SLOW, TOO_LATE, USUAL_PATIENCE
from davkeep.keepalive.profiles import DEFAULT_CAP, Source
from davkeep.keepalive.proxies import DECLARABLE
from davkeep.words.agents import Agent

CURL = "curl/7.88.1"
DAVFS2 = "davfs2/1.6.1 neon/0.32.5"
DAVFS2_033 = "davfs2/1.7.1 neon/0.33.0"
FINDER = "WebDAVFS/3.0.0 (03008000) Darwin/22.4.0"
#: One of each kind, and one that no row names.
AGENTS = [
    "",
    "unheard-of/1",
    CURL,
    DAVFS2,
    DAVFS2_033,
    FINDER,
    "WinSCP/6.3.3 neon/0.33.0",
    "cadaver/0.24 neon/0.32.5",
    "cadaver/0.23 neon/0.31.2",
    "python-requests/2.28.1",
    "python-httpx/0.28.1",
    "rclone/v1.60.1-DEV",
    "Ruby",
    "gvfs/1.50.3",
    "Microsoft-WebDAV-MiniRedir/10.0.19045",
]
METHODS = ["COPY", "MOVE", "DELETE", "PUT"]
PROXY_NAMES = ["auto", "none", *DECLARABLE]
HTTP_1_1 = (1, 1)

seconds = st.floats(min_value=0.001, max_value=1e6)
patiences = st.none() | st.floats(min_value=0.1, max_value=1e4)
caps = st.none() | st.integers(0, 300)
own_rows = st.builds(
    Profile,
    st.just("own"),
    st.just((Agent("unheard-of"),)),
    caps,
    patiences,
    st.sampled_from([True, False, None]),
    multistatus=st.booleans(),
    source=st.just(Source.CONFIGURED),
)
settings = st.builds(
    Settings,
    st.sampled_from(Mode),
    seconds,
    seconds,
    st.sampled_from(PROXY_NAMES),
    st.lists(own_rows, max_size=1).map(tuple),
)
facts = st.builds(
    Facts,
    st.sampled_from([(1, 0), HTTP_1_1, (1, 2)]),
    st.sampled_from(AGENTS),
    st.sampled_from(METHODS),
    st.booleans(),
    st.sampled_from([(), ("Via",)]),
    st.booleans(),
)
plans = st.builds(Plan, facts, settings)
counts = st.integers(0, 320)
few = st.integers(0, 12)


def followed(plan, elapsed=0.0, continues=0):
    """The interim responses' moments and the step that comes after them."""
    sent, moments = 0, []
    while (step := plan.next_step(elapsed, sent, continues=continues)).action is Action.INTERIM:
        moments.append(step.at)
        elapsed, sent = step.at, sent + 1
        assert sent <= 400, "the schedule does not end"
    return moments, step


def asked(agent=CURL, version=HTTP_1_1, method="COPY", had_body=False, **more):
    """A plan; other arguments are those of Facts or of Settings."""
    of_facts = {key: more.pop(key) for key in ("proxy_fields", "prefers_processing") if key in more}
    return Plan(Facts(version, agent, method, had_body, **of_facts), Settings(**more))


# Whatever is asked


@given(plans, seconds, counts, few, st.booleans())
def test_never_in_the_past(plan, elapsed, sent, continues, begun):
    """A step with a moment is due now or later; the others have none; the same question has the
    same answer.
    """
    step = plan.next_step(elapsed, sent, continues=continues, begun=begun)
    has_moment = step.action in (Action.INTERIM, Action.MULTISTATUS)
    assert (step.at is not None) is has_moment
    assert step.at is None or step.at >= elapsed
    again = Plan(plan.facts, plan.settings)
    assert step == again.next_step(elapsed, sent, continues=continues, begun=begun)


@given(plans, seconds, few)
def test_never_above_a_cap(plan, elapsed, continues):
    """Followed to its end, no schedule sends more than the client and the proxy can bear, 100
    Continue included.
    """
    moments, _ = followed(plan, elapsed, continues)
    assert len(moments) <= max(0, plan.cap - continues)
    declared = DECLARABLE.get(plan.settings.behind_proxy)
    if declared is not None:
        assert not moments or len(moments) + continues <= declared.limit
    if plan.settings.interim is Mode.AUTO and not plan.facts.prefers_processing:
        assert not moments or len(moments) + continues <= plan.client.limit


@given(plans, seconds, counts, few)
def test_spent_is_silence(plan, elapsed, sent, continues):
    """A spent number is no error, and no interim response follows."""
    assume(sent + continues >= plan.cap)
    step = plan.next_step(elapsed, sent, continues=continues)
    assert step.action is not Action.INTERIM
    if not plan.client.multistatus and not plan.client.effective_point:
        assert step == Step(Action.SILENCE)


@given(facts, settings, seconds, counts)
def test_never_to_http_1_0(facts, settings, elapsed, sent):
    """HTTP/1.0 gets no interim response in any mode, and an early multi-status only behind a
    declared nginx.
    """
    plan = Plan(Facts((1, 0), facts.user_agent, facts.method, facts.had_body), settings)
    action = plan.next_step(elapsed, sent).action
    assert action is not Action.INTERIM
    assert action is not Action.MULTISTATUS or settings.behind_proxy == "nginx"


@given(plans, seconds, counts, few)
def test_only_white_space_once_begun(plan, elapsed, sent, continues):
    """In a multi-status that has begun nothing but its white space follows."""
    step = plan.next_step(elapsed, sent, continues=continues, begun=True)
    assert step.action is Action.MULTISTATUS
    assert elapsed <= step.at <= elapsed + plan.settings.interval


@given(plans, seconds, counts)
def test_who_is_sent_an_early_multistatus(plan, elapsed, sent):
    """Only who parses it, for three methods, directly or behind a declared nginx."""
    if plan.next_step(elapsed, sent).action is Action.MULTISTATUS:
        assert plan.client.multistatus
        assert plan.facts.method in ("COPY", "MOVE", "DELETE")
        assert plan.settings.interim is not Mode.NEVER
        behind = plan.settings.behind_proxy
        assert behind in ("nginx", "none") or (behind == "auto" and not plan.facts.proxy_fields)


@given(plans, few)
def test_never_silent_longer_than_the_patience(plan, continues):
    """While the number lasts, a patience that is renewed never runs out; nor does the proxy's."""
    moments, _ = followed(plan, 0.0, continues)
    renewed = [row for row in (plan.client, plan.proxy) if row is not None and row.renews]
    patience = min((row.patience for row in renewed if row.patience), default=None)
    if patience is not None:
        gaps = [after - before for before, after in itertools.pairwise([0.0, *moments])]
        assert all(gap <= patience * SLOW * 1.000001 for gap in gaps)


@given(plans)
def test_silences_grow(plan):
    """After the first, no silence is shorter than the one before, and none passes its bound."""
    moments, _ = followed(plan)
    gaps = [after - before for before, after in itertools.pairwise(moments)]
    assert all(after >= before * 0.999999 - 1e-9 for before, after in itertools.pairwise(gaps))
    bound = max(plan.settings.interval, SLOW * max(USUAL_PATIENCE, plan.client.patience or 0))
    assert all(gap <= bound * 1.000001 for gap in gaps)


@given(facts, settings, seconds, counts)
def test_never_means_never(facts, settings, elapsed, sent):
    """The mode `never` sends nothing; the effective point stays."""
    plan = Plan(facts, Settings(Mode.NEVER, settings.first_after, settings.interval))
    expected = Action.EFFECTIVE_POINT if plan.client.effective_point else Action.SILENCE
    assert plan.next_step(elapsed, sent) == Step(expected)


@given(facts, seconds, seconds)
def test_always_disregards_the_client(facts, first, interval):
    """The mode `always` sends to every HTTP/1.1, undeclared proxy or not, 100 of them."""
    assume(facts.version >= HTTP_1_1)
    plan = Plan(facts, Settings(Mode.ALWAYS, first, interval))
    moments, _ = followed(plan)
    assert len(moments) == DEFAULT_CAP
    assert moments[0] <= first


@pytest.mark.parametrize("name", DECLARABLE)
def test_always_spares_a_declared_proxy(name):
    """Also `always` stays below what the declared proxy can bear."""
    moments, _ = followed(asked("python-requests/2", interim="always", behind_proxy=name))
    assert len(moments) == min(DEFAULT_CAP, DECLARABLE[name].limit)


# The beat


@given(seconds, seconds)
def test_first_and_interval(first, interval):
    """Where no patience is known, the first is due after first_after, and those of the first half
    an interval after the one before.
    """
    plan = asked(first_after=first, interval=interval)
    assert plan.next_step(0, 0) == Step(Action.INTERIM, first)
    assert plan.next_step(first + 1, 0) == Step(Action.INTERIM, first + 1)
    assert {plan.next_step(7, sent).at for sent in range(1, 51)} == {7 + interval}
    assert plan.next_step(7, 51).at >= 7 + interval


def test_the_sentence_of_the_design():
    """A third of the patience while half of the number is left, then towards two thirds of it."""
    moments, _ = followed(asked("cadaver/0.24 neon/0.32.5", first_after=600, interval=600))
    gaps = [after - before for before, after in itertools.pairwise([0.0, *moments])]
    assert len(gaps) == 100
    assert gaps[:51] == pytest.approx([120 * BRISK] * 51)
    growth = [after - before for before, after in itertools.pairwise(gaps[50:])]
    assert growth == pytest.approx([growth[0]] * len(growth))
    assert 0.97 * 120 * SLOW < gaps[-1] < 120 * SLOW


def test_a_default_client_lasts():
    """With default settings davfs2 is kept for more than twenty minutes, curl for half an hour."""
    assert followed(asked(DAVFS2))[0][-1] > 1200
    assert followed(asked(CURL))[0][-1] > 1700


def test_httpx_is_spoken_to_early():
    """A profile may speak earlier than the configuration says."""
    assert asked("python-httpx/0.28").next_step(0, 0).at == pytest.approx(5 / 3)


# Clients


@pytest.mark.parametrize("row", CLIENTS, ids=lambda row: row.name)
def test_every_row_is_served(row):
    """By default each row is kept as its columns say."""
    own = Profile(**{**vars(row), "agents": (Agent("this"),)})
    moments, after = followed(asked("this/1", profiles=(own,)))
    assert len(moments) == row.limit
    if row.effective_point:
        assert after == Step(Action.EFFECTIVE_POINT)
    else:
        assert after.action is (Action.MULTISTATUS if row.multistatus else Action.SILENCE)


def test_unknown_clients():
    """Silence, unless one prefers to be sent interim responses; a proxy's rules hold for it too."""
    assert asked("unheard-of/1").next_step(0, 0) == Step(Action.SILENCE)
    willing = {"agent": "unheard-of/1", "prefers_processing": True}
    assert len(followed(asked(**willing))[0]) == 100
    assert len(followed(asked(**willing, behind_proxy="apache"))[0]) == 9
    assert followed(asked(**willing, proxy_fields=("Via",)))[0] == []
    breaker = {**willing, "agent": "python-requests/2"}
    assert followed(asked(**breaker))[0] == []


def test_neon_0_33():
    """One interim response within the window, then an early multi-status; on PUT nothing."""
    assert followed(asked(DAVFS2_033)) == ([10], Step(Action.MULTISTATUS, 20))
    slow = {"first_after": 600, "interval": 600}
    assert followed(asked(DAVFS2_033, **slow)) == ([20], Step(Action.MULTISTATUS, 30))
    assert followed(asked("WinSCP/6 neon/0.33", **slow)) == ([10], Step(Action.MULTISTATUS, 15))
    assert followed(asked(DAVFS2_033, **slow, behind_proxy="squid")) == ([20], Step(Action.SILENCE))
    for put in (asked(DAVFS2_033, method="PUT"), asked(DAVFS2_033, method="PUT", had_body=True)):
        assert put.next_step(0, 0) == Step(Action.SILENCE)


@given(seconds, seconds, seconds)
def test_neon_0_33_never_after_its_window(first, interval, elapsed):
    """However late it is asked, no interim response comes when the window is about to close."""
    step = asked(DAVFS2_033, first_after=first, interval=interval).next_step(elapsed, 0)
    if step.action is Action.INTERIM:
        assert step.at <= TOO_LATE * 30
    else:
        assert elapsed > TOO_LATE * 30


def test_effective_point():
    """Finder and Windows are answered there, through a proxy too; `always` sends to them."""
    for more in ({}, {"proxy_fields": ("Via",)}, {"behind_proxy": "nginx"}, {"interim": "never"}):
        assert asked(FINDER, **more).next_step(0, 0) == Step(Action.EFFECTIVE_POINT)
    assert asked(FINDER, version=(1, 0)).next_step(0, 0) == Step(Action.EFFECTIVE_POINT)
    assert asked(FINDER, interim="always").next_step(0, 0).action is Action.INTERIM


def test_rows_of_ones_own_come_first():
    """A row replaces the built-in one."""
    rows = (Profile("four", (Agent("rclone"),), 4),)
    moments, after = followed(asked("rclone/v1.60.1-DEV", profiles=rows))
    assert (len(moments), after) == (4, Step(Action.SILENCE))
    assert followed(asked("rclone/v1.60.1-DEV"))[0] == []


# Proxies


def test_a_betrayed_proxy_means_silence():
    """Unless it is declared, or declared not to be there."""
    via = {"proxy_fields": ("Via",)}
    assert asked(**via).next_step(0, 0) == Step(Action.SILENCE)
    assert asked(DAVFS2, **via).next_step(0, 0) == Step(Action.SILENCE)
    assert len(followed(asked(**via, behind_proxy="none"))[0]) == 100
    assert len(followed(asked(**via, behind_proxy="haproxy"))[0]) == 100


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("apache", 9),
        ("caddy", 5),
        ("traefik", 5),
        ("haproxy", 100),
        ("squid", 100),
        ("lighttpd", 100),
        ("nginx", 0),
        ("varnish", 0),
        ("envoy", 0),
    ],
)
def test_the_tighter_cap(name, most):
    """curl behind each proxy, and a client that bears less than most."""
    assert len(followed(asked(behind_proxy=name))[0]) == most
    rows = (Profile("seven", (Agent("x"),), 7),)
    assert len(followed(asked("x/1", behind_proxy=name, profiles=rows))[0]) == min(7, most)


def test_a_continue_counts():
    """Apache's nine are eight after a 100 Continue."""
    plan = asked(method="PUT", had_body=True, behind_proxy="apache")
    assert len(followed(plan, continues=1)[0]) == 8


def test_the_smaller_patience():
    """The proxy's counts where an interim response renews it, and only there."""
    slow = {"first_after": 600, "interval": 600}
    haproxy = asked(behind_proxy="haproxy", **slow)
    assert haproxy.next_step(0, 0).at == pytest.approx(50 / 3)
    assert asked(behind_proxy="squid", **slow).next_step(0, 0).at == 600
    davfs2 = asked(DAVFS2, behind_proxy="haproxy", **slow)
    assert davfs2.next_step(0, 0).at == pytest.approx(10)


@pytest.mark.parametrize("version", [(1, 0), HTTP_1_1])
def test_behind_a_declared_nginx(version):
    """neon gets an early multi-status, whichever version nginx asks with; others get silence."""
    plan = asked(DAVFS2, version=version, behind_proxy="nginx")
    assert plan.next_step(0, 0) == Step(Action.MULTISTATUS, 10)
    assert plan.next_step(10, 0, begun=True) == Step(Action.MULTISTATUS, 20)
    slow = asked("cadaver/1 neon/0.32", version=version, behind_proxy="nginx", first_after=600)
    assert slow.next_step(0, 0).at == pytest.approx(60 * BRISK)
    assert asked(version=version, behind_proxy="nginx").next_step(0, 0) == Step(Action.SILENCE)


def test_http_1_0_without_nginx():
    """An HTTP/1.0 request that nobody explains gets silence, also from neon."""
    for name in ("auto", "none", "apache"):
        plan = asked(DAVFS2, version=(1, 0), behind_proxy=name)
        assert plan.next_step(0, 0) == Step(Action.SILENCE)


# Facts and settings


@pytest.mark.parametrize(
    "wrong",
    [{"first_after": 0}, {"interval": -1}, {"interim": "perhaps"}, {"behind_proxy": "unknown"}],
)
def test_impossible_settings(wrong):
    """Impossible values fail at birth."""
    with pytest.raises(ValueError, match=r".+"):
        Settings(**wrong)


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
        (
            {"HTTP_X_FORWARDED_FOR": "::1", "HTTP_VIA": "1.1 x"},
            Facts((1, 0), proxy_fields=("Via", "X-Forwarded-For")),
        ),
        ({"HTTP_PREFER": "wait=9, Processing"}, Facts((1, 0), prefers_processing=True)),
    ],
)
def test_facts_of_an_environ(environ, facts):
    """A request whose version is unknown counts as HTTP/1.0."""
    assert Facts.of(environ) == facts
    assert facts.is_proxied is bool(facts.proxy_fields)
