"""The operations page in a real browser, with real operations."""

import os
import random
import re
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from playwright.sync_api import Locator, Page, expect

from davkeep import app
from davkeep.monitor import html, wording
from davkeep.monitor.resources import Resources
from davkeep.operations import MemberFailure, Outcome
from davkeep.words.display import clipped, last_name, readable, shortened
from harness.browsing import DESKTOP, PHONE
from harness.holding import HoldingProxy
from harness.inside import Inside, Start
from harness.server import DEADLINE, RunningServer, Serve
from harness.trees import plant

#: Members a second: what has some hundred members takes as long as a test wants.
SLOW = {"max_members_per_second": 30, "grace": 0}

#: Names that would do harm if they were taken for anything else.
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "\"><script>alert('x')</script>".replace("/", ""),
    "half\udce9 \udcff",
    "new\nline\ttab\x1b[31m",
    "\u202eexe.fdp",
    "in\u200bvisible ",
    " a\u00a0b  c",
    "{{ 7 * 7 }}",
    "a-name-without-any-place-to-break-it-" * 6,
]


def card(page: Page, name: str) -> Locator:
    """The card of the operation whose source has this name."""
    return page.locator(
        ".card", has=page.locator("[data-part=name]", has_text=re.compile(f"^{name}$"))
    )


def section(page: Page, name: str) -> Locator:
    """One of the three."""
    return page.locator(f"[data-section={name}]")


def share_of(page: Page, name: str) -> float:
    """How far the bar of an operation is."""
    return float(card(page, name).locator("progress").evaluate("bar => bar.position"))


