"""The model of the configuration: defaults, bounds, and what is said about a wrong value."""

import math
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsgidav.default_conf import DEFAULT_CONFIG

from davkeep.words.configuration import ConfigurationError, parse, wsgidav_settings

HTPASSWD = "wsgidav.dc.htpasswd_dc.HtpasswdDomainController"


def nested(key: str, value: Any) -> Any:
    """The document in which only the dotted `key` is there."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def refusal(document: Any) -> str:
    """The message about a document that is refused."""
    with pytest.raises(ConfigurationError) as caught:
        parse(document)
    return str(caught.value)


def at(configuration: Any, key: str) -> Any:
    for part in key.split("."):
        configuration = getattr(configuration, part)
    return configuration


DEFAULTS = {
    "keepalive.interim": "auto",
    "keepalive.first_after": 10,
    "keepalive.interval": 10,
    "keepalive.behind_proxy": "auto",
    "keepalive.profiles": (),
    "operations.workers": 2,
    "operations.grace": 0.25,
    "operations.keep_results": 900,
    "operations.on_disconnect": "continue",
    "operations.max_members_per_second": None,
    "operations.max_bytes_per_second": None,
    "operations.conflict_wait": 2,
    "put.spool": None,
    "fsync": True,
    "administrators": (),
    "trusted_proxies": (),
    "webhooks": (),
    "state": None,
}


@pytest.mark.parametrize("document", [None, {}, {"davkeep": None}, {"davkeep": {"put": None}}])
@pytest.mark.parametrize(("key", "value"), DEFAULTS.items())
def test_an_empty_file_means_the_defaults(document: Any, key: str, value: Any) -> None:
    """An empty file, and empty blocks, mean the values that the interface promises."""
    assert at(parse(document).davkeep, key) == value


GOOD = [
    ("davkeep.keepalive.first_after", 0.001),
    ("davkeep.keepalive.first_after", 600),
    ("davkeep.keepalive.interval", 1),
    ("davkeep.keepalive.interim", "never"),
    ("davkeep.keepalive.behind_proxy", "haproxy"),
    ("davkeep.operations.workers", 1),
    ("davkeep.operations.grace", 0),
    ("davkeep.operations.grace", 100),
    ("davkeep.operations.keep_results", 0),
    ("davkeep.operations.on_disconnect", "cancel"),
    ("davkeep.operations.max_members_per_second", 0.5),
    ("davkeep.operations.max_bytes_per_second", 1),
    ("davkeep.operations.conflict_wait", 0),
    ("davkeep.put.spool", "/ssd"),
    ("davkeep.fsync", False),
    ("davkeep.state", "state"),
    ("port", 0),
    ("port", 65_535),
    ("host", "::1"),
    ("verbose", 5),
    ("honor_mtime_header", True),
    ("server_args.max", -1),
    ("server_args.max_request_body_size", 2**40),
    ("mount_path", None),
]


@pytest.mark.parametrize(("key", "value"), GOOD)
def test_a_possible_value_is_taken(key: str, value: Any) -> None:
    """Each value at the edge of what is allowed is taken as it is."""
    assert at(parse(nested(key, value)), key) == value


BAD = [
    ("davkeep.keepalive.first_after", 0),
    ("davkeep.keepalive.first_after", -1),
    ("davkeep.keepalive.first_after", "10"),
    ("davkeep.keepalive.first_after", True),
    ("davkeep.keepalive.first_after", None),
    ("davkeep.keepalive.interval", 0.0),
    ("davkeep.keepalive.interval", math.inf),
    ("davkeep.keepalive.interval", math.nan),
    ("davkeep.keepalive.interval", 1e300),
    ("davkeep.keepalive.interim", "sometimes"),
    ("davkeep.keepalive.interim", False),
    ("davkeep.keepalive.behind_proxy", "iis"),
    ("davkeep.keepalive.profiles", {"name": "x"}),
    ("davkeep.operations.workers", 0),
    ("davkeep.operations.workers", 2.0),
    ("davkeep.operations.workers", True),
    ("davkeep.operations.grace", -0.1),
    ("davkeep.operations.keep_results", -1),
    ("davkeep.operations.on_disconnect", "stop"),
    ("davkeep.operations.max_members_per_second", 0),
    ("davkeep.operations.max_bytes_per_second", -5),
    ("davkeep.operations.max_bytes_per_second", math.inf),
    ("davkeep.operations.conflict_wait", "soon"),
    ("davkeep.put.spool", ""),
    ("davkeep.put.spool", 7),
    ("davkeep.fsync", "true"),
    ("davkeep.fsync", 1),
    ("davkeep.state", " "),
    ("davkeep.keepalive", []),
    ("davkeep", "everything"),
    ("port", 65_536),
    ("port", -1),
    ("port", "8080"),
    ("host", ""),
    ("verbose", 6),
    ("block_size", 8 * 2**20 + 1),
    ("server", "gunicorn"),
    ("server_args.numthreads", 0),
    ("server_args.max_request_header_size", 0),
    ("ssl_adapter", "pyopenssl"),
    ("lock_storage", False),
    ("lock_storage", "wsgidav.lock_man.lock_storage.LockStorageShelve"),
    ("property_manager", False),
    ("middleware_stack", ["mine.Own"]),
    ("mount_path", "/dav"),
    ("error_printer.enable", False),
    ("hotfixes.unquote_path_info", True),
    ("hotfixes.re_encode_path_info", False),
    ("http_authenticator.domain_controller", "simple"),
    ("http_authenticator.domain_controller", "wsgidav.dc.nt_dc.NTDomainController"),
    ("pam_dc.allow_users", "some"),
    ("provider_mapping", ["/srv"]),
]


@pytest.mark.parametrize(("key", "value"), BAD)
def test_an_impossible_value_is_refused_with_its_full_name(key: str, value: Any) -> None:
    """One line names the key in full and says what is allowed."""
    message = refusal(nested(key, value))
    assert message.startswith(f"{key}: ")
    assert "allowed: " in message
    assert "\n" not in message


UNKNOWN = [
    "davkepe",
    "davkeep.keepalife",
    "davkeep.keepalive.intervall",
    "davkeep.operations.worker",
    "davkeep.put.spooler",
    "server_args.accepted_queue_size",
    "http_authenticator.realm",
    "dir_browser.ms_mount",
]


@pytest.mark.parametrize("key", UNKNOWN)
def test_an_unknown_key_is_refused_with_those_that_there_are(key: str) -> None:
    """An unknown key on any level is named in full, with the keys that stand beside it."""
    message = refusal(nested(key, 1))
    assert message.startswith(f"{key}: unknown key; allowed here: ")


def test_the_key_that_was_meant_is_guessed() -> None:
    """A key that is nearly right brings the right one to mind."""
    assert "(did you mean interval?)" in refusal(nested("davkeep.keepalive.intervall", 1))


def test_every_problem_has_a_line() -> None:
    """Two wrong keys in different blocks are both told at once."""
    message = refusal({"port": "x", "davkeep": {"operations": {"workers": 0}}})
    assert [line.split(":")[0] for line in message.splitlines()] == [
        "port",
        "davkeep.operations.workers",
    ]


@pytest.mark.parametrize(
    "users",
    [
        {"*": {"anna": {"password": 12345678}}},
        {"*": {"anna": "hunter2-12345678"}},
        {"*": {"anna": {"pasword": "hunter2-12345678"}}},
        {"*": "hunter2-12345678"},
        ["hunter2-12345678"],
        {"*": {"password": {"password": ["12345678"]}}},
    ],
)
def test_a_password_is_never_repeated(users: Any) -> None:
    """However wrong the users are, the message holds nothing of a password."""
    assert "12345678" not in refusal({"simple_dc": {"user_mapping": users}})


def test_a_secret_is_not_shown() -> None:
    """Neither the configuration in a log nor an error shows a webhook's secret or a password."""
    hooks = {"davkeep": {"webhooks": [{"url": "https://example.org/", "secret": "12345678"}]}}
    users = {"simple_dc": {"user_mapping": {"*": {"anna": {"password": "12345678"}}}}}
    assert "12345678" not in repr(parse(hooks | users))
    assert "12345678" not in refusal({"davkeep": {"webhooks": [{"url": "u", "secret": 12345678}]}})


