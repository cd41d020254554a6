"""The table of clients."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from davkeep.keepalive.clients import CLIENTS
from davkeep.keepalive.profiles import UNKNOWN_CLIENT, Profile, Source, first_match, of_row
from davkeep.words.agents import Agent, products_of
from davkeep.words.configuration import ProfileRow

#: User-Agent fields as programs send them, and the row of each.
AGENTS = {
    "davfs2/1.5.4 neon/0.30.2": "davfs2 on neon <= 0.31",
    "davfs2/1.6.1 neon/0.32.5": "davfs2 on neon 0.32",
    "davfs2/1.7.0 neon/0.33.0": "davfs2 on neon >= 0.33",
    "davfs2/1.7.1 neon/0.34.0": "davfs2 on neon >= 0.33",
    "WinSCP/5.19.6 neon/0.31.2": "WinSCP on neon <= 0.32",
    "WinSCP/5.21.8 neon/0.32.4": "WinSCP on neon <= 0.32",
    "WinSCP/6.3.3 neon/0.33.0": "WinSCP on neon >= 0.33",
    "cadaver/0.23.3 neon/0.31.2": "neon <= 0.31",
    "SVN/1.6.17 neon/0.29.6": "neon <= 0.31",
    "cadaver/0.24 neon/0.32.5": "neon 0.32 (cadaver, litmus)",
    "litmus/0.13 neon/0.32.5": "neon 0.32 (cadaver, litmus)",
    "cadaver/0.26 neon/0.33.0": "neon >= 0.33 (cadaver, litmus)",
    "litmus/0.14 neon/0.34.2": "neon >= 0.33 (cadaver, litmus)",
    "SVN/1.14.2 (x86_64-pc-linux-gnu) serf/1.3.9": "libserf 1.3 (Subversion)",
    "curl/7.88.1": "curl",
    "curl/8.11.0": "curl",
    "Go-http-client/1.1": "Go <= 1.23, rclone <= 1.69",
    "Go-http-client/2.0": "Go <= 1.23, rclone <= 1.69",
    "rclone/v1.60.1-DEV": "Go <= 1.23, rclone <= 1.69",
    "rclone/": "Go <= 1.23, rclone <= 1.69",
    "rclone/v1.69.3": "Go <= 1.23, rclone <= 1.69",
    "rclone/v1.70.0": "Go >= 1.24, rclone >= 1.70",
    "rclone/v1.71.0-beta.8900.abcdef": "Go >= 1.24, rclone >= 1.70",
    "gvfs/1.50.3": "gvfs (libsoup 2.4 and 3)",
    "DAV.pm/v0.49 libwww-perl/6.68": "Perl HTTP::DAV",
    "Ruby": "Ruby net/http",
    "python-requests/2.28.1": "CPython http.client, urllib3, requests",
    "python-urllib3/1.26.12": "CPython http.client, urllib3, requests",
    "Python-urllib/3.11": "CPython http.client, urllib3, requests",
    "python-URLLIB/3.11": "CPython http.client, urllib3, requests",
    "python-httpx/0.28.1": "httpx",
    "Python/3.11 aiohttp/3.8.4": "aiohttp",
    "Java/17.0.9": "Java HttpURLConnection",
    "MyApp/1 Java/17.0.9": "Java HttpURLConnection",
    "Java-http-client/17.0.9": "java.net.http",
    "Apache-HttpClient/4.5.14 (Java/17.0.9)": "Apache HttpClient 4 and 5 (Cyberduck)",
    "Apache-HttpClient/5.2.1 (Java/17.0.9)": "Apache HttpClient 4 and 5 (Cyberduck)",
    "Cyberduck/8.5.9.39636 (Mac OS X/13.3) (x86_64)": "Apache HttpClient 4 and 5 (Cyberduck)",
    "okhttp/3.12.13": "OkHttp <= 4.10",
    "okhttp/4.9.3": "OkHttp <= 4.10",
    "okhttp/4.10.0": "OkHttp <= 4.10",
    "tool (comment (nested)) okhttp/4.9.3": "OkHttp <= 4.10",
    "okhttp/4.11.0": "OkHttp >= 4.11",
    "okhttp/5.0.0-alpha.14": "OkHttp >= 4.11",
    "Mozilla/5.0": "Qt <= 6.7 (Nextcloud and ownCloud desktop), browsers",
    "Mozilla/5.0 (Linux) mirall/3.7.3git (Nextcloud, debian-6.1.0 ClientArchitecture: x86_64)": (
        "Qt <= 6.7 (Nextcloud and ownCloud desktop), browsers"
    ),
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0": (
        "Qt <= 6.7 (Nextcloud and ownCloud desktop), browsers"
    ),
    "Mozilla/5.0 (X11; Linux x86_64) KHTML/5.103.0 (like Gecko) Konqueror/5 KIO/5.103": "KIO 5",
    "WebDAVFS/3.0.0 (03008000) Darwin/22.4.0 (x86_64)": "macOS Finder",
    "WebDAVLib/1.3 WebDAVFS/1.8 (01808000) Darwin/9.8.0": "macOS Finder",
    "Microsoft-WebDAV-MiniRedir/10.0.19045": "Windows WebClient",
    "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Word 16.0.5122; Pro)": "Microsoft Office",
    "Microsoft Office Word 2014": "Microsoft Office",
    "Wget/1.21.3": "wget",
}

#: They look like rows, or are too weak to be one.
UNKNOWN = [
    "",
    "node",
    "undici",
    "NotJava/17",
    "Wget2/2.1",
    "xcurl/8",
    "client (like okhttp/4)",
    "libdav/1 (curl/8.0)",
    "Microsoft",
    "Go/1.22",
]


@pytest.mark.parametrize(("agent", "name"), AGENTS.items())
def test_real_agents(agent, name):
    """Every real field finds its row."""
    assert first_match(products_of(agent), CLIENTS).name == name


@pytest.mark.parametrize("agent", UNKNOWN)
def test_unknown_agents(agent):
    """What no row names is unknown, and nothing is sent to it."""
    assert first_match(products_of(agent), CLIENTS) is UNKNOWN_CLIENT
    assert UNKNOWN_CLIENT.limit == 0


def test_every_row_is_met():
    """Each row that an agent can tell is some real field's; those that none can tell say so."""
    told = {row.name for row in CLIENTS if row.agents}
    assert told == set(AGENTS.values())
    untold = [row.name for row in CLIENTS if not row.agents]
    assert untold == ["PHP curl", "Node http, fetch", ".NET SocketsHttpHandler"]