def fits(page: Page) -> bool:
    """Whether nothing has to be scrolled sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


@pytest.fixture
def server(serve: Serve, root: Path) -> RunningServer:
    """One with two collections, and time."""
    plant(root / "small", 90)
    plant(root / "large", 900)
    return serve({"server_args": {"shutdown_timeout": 0.5}}, operations=SLOW)


def test_a_copy_is_seen_to_move_and_to_end(
    server: RunningServer, person: Any, client: Any, photograph: Any
) -> None:
    """It comes without a reload, is counted, goes on, and moves to those that are finished."""
    page = person().open(server)
    expect(page.get_by_role("heading", name="All quiet")).to_be_visible()
    photograph(page, "empty")
    expect(page.locator("#connection")).to_have_text("Live")
    wire = client(server).ask("COPY", "/small", "/copy")
    expect(section(page, "running").locator(".card")).to_have_count(1)
    expect(page.locator("#empty")).to_be_hidden()
    bar = page.get_by_role("progressbar", name="Progress: Copy small")
    expect(bar).to_be_visible()
    expect(card(page, "small").locator("[data-part=counts]")).to_have_text(
        re.compile(r"^\d+ of 91 members")
    )
    expect(page).to_have_title("(1) Operations · davkeep")
    seen = share_of(page, "small")
    page.wait_for_function(
        "before => document.querySelector('.card progress').position > before", arg=seen
    )
    assert wire.response().status == 201
    over = section(page, "finished").locator(".card")
    expect(over.locator("[data-part=state]")).to_have_text("Done")
    expect(over.get_by_role("progressbar")).to_be_hidden()
    expect(over.locator("[data-part=counts]")).to_have_text(re.compile("^91 members"))
    expect(section(page, "running")).to_be_hidden()
    expect(page.get_by_role("status")).to_have_text("Copy small: Done.")
    expect(page).to_have_title("Operations · davkeep")


def test_another_one_is_cancelled(
    server: RunningServer, root: Path, person: Any, client: Any, photograph: Any
) -> None:
    """After a question; it ends as cancelled without a trace, and the first goes on."""
    page = person().open(server)
    first = client(server).ask("COPY", "/small", "/copy")
    second = client(server).ask("COPY", "/large", "/huge")
    expect(page.locator(".card")).to_have_count(2)
    button = card(page, "large").get_by_role("button", name="Cancel this operation: Copy large")
    button.click()
    dialog = page.get_by_role("dialog", name="Cancel this operation?")
    expect(dialog).to_be_visible()
    expect(dialog).to_contain_text("Copy large")
    expect(dialog).to_contain_text("The source stays as it is.")
    photograph(page, "question")
    dialog.get_by_role("button", name="Keep it going").click()
    expect(dialog).to_be_hidden()
    expect(card(page, "large").locator("[data-part=state]")).to_have_text("Running")
    button.click()
    dialog.get_by_role("button", name="Cancel the operation").click()
    over = section(page, "finished").locator(".card", has_text="Copy large")
    expect(over.locator("[data-part=state]")).to_have_text("Cancelled")
    assert second.response().status == 409
    assert first.response().status == 201
    expect(section(page, "finished").locator(".card")).to_have_count(2)
    assert not (root / "huge").exists()
    assert server.staging() == []


def test_it_is_loaded_again_in_the_middle(server: RunningServer, person: Any, client: Any) -> None:
    """It goes on where it was, and is told once."""
    page = person().open(server)
    client(server).ask("COPY", "/large", "/huge")
    expect(card(page, "large").locator("[data-part=counts]")).to_contain_text("of 901 members")
    seen = share_of(page, "large")
    page.reload()
    expect(page.locator(".card")).to_have_count(1)
    assert share_of(page, "large") >= seen
    page.wait_for_function(
        "before => document.querySelector('.card progress').position > before", arg=seen + 0.005
    )


def test_two_browsers(server: RunningServer, person: Any, client: Any) -> None:
    """What is cancelled in one is seen to end in the other."""
    here, there = person().open(server), person().open(server)
    client(server).ask("COPY", "/large", "/huge")
    for page in (here, there):
        expect(section(page, "running").locator(".card")).to_have_count(1)
    card(here, "large").get_by_role("button").click()
    here.get_by_role("button", name="Cancel the operation").click()
    for page in (here, there):
        expect(section(page, "finished").locator("[data-part=state]")).to_have_text("Cancelled")
        expect(section(page, "running")).to_be_hidden()


def test_without_a_mouse(server: RunningServer, person: Any, client: Any) -> None:
    """Tab leads through the page in its order, the focus is seen, and it is never lost."""
    page = person().open(server)
    client(server).ask("COPY", "/large", "/huge")
    expect(section(page, "running").locator(".card")).to_have_count(1)
    focus = page.locator(":focus")
    for name in ("davkeep", "Copy large", "Cancel this operation: Copy large"):
        page.keyboard.press("Tab")
        expect(focus).to_have_accessible_name(name)
        assert focus.evaluate("each => getComputedStyle(each).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(focus).to_have_accessible_name("Keep it going")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(focus).to_have_accessible_name("Cancel this operation: Copy large")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(focus).to_have_accessible_name("Cancel the operation")
    page.keyboard.press("Enter")
    expect(section(page, "finished").locator("[data-part=state]")).to_have_text("Cancelled")
    expect(focus).to_have_accessible_name("Copy large")


def test_one_operation(server: RunningServer, person: Any, client: Any, photograph: Any) -> None:
    """Its own page has everything of it, goes on by itself, and tells the end."""
    page = person().open(server)
    wire = client(server).ask("COPY", "/small", "/copy")
    page.get_by_role("link", name="Copy small").click()
    expect(page.get_by_role("heading", name="Details")).to_be_visible()
    expect(page.get_by_role("region", name="Details")).to_contain_text("/copy")
    expect(page).to_have_title(re.compile(r"^\d+% · Copy small · davkeep$"))
    photograph(page, "one")
    assert wire.response().status == 201
    expect(page.locator("[data-part=state]").first).to_have_text("Done")
    expect(page.locator("[data-fact=status]")).to_have_text("201")
    expect(page).to_have_title("Done · Copy small · davkeep")
    page.get_by_role("link", name="All operations").click()
    expect(section(page, "finished").locator(".card")).to_have_count(1)


def test_a_stream_that_is_held_back(
    server: RunningServer, root: Path, person: Any, client: Any
) -> None:
    """Where no event stream comes through, the page asks every few seconds instead."""
    # What is over within those seconds is never seen to run.
    plant(root / "middle", 300)
    someone = person()
    someone.context.route("**/events*", lambda route: route.fulfill(status=503, body=""))
    page = someone.open(server)
    expect(page.locator("#connection")).to_have_text("Updated every few seconds")
    wire = client(server).ask("COPY", "/middle", "/copy")
    expect(section(page, "running").locator(".card")).to_have_count(1)
    assert wire.response().status == 201
    expect(section(page, "finished").locator("[data-part=state]")).to_have_text("Done")
    # The one complaint that there is: the browser's own, of what this test has answered.
    assert all("503" in each for each in someone.complaints)
    someone.complaints.clear()


def hurry(page: Page) -> None:
    """Let the seconds pass until the page asks again."""
    page.clock.fast_forward(3000)


def test_a_stream_that_falls_silent(
    inside: Start, person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that hears no more than the beginning does not say that it is live, and asks."""
    monkeypatch.setattr(app, "Resources", partial(Resources, heartbeat=0.3))
    server = inside()
    with HoldingProxy(server) as proxy:
        someone = person()
        someone.context.clock.install()
        page = someone.open(proxy)
        assert proxy.holds.wait(DEADLINE)
        expect(page.locator("#connection")).to_have_text("Updated every few seconds")
        held = server.begin()
        hurry(page)
        expect(section(page, "running").locator(".card")).to_have_count(1)
        held.end()
        hurry(page)
        expect(section(page, "finished").locator("[data-part=state]")).to_have_text("Done")
        expect(page.locator("#connection")).to_have_text("Updated every few seconds")
        page.close()