@given(st.text())
def test_a_message_never_grows_a_line(name: str) -> None:
    """Whatever a key or value holds, a problem stays one line."""
    assert len(refusal({name + "?": 1}).splitlines()) == 1
    assert len(refusal({"server": name + "?"}).splitlines()) == 1


def test_shares_are_written_in_every_way_that_wsgidav_knows() -> None:
    """A folder alone and a mapping with root and readonly name shares, with or without slashes."""
    shares = parse(
        {"provider_mapping": {"Music/": "m", "/a/b": {"root": "ab", "readonly": True}, "/": "r"}}
    ).provider_mapping
    assert {url: (share.root, share.readonly) for url, share in shares.items()} == {
        "/Music": ("m", False),
        "/a/b": ("ab", True),
        "/": ("r", False),
    }


@pytest.mark.parametrize(
    "shares",
    [
        {"/a": "x", "a/": "y"},
        {"/.davkeep": "x"},
        {"/a/.DAVkeep/b": "x"},
        {"/a//b": "x"},
        {"/../etc": "x"},
        {"/a": {"class": "mine.Provider"}},
        {"/a": {"readonly": True}},
        {"/a": {"root": "x", "readonly": "yes"}},
        {"/a": {"root": "x", "writable": True}},
        {"/a": ["x"]},
        {1: "x"},
    ],
)
def test_a_share_that_cannot_be_served_is_refused(shares: Any) -> None:
    """Doubled, reserved and malformed URL paths, and anything that is no folder, are refused."""
    assert refusal({"provider_mapping": shares}).startswith("provider_mapping")