@pytest.mark.parametrize("row", CLIENTS, ids=lambda row: row.name)
def test_every_row_says_where_it_comes_from(row):
    """A source and a note stand in each, and what was not established is sent nothing."""
    assert row.note
    assert row.source in (Source.MEASURED, Source.READ, Source.UNKNOWN)
    assert row.source is not Source.UNKNOWN or row.limit == 0
    assert row.limit <= 100


def test_names_are_unique():
    """No two rows have one name."""
    names = [row.name for row in CLIENTS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("agent", "cap", "patience", "within"),
    [
        ("davfs2/1.6.1 neon/0.32.5", 100, 30, None),
        ("davfs2/1.7.0 neon/0.33.0", 1, 30, 30),
        ("WinSCP/6.3.3 neon/0.33.0", 1, 15, 15),
        ("cadaver/0.24 neon/0.32.5", 100, 120, None),
        ("cadaver/0.26 neon/0.33.0", 100, 120, None),
        ("python-httpx/0.28.1", 100, 5, None),
        ("Python/3.11 aiohttp/3.8.4", 100, 60, None),
        ("Apache-HttpClient/5.2.1", 100, 60, None),
        ("Ruby", 90, 60, None),
        ("curl/7.88.1", 100, None, None),
    ],
)
def test_numbers(agent, cap, patience, within):
    """The numbers of those that are sent interim responses."""
    row = first_match(products_of(agent), CLIENTS)
    assert (row.limit, row.patience, row.within) == (cap, patience, within)


def test_only_neon_parses_an_early_multistatus():
    """Everybody else reads the status and believes that it is done."""
    rows = [row for row in CLIENTS if row.multistatus]
    assert all(agent.product == "neon" for row in rows for agent in row.agents)
    assert len(rows) == sum("neon" in row.name for row in CLIENTS)


def test_who_is_answered_at_the_effective_point():
    """The clients of macOS and Windows."""
    names = [row.name for row in CLIENTS if row.effective_point]
    assert names == ["macOS Finder", "Windows WebClient", "Microsoft Office"]


@given(st.text())
def test_any_agent(agent):
    """No field is too odd to have a profile."""
    assert first_match(products_of(agent), CLIENTS).limit >= 0


def test_rows_of_the_configuration():
    """A row becomes a profile; one that is answered at the effective point is sent nothing."""
    row = ProfileRow(name="ours", agent="Ours/", versions="<2", cap=3, patience=9, note="n")
    assert of_row(row) == Profile(
        "ours",
        (Agent.of("Ours", "<2"),),
        cap=3,
        patience=9,
        renews=True,
        source=Source.CONFIGURED,
        note="n",
    )
    assert of_row(ProfileRow(name="x", agent="x")).limit == 100
    assert of_row(ProfileRow(name="x", agent="x", effective_point=True)).limit == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"cap": -1},
        {"cap": 1, "patience": 0},
        {"cap": 1, "within": -1},
        {"cap": 1, "effective_point": True},
        {"cap": None, "effective_point": True},
    ],
)
def test_impossible_values(wrong):
    """They fail at birth."""
    with pytest.raises(ValueError, match=r".+"):
        Profile("x", (), **wrong)