@pytest.mark.parametrize("is_held_back", [True, False])
def test_very_many(inside: Start, person: Any, is_held_back: bool) -> None:
    """What runs is shown, new ends come first, and it is said how many are not shown."""
    server = inside()
    waiting = [server.admit() for _ in range(html.MOST_PENDING + 5)]
    for _ in range(html.MOST_FINISHED + 7):
        server.ended()
    running = server.begin()
    someone = person()
    someone.context.clock.install()
    if is_held_back:
        someone.context.route("**/events*", lambda route: route.fulfill(status=503, body=""))
    page = someone.open(server)
    how = "Updated every few seconds" if is_held_back else "Live"
    expect(page.locator("#connection")).to_have_text(how)
    expect(section(page, "running").locator(".card")).to_have_count(1)
    expect(section(page, "waiting").locator(".card")).to_have_count(html.MOST_PENDING - 1)
    expect(page.locator("#more")).to_have_text("And 6 more that run or wait.")
    expect(page.locator("#older")).to_contain_text("7 older ones are not shown")
    late = server.begin()
    hurry(page)
    expect(section(page, "running").locator(".card")).to_have_count(2)
    running.end()
    hurry(page)
    first = section(page, "finished").locator(".card").first
    expect(first).to_have_attribute("data-id", running.operation.id)
    expect(page.locator("#older")).to_contain_text("8 older ones are not shown")
    for each in waiting[:10]:
        each.operation.cancel()
    hurry(page)
    # Of those that waited 295 are left, and there is room for them all.
    expect(section(page, "waiting").locator(".card")).to_have_count(html.MOST_PENDING - 5)
    expect(page.locator("#more")).to_be_hidden()
    late.end()
    hurry(page)
    expect(section(page, "running")).to_be_hidden()
    assert all("503" in each for each in someone.complaints)
    someone.complaints.clear()


def test_without_scripts(server: RunningServer, person: Any, client: Any) -> None:
    """All can be read, and nothing is offered that would not work."""
    page = person().open(server)
    client(server).ask("COPY", "/large", "/huge")
    expect(page.locator("[data-part=counts]")).to_contain_text("of 901 members")
    plain = person(java_script_enabled=False).open(server)
    expect(plain.locator("[data-part=state]").first).to_have_text("Running")
    expect(plain.locator("[data-part=counts]").first).to_contain_text("of 901 members")
    expect(plain.locator(".note")).to_be_visible()
    expect(plain.get_by_role("button")).to_have_count(0)
    plain.get_by_role("link", name="Copy large").click()
    expect(plain.get_by_role("heading", name="Details")).to_be_visible()


def test_names_that_would_do_harm(
    serve: Serve, root: Path, person: Any, client: Any, photograph: Any
) -> None:
    """They are text, from the server and from scripts, and they do not widen a phone's page."""
    for name in HOSTILE:
        (root / name).write_bytes(b"1")
    server = serve(operations=SLOW)
    page = person(viewport=PHONE, is_mobile=True).open(server)
    paths = [f"/{quote_from_bytes(os.fsencode(name))}" for name in HOSTILE]
    for number, path in enumerate(paths):
        assert client(server).ask("COPY", path, f"/copy{number}").response().status == 201
    told = page.locator(".card [data-part=name]")
    expect(told).to_have_count(len(HOSTILE))
    by_script = sorted(told.all_inner_texts())
    assert page.locator(".card img, .card script").count() == 0
    assert fits(page)
    photograph(page, "names")
    page.reload()
    assert sorted(told.all_inner_texts()) == by_script
    assert {
        "[U+202E]exe.fdp",
        "in[U+200B]visible[U+0020]",
        "[U+0020]a[U+00A0]b  c",
        "new[U+000A]line[U+0009]tab[U+001B][31m",
    } <= set(by_script)
    assert "{{ 7 * 7 }}" in by_script
    assert fits(page)
    page.get_by_role("link", name="exe.fdp").click()
    expect(page.get_by_role("heading", name="Details")).to_be_visible()
    assert fits(page)