def test_wsgidavs_own_stack_is_taken_for_none() -> None:
    """The stack of WsgiDAV's sample configuration is what davkeep stands in for, so it may stay."""
    stack = [
        "wsgidav.mw.cors.Cors",
        "wsgidav.error_printer.ErrorPrinter",
        "wsgidav.http_authenticator.HTTPAuthenticator",
        "wsgidav.dir_browser.WsgiDavDirBrowser",
        "wsgidav.request_resolver.RequestResolver",
    ]
    assert parse({"middleware_stack": stack, "property_manager": None}).middleware_stack is None


@pytest.mark.parametrize("key", ["ssl_certificate", "ssl_private_key"])
def test_certificate_and_key_go_together(key: str) -> None:
    """One of the two names the other as missing."""
    (other,) = {"ssl_certificate", "ssl_private_key"} - {key}
    assert refusal({key: "x.pem"}).startswith(f"{other}: ")


def test_a_domain_controller_needs_its_file() -> None:
    """htpasswd without a file is refused under the key of that file."""
    message = refusal({"http_authenticator": {"domain_controller": HTPASSWD}})
    assert message.startswith("htpasswd_dc.htpasswd_file: ")


def htpasswd(**authenticator: bool) -> dict[str, Any]:
    return {
        "http_authenticator": {"domain_controller": HTPASSWD, **authenticator},
        "htpasswd_dc": {"htpasswd_file": "users"},
    }


def test_digest_is_off_where_it_cannot_work() -> None:
    """With htpasswd, WsgiDAV is told to use Basic only, and a wish for Digest is refused."""
    settings = wsgidav_settings(parse(htpasswd()))["http_authenticator"]
    assert (settings["accept_basic"], settings["accept_digest"]) == (True, False)
    assert settings["default_to_digest"] is False
    message = refusal(htpasswd(accept_digest=True))
    assert message.startswith("http_authenticator.accept_digest: ")


def test_wsgidavs_defaults_are_kept() -> None:
    """What WsgiDAV is given for an empty file agrees with its own defaults, key for key."""
    settings = wsgidav_settings(parse(None))
    for key in settings.keys() & DEFAULT_CONFIG.keys() - {"host"}:
        stock = DEFAULT_CONFIG[key]
        ours = settings[key]
        assert {**ours, **stock} == ours if isinstance(stock, dict) else ours == stock, key


def test_every_default_of_wsgidav_has_a_key() -> None:
    """No key of WsgiDAV's own defaults is unknown, on the top level or below."""
    configuration = parse(None)
    for key, stock in DEFAULT_CONFIG.items():
        block = getattr(configuration, key)
        for inner in stock if isinstance(stock, dict) and key != "provider_mapping" else ():
            assert hasattr(block, inner), f"{key}.{inner}"


def test_wsgidav_gets_passwords_in_clear() -> None:
    """The users reach WsgiDAV as plain dictionaries, which is what it compares with."""
    users = {"*": {"anna": {"password": "p", "roles": ["editor"]}}, "/pub": True}
    settings = wsgidav_settings(parse({"simple_dc": {"user_mapping": users}}))
    anna = settings["simple_dc"]["user_mapping"]["*"]["anna"]
    assert (anna["password"], anna["roles"]) == ("p", ["editor"])
    assert settings["simple_dc"]["user_mapping"]["/pub"] is True


