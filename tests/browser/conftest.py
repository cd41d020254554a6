"""A real browser without a screen, and what its pages must never do."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

from harness.browsing import ARGUMENTS, DESKTOP, PATIENCE, Client, Watched
from harness.server import RunningServer


def _missing(reason: str) -> NoReturn:
    """In CI what a test needs has to be there; elsewhere the test is skipped."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """What drives browsers. While it is there its event loop runs in this thread, and no other can:
    it is gone before the tests of other folders begin.
    """
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """Debian's Chromium."""
    program = shutil.which("chromium")
    if program is None:
        _missing("chromium is missing; sudo apt-get install chromium fonts-dejavu-core")
    expect.set_options(timeout=PATIENCE)
    browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
    yield browser
    browser.close()


@pytest.fixture
def person(chromium: Browser) -> Iterator[Callable[..., Watched]]:
    """``person(color_scheme="dark")``: somebody with a browser of their own.

    At the end none of its pages has complained, or asked any other host.
    """
    people: list[Watched] = []
    with ExitStack() as opened:

        def come(**options: Any) -> Watched:
            settings: dict[str, Any] = {"viewport": DESKTOP, "locale": "en-GB", **options}
            context = chromium.new_context(**settings)
            opened.callback(context.close)
            people.append(Watched(context))
            return people[-1]

        yield come
        for each in people:
            assert each.complaints == []
            assert {host.rpartition(":")[0] for host in each.hosts} <= {"127.0.0.1", ""}
            assert len(each.hosts - {""}) <= 1


@pytest.fixture
def photograph() -> Callable[[Page, str], None]:
    """``photograph(page, "light")`` keeps a picture of the whole page.

    They go into the folder ``DAVKEEP_SCREENSHOTS``, or build/screenshots.
    """
    default = Path(__file__).parents[2] / "build" / "screenshots"
    folder = Path(os.environ.get("DAVKEEP_SCREENSHOTS") or default)
    folder.mkdir(parents=True, exist_ok=True)

    def take(page: Page, name: str) -> None:
        file = folder / f"{name}.png"
        page.screenshot(path=file, full_page=True)
        assert file.stat().st_size > 5000

    return take


@pytest.fixture
def client() -> Iterator[Callable[[RunningServer], Client]]:
    """``client(server).ask("COPY", "/a", "/b")``."""
    with ExitStack() as opened:
        yield lambda server: Client(server, opened)