def scene(server: Inside) -> None:
    """An operation in each state."""
    server.ended()
    server.ended(method="DELETE", outcome=Outcome(507, explanation="The disk is full."))
    failures = tuple(MemberFailure(f"/a/letter%20{number}", 403) for number in range(3))
    server.ended(outcome=Outcome(207, failures))
    server.begin(method="MOVE").operation.cancel()
    server.ended(method="PUT")
    server.admit()
    running = server.begin().operation.progress
    running.members_done, running.bytes_done = 2310, 1_234_567_890
    counted = server.begin(method="MOVE").operation.progress
    counted.members_done, counted.members_total = 420, 1000
    counted.bytes_done, counted.bytes_total = 4_200_000_000, 9_900_000_000


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("light", {"viewport": DESKTOP}),
        ("dark", {"viewport": DESKTOP, "color_scheme": "dark"}),
        ("phone", {"viewport": PHONE, "is_mobile": True, "has_touch": True}),
        ("phone-dark", {"viewport": {"width": 320, "height": 640}, "color_scheme": "dark"}),
    ],
)
def test_how_it_looks(
    inside: Start, person: Any, photograph: Any, name: str, options: dict[str, Any]
) -> None:
    """Every state has a word and a sign of its own, and nothing is scrolled sideways."""
    server = inside()
    scene(server)
    page = person(**options).open(server)
    expect(page.locator("#connection")).to_have_text("Live")
    expect(page.locator(".card")).to_have_count(8)
    photograph(page, name)
    assert fits(page)
    words = set(page.locator("[data-part=state]").all_inner_texts())
    assert words == {"Running", "Waiting", "Done", "Failed", "Failed in part", "Cancelled"}
    signs = {each.get_attribute("href") for each in page.locator("[data-part=sign]").all()}
    assert len(signs) == 5
    grounds = page.evaluate("getComputedStyle(document.body).backgroundColor")
    dark = options.get("color_scheme") == "dark"
    assert (sum(int(part) for part in re.findall(r"\d+", grounds)) < 200) is dark
    page.get_by_role("link", name=re.compile("Copy a2")).click()
    expect(page.get_by_role("heading", name="Failed members 3")).to_be_visible()
    expect(page.locator(".errors")).to_contain_text("/a/letter 1")
    assert fits(page)


def test_no_motion_for_who_wants_none(inside: Start, person: Any) -> None:
    """Nothing turns and nothing slides."""
    server = inside()
    scene(server)
    page = person(reduced_motion="reduce").open(server)
    expect(page.locator(".card")).to_have_count(8)
    assert page.evaluate("document.getAnimations().length") == 0
    lively = person().open(server)
    expect(lively.locator(".card")).to_have_count(8)
    assert lively.evaluate("document.getAnimations().length") > 0


def test_what_can_no_longer_be_cancelled(inside: Start, person: Any) -> None:
    """The page says so, and keeps the operation where it is."""
    server = inside()
    held = server.begin()
    someone = person()
    page = someone.open(server)
    page.get_by_role("button", name="Cancel this operation").click()
    held.operation.reach_effective_point()
    page.get_by_role("button", name="Cancel the operation").click()
    expect(page.get_by_role("alert")).to_have_text("It can no longer be cancelled.")
    expect(page.locator("[data-part=state]").first).to_have_text("Running")
    assert all("409" in each for each in someone.complaints)
    someone.complaints.clear()


def test_the_listing_leads_here(
    server: RunningServer, person: Any, client: Any, photograph: Any
) -> None:
    """The page of a collection names what runs there, and links to it."""
    client(server).ask("COPY", "/large", "/huge")
    someone = person()
    page = someone.open(server)
    expect(page.locator(".card")).to_have_count(1)
    page.goto(server.url)
    notice = page.get_by_role("note")
    expect(notice).to_contain_text("Copying large to huge")
    photograph(page, "listing")
    notice.get_by_role("link", name="Copying large to huge").click()
    expect(page.get_by_role("heading", name="Details")).to_be_visible()