@pytest.mark.parametrize(
    ("given", "stock"), [("*", "*"), (["*"], "*"), ("https://a", ["https://a"])]
)
def test_origins_reach_wsgidav_as_it_expects_them(given: Any, stock: Any) -> None:
    """`*` stays text, for WsgiDAV would compare origins with the members of a list."""
    settings = wsgidav_settings(parse({"cors": {"allow_origin": given}}))
    assert settings["cors"]["allow_origin"] == stock


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost", "LOCALHOST"]
)
def test_a_loopback_address_is_known(host: str) -> None:
    """Addresses that only this machine can reach are told from others."""
    assert parse({"host": host}).on_loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "localhost.example.org", "host"])
def test_any_other_address_is_not_loopback(host: str) -> None:
    """An address or a name that others might reach is not taken for loopback."""
    assert not parse({"host": host}).on_loopback


def test_trusted_proxies_are_networks() -> None:
    """Single addresses and networks of both families come out comparable."""
    proxies = parse({"davkeep": {"trusted_proxies": ["10.0.0.0/8", "::1"]}}).davkeep.trusted_proxies
    assert proxies == (ip_network("10.0.0.0/8"), ip_network("::1/128"))


@pytest.mark.parametrize("proxy", ["10.0.0.1/8", "proxy", 5, None, ""])
def test_a_trusted_proxy_that_is_none_is_refused(proxy: Any) -> None:
    """Host bits, names and numbers are refused, under the number of the item."""
    message = refusal({"davkeep": {"trusted_proxies": ["::1", proxy]}})
    assert message.startswith("davkeep.trusted_proxies.1: ")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x/",
        "https:///x",
        "example.org",
        "https://[",
        "http://x:0/",
        f"http://{'a' * 64}.org/",
    ],
)
def test_a_webhook_needs_a_web_address(url: str) -> None:
    """A webhook's URL has to name a host of http or https."""
    message = refusal({"davkeep": {"webhooks": [{"url": url}]}})
    assert message.startswith("davkeep.webhooks.0.url: ")


def with_rows(*rows: Any) -> Any:
    """The document with these rows of profiles."""
    return {"davkeep": {"keepalive": {"profiles": list(rows)}}}


def test_a_profile_row_needs_a_name_and_an_agent() -> None:
    """Every other column has a default; the slash after the product may stand there."""
    (row,) = parse(with_rows({"name": "ours", "agent": "Ours/"})).davkeep.keepalive.profiles
    assert row.model_dump() == {
        "name": "ours",
        "agent": "Ours",
        "versions": "",
        "cap": None,
        "patience": None,
        "renews": True,
        "multistatus": False,
        "effective_point": False,
        "note": "",
    }
    message = refusal(with_rows({"name": "x", "cap": -1}))
    assert [line.split(": ")[0] for line in message.splitlines()] == [
        "davkeep.keepalive.profiles.0.agent",
        "davkeep.keepalive.profiles.0.cap",
    ]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("agent", "Ours/1.0"),
        ("agent", "(Ours)"),
        ("agent", ""),
        ("agent", 7),
        ("versions", "1.0"),
        ("versions", ">=x"),
        ("versions", 1.5),
        ("cap", -1),
        ("cap", 2.5),
        ("cap", True),
        ("patience", 0),
        ("patience", math.inf),
        ("renews", "yes"),
        ("multistatus", 1),
        ("effective_point", None),
        ("note", 3),
        ("methods", "COPY"),
        ("within", 30),
    ],
)
def test_an_impossible_column_is_refused_with_its_full_name(key: str, value: Any) -> None:
    """One line names the row by its number, and the column, and says what is allowed."""
    good = {"name": "good", "agent": "Good"}
    message = refusal(with_rows(good, {"name": "x", "agent": "X", key: value}))
    assert message.startswith(f"davkeep.keepalive.profiles.1.{key}: ")
    assert "allowed" in message
    assert "\n" not in message


def test_a_cap_and_the_effective_point_exclude_each_other() -> None:
    """Who is answered at the effective point is sent nothing before."""
    row = {"name": "x", "agent": "X", "effective_point": True}
    message = refusal(with_rows({**row, "cap": 3}))
    assert message.startswith("davkeep.keepalive.profiles.0.cap: 3 is not allowed")
    assert parse(with_rows({**row, "cap": 0})).davkeep.keepalive.profiles[0].effective_point


def test_a_configuration_never_changes() -> None:
    """A value that was checked cannot be replaced by one that was not."""
    configuration = parse(None)
    with pytest.raises(ValueError, match="frozen"):
        configuration.port = 1  # type: ignore[misc]  # which is what this test is about
