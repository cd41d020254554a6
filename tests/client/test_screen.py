"""What is drawn, without a network and without a terminal."""

import io
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from davkeep.client.monitors import Operation
from davkeep.client.ops import ROWS
from davkeep.client.screen import line, print_table, watch

RUNNING = {
    "id": "0123456789abcdef",
    "state": "running",
    "method": "COPY",
    "source": "/films/a%20b",
    "destination": "/c",
    "members_done": 3,
    "members_total": 1200,
    "bytes_done": 250_000,
    "bytes_total": 1_000_000,
    "bytes_per_second": 10_000,
    "members_per_second": 1.5,
    "estimatedSeconds": 75.2,
    "status": None,
}
OVER = {**RUNNING, "state": "succeeded", "status": 201, "estimatedSeconds": None}


def drawn(*told: dict[str, Any], width: int = 160) -> str:
    """The table of what was told."""
    console = Console(file=io.StringIO(), width=width)
    print_table(console, [Operation(each) for each in told])
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(text, str)
    return text


def test_a_wide_table() -> None:
    """Paths are decoded, numbers are for people."""
    text = drawn(RUNNING)
    for part in ("01234567 ", "/films/a b -> /c", "25%", "3 of 1,200", "10.0 kB/s", "1:15"):
        assert part in text


def test_a_narrow_table() -> None:
    """Eighty columns hold the identifier and how far it is, whatever else has to go."""
    text = drawn(RUNNING, {**RUNNING, "source": "/" + "x" * 200}, width=80)
    assert "MEMBERS" not in text
    assert text.count("01234567  running") == 2
    assert text.count("25%") == 2


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"bytes_total": None}, "counting"),
        ({"members_total": None}, "25%"),
        ({"bytes_total": 0, "bytes_done": 0, "members_done": 600}, "50%"),
        ({"estimatedSeconds": 3725}, "1:02:05"),
        ({"bytes_per_second": 0}, "2 members/s"),
        ({"cancelling": True}, "cancelling"),
        ({"owner": "ann"}, "OWNER"),
        ({"status": 201, "state": "succeeded"}, "status 201"),
    ],
)
def test_what_is_said_when(changed: dict[str, Any], expected: str) -> None:
    """Unknown totals are being counted; without bytes the members count."""
    assert expected in drawn({**RUNNING, **changed})


def test_nothing_commands_the_terminal() -> None:
    """Control characters, also encoded ones, are replaced, and no markup is understood."""
    text = drawn({**RUNNING, "source": "/%1b[2J\x1b]0;x\x07", "owner": "[red]x[/red]\u202e"})
    assert not set("\x1b\x07\u202e") & set(text)
    assert "[red]x[/red]" in text
    assert "\x1b" not in line(Operation({**OVER, "explanation": "\x1b[2J"}))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from(sorted(RUNNING)),
        st.none()
        | st.text()
        | st.integers()
        | st.floats()
        | st.just(10**400)
        | st.lists(st.none()),
    )
)
def test_strange_servers(told: dict[str, Any]) -> None:
    """Whatever a server tells, it is drawn."""
    assert drawn({**RUNNING, **told})
    assert isinstance(line(Operation(told)), str)


def test_watching() -> None:
    """One line for each change; what was over at first is not told."""
    looks = iter(
        [
            [OVER | {"id": "a"}, RUNNING | {"id": "b"}],
            [OVER | {"id": "a"}, RUNNING | {"id": "b", "members_done": 9}, RUNNING | {"id": "c"}],
            [RUNNING | {"id": "b", "cancelling": True}, OVER | {"id": "c"}],
            [OVER | {"id": "b", "state": "cancelled", "status": 409}, OVER | {"id": "c"}],
        ]
    )
    console = Console(file=io.StringIO(), width=160)
    pauses: list[int] = []
    watch(
        console,
        lambda: [Operation(each) for each in next(looks)],
        lambda: pauses.append(1),
        rows=ROWS,
    )
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert [each.split()[:2] for each in lines] == [
        ["b", "running"],
        ["c", "running"],
        ["b", "cancelling"],
        ["c", "succeeded"],
        ["b", "cancelled"],
    ]
    assert len(pauses) == 3