#: Numbers that sizes, spans and shares turn at.
NUMBERS = [0, 1, 2, 9, 10, 54, 55, 89, 90, 99, 100, 999, 1000, 3599, 3600, 65536, 86399, 86400]
NUMBERS += [99_999, 100_000, 999_999, 1_000_000, 1_234_567_890, 10**13, 10**15]


def told_in_many_ways() -> list[dict[str, Any]]:
    """Descriptions of operations, each as a server could send it."""
    chance = random.Random(102)
    found = []
    for _ in range(400):
        state = chance.choice(["pending", "running", "running", "running", *wording.STATES])
        done, size = chance.choice(NUMBERS), chance.choice(NUMBERS)
        is_counted = chance.random() < 0.7
        status = {"succeeded": 201, "failed": chance.choice([207, 403, 507]), "cancelled": 409}
        is_over = state not in ("pending", "running")
        found.append(
            {
                **html.BLANK,
                "method": chance.choice([*wording.METHODS]),
                "state": state,
                "members_done": done,
                "members_total": done + chance.choice(NUMBERS[:12]) if is_counted else None,
                "bytes_done": size,
                "bytes_total": size + chance.choice(NUMBERS[:20]) if is_counted else None,
                "estimatedSeconds": chance.choice([None, 0.1, *NUMBERS[:20]]),
                "members_per_second": chance.choice([0.0, 0.1, 9.9, 10.4, 12345.6]),
                "bytes_per_second": chance.choice(NUMBERS[:22]),
                "status": status.get(state, 503) if is_over else None,
                "explanation": chance.choice(["", "The disk is full.", wording.CANCELLED]),
                "errors_total": chance.choice([1, 2, 12345]),
                "left_behind": chance.random() < 0.2,
                "cancelling": chance.random() < 0.1,
                "ended": "1970-01-01T00:00:00.000Z"
                if is_over and chance.random() < 0.1
                else f"1970-01-{chance.randint(1, 20):02}T07:{chance.randint(0, 59):02}:08.900Z"
                if is_over
                else None,
            }
        )
    return found


def test_scripts_say_what_the_server_says(server: RunningServer, person: Any) -> None:
    """Whatever is told of an operation, in the same words."""
    page = person().open(server)
    names = ["counts", "pace", "percent", "result", "state", "method"]
    many = told_in_many_ways()
    said = page.evaluate(
        "([many, names]) => many.map((told) => names.map((name) => wording[name](told)))",
        [many, names],
    )
    for told, each in zip(many, said, strict=True):
        assert each == [getattr(wording, name)(told) for name in names], told
    sizes = page.evaluate("numbers => numbers.map(wording.size)", NUMBERS)
    assert sizes == [wording.size(each) for each in NUMBERS]
    spans = page.evaluate("numbers => numbers.map(wording.remaining)", NUMBERS[:20])
    assert spans == [wording.remaining(each) for each in NUMBERS[:20]]


@pytest.mark.parametrize("most", [10, 17, 56])
def test_scripts_shorten_as_the_server_does(server: RunningServer, person: Any, most: int) -> None:
    """Any bytes that a path can hold."""
    chance = random.Random(most)
    alphabet = [
        b"/",
        b"a",
        b"bc",
        b"%2F",
        b"\xc3\xa4",
        b"\xe2\x80\xae",
        b"\xf0\x9f\x98\x80",
        b"\xff",
        b"\xe2\x80\x8d",
        b"\xef\xb8\x8f",
        b"\xf3\xa0\x81\x81",
        b"\xe0\xa4\x95",
    ]
    alphabet += [b"\xe9\x9d", b"\n", b" ", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"."]
    paths = []
    for _ in range(300):
        raw = b"".join(chance.choices(alphabet, k=chance.randint(1, 60)))
        paths.append("/" + quote_from_bytes(raw))
    page = person().open(server)
    said = page.evaluate(
        """([paths, most]) => paths.map((path) => {
            const whole = wording.readable(path);
            const name = wording.lastName(whole);
            return [whole, wording.shortened(whole, most), name, wording.clipped(name, most)];
        })""",
        [paths, most],
    )
    for path, found in zip(paths, said, strict=True):
        whole = readable(path)
        name = last_name(whole)
        assert found == [whole, shortened(whole, most), name, clipped(name, most)]
