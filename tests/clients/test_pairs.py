"""Every client through every proxy, while an operation takes three times their patience.

`--fixed-beat` replaces the profiles by an interim response each second to everybody, with every
patience raised, and then those break that are expected to. `--write-table` writes what came out
into docs/clients.md.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from harness.clients import CLIENTS
from harness.matrix import page
from harness.matrix.expected import FIXED_BEAT, PROFILES, Table
from harness.matrix.outcome import Outcome, Result
from harness.matrix.stage import (
    CLIENT_PATIENCE,
    DIRECT,
    PROXY_PATIENCE,
    WAYS,
    by_fixed_beat,
    by_profiles,
    perform,
)
from harness.programs import lookup, missing
from harness.proxies import PROXIES

pytestmark = pytest.mark.timeout(900)

#: Ways that run at the same time, each with all of its clients: most of it is waiting.
AT_ONCE = 3

#: The part of a patience after which it may be over: Squid counts in whole seconds.
EARLIEST = 0.6

Pair = tuple[str, str]


def _expected(config: pytest.Config) -> Table:
    return FIXED_BEAT if config.getoption("fixed_beat") else PROFILES


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test is about all pairs, or about those for which an outcome is expected."""
    if "pair" not in metafunc.fixturenames:
        return
    marker = next(metafunc.definition.iter_markers("expected"), None)
    pairs = [
        pair
        for pair, outcome in _expected(metafunc.config).items()
        if marker is None or outcome in marker.args
    ]
    if pairs:
        metafunc.parametrize("pair", pairs, ids=[f"{client}-{way}" for client, way in pairs])
    else:
        skip = pytest.mark.skip("with --fixed-beat everybody's patience is long enough")
        metafunc.parametrize("pair", [pytest.param(None, marks=skip)])


def _lacks(pair: Pair) -> str | None:
    """What a pair needs and is not there."""
    client, way = CLIENTS[pair[0]], pair[1]
    programs = [*client.programs, *([PROXIES[way].program] if way != DIRECT else [])]
    lacking = [name for name in programs if lookup(name) is None]
    if lacking:
        return f"{lacking[0]} is missing; `./run tests` installs it"
    if client.needs_fuse and (os.geteuid() != 0 or not os.access("/dev/fuse", os.W_OK)):
        return "only root can mount, and only where /dev/fuse is"
    return None


@pytest.fixture(scope="module")
def results(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Pair, Result]]:
    """What became of every pair that a chosen test asks about."""
    calls: list[Any] = [getattr(item, "callspec", None) for item in request.session.items]
    chosen = {call.params.get("pair") for call in calls if call}
    pairs = [pair for pair in PROFILES if pair in chosen and _lacks(pair) is None]
    folder = tmp_path_factory.mktemp("ways")
    plays = by_fixed_beat if request.config.getoption("fixed_beat") else by_profiles

    def performed(way: str) -> dict[Pair, Result]:
        names = [client for client, of_pair in pairs if of_pair == way]
        found = perform(folder / way, way, plays(way), names) if names else {}
        return {(name, way): result for name, result in found.items()}

    with ThreadPoolExecutor(AT_ONCE) as threads:
        found = {pair: each for way in threads.map(performed, WAYS) for pair, each in way.items()}
    yield found
    if request.config.getoption("write_table"):
        part = "fixed-beat" if request.config.getoption("fixed_beat") else "profiles"
        page.write(part, {pair: each.outcome for pair, each in found.items()})


@pytest.fixture
def result(pair: Pair, results: dict[Pair, Result]) -> Result:
    """What became of one pair."""
    lack = _lacks(pair)
    if lack is not None:
        missing(lack)
    return results[pair]


def test_outcome(pair: Pair, result: Result, request: pytest.FixtureRequest) -> None:
    """The pair ends as the table says."""
    assert result.outcome is _expected(request.config)[pair], result.calls


def test_the_operation_ran_once(pair: Pair, result: Result) -> None:
    """The kernel saw it begin and end once, and the disk holds its result, whatever was told."""
    assert result.problems == (), result.trace


@pytest.mark.expected(Outcome.KEPT)
def test_the_next_request_got_its_own_answer(pair: Pair, result: Result) -> None:
    """After the result the next request is answered as it should be, on the same connection."""
    assert result.first.told.own_answer is True
    assert result.first.told.reused is not False


@pytest.mark.expected(Outcome.GIVES_UP)
def test_the_failure_is_clean(pair: Pair, result: Result) -> None:
    """It is told when patience was spent, and nobody takes a later answer for the next one."""
    patience = CLIENT_PATIENCE if pair[1] == DIRECT else PROXY_PATIENCE
    assert EARLIEST * patience < result.first.ended < result.length - 0.5
    assert result.first.told.own_answer is not False


@pytest.mark.expected(Outcome.GIVES_UP)
def test_asking_again_joins_the_operation(pair: Pair, result: Result) -> None:
    """With the settings raised, the same request gets the result of the operation that runs."""
    again = result.calls[-1]
    assert again.told.succeeded, again.told
    assert again.told.own_answer is True
    assert again.began < result.length <= again.ended
