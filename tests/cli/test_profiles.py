"""`davkeep profiles`: the tables, one row, and the exit status."""

import json
from pathlib import Path
from typing import Any

import pytest

from davkeep import cli
from davkeep.keepalive.clients import CLIENTS
from davkeep.keepalive.proxies import PROXIES


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A file with a row of its own, and a folder that is not there."""
    file = tmp_path / "davkeep.yaml"
    row = '{name: our backup, agent: rclone/, versions: "<2", cap: 4, note: patched}'
    file.write_text(
        f"provider_mapping: {{/: ./missing}}\ndavkeep: {{keepalive: {{profiles: [{row}]}}}}\n",
        encoding="utf-8",
    )
    return str(file)


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit status and standard output; nothing goes to standard error."""
    status = cli.main(["profiles", *arguments])
    output = capsys.readouterr()
    assert output.err == ""
    return status, output.out


def test_the_tables(capsys: pytest.CaptureFixture[str]) -> None:
    """Every client and proxy has its line, with its source, and the columns stand in line."""
    status, text = printed(capsys)
    clients, proxies = text.split("\n\n")
    assert status == 0
    for table, rows in ((clients, CLIENTS), (proxies, PROXIES)):
        head, *lines = table.splitlines()
        for row, line in zip(rows, lines, strict=False):
            assert line.startswith(f"{row.name}  ")
            assert line[head.index("SOURCE") :].startswith(f"{row.source.value} ")
            assert line[head.index("CAP") :].startswith(f"{row.limit} ")
            assert line.endswith(row.note)
    assert clients.splitlines()[-1].startswith("unknown client  ")
    assert len(proxies.splitlines()) == len(PROXIES) + 1


def test_the_tables_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The same rows, for programs."""
    status, text = printed(capsys, "--json")
    tables = json.loads(text)
    assert status == 0
    assert [row["name"] for row in tables["clients"][:-1]] == [row.name for row in CLIENTS]
    assert [row["name"] for row in tables["proxies"]] == [row.name for row in PROXIES]
    assert {row["source"] for row in tables["clients"]} == {"measured", "read in source", "unknown"}


@pytest.mark.parametrize(
    ("agent", "status", "row"),
    [
        (
            "davfs2/1.6.1 neon/0.32.5",
            0,
            {"name": "davfs2 on neon 0.32", "cap": 100, "patience": 30, "source": "measured"},
        ),
        ("davfs2/1.7 neon/0.33.0", 0, {"cap": 1, "within": 30, "multistatus": True}),
        ("python-requests/2.28.1", 0, {"cap": 0, "source": "measured"}),
        ("WebDAVFS/3.0.0", 0, {"cap": 0, "effective_point": True, "source": "read in source"}),
        ("unheard-of/1", 1, {"name": "unknown client", "cap": 0, "source": "unknown"}),
        ("", 1, {"name": "unknown client"}),
    ],
)
def test_one_agent(
    capsys: pytest.CaptureFixture[str], agent: str, status: int, row: dict[str, Any]
) -> None:
    """The row that applies, as JSON and as text; status 1 when only the default does."""
    seen, text = printed(capsys, "--agent", agent, "--json")
    found = json.loads(text)
    assert (seen, {key: found[key] for key in row}) == (status, row)
    seen, text = printed(capsys, "--agent", agent)
    lines = dict(line.split(maxsplit=1) for line in text.replace("KEPT BY", "KEPT").splitlines())
    assert (seen, lines["CLIENT"], lines["CAP"]) == (status, found["name"], str(found["cap"]))
    assert lines["SOURCE"] == found["source"]


def test_configured_rows_come_first(capsys: pytest.CaptureFixture[str], config: str) -> None:
    """A row of the file is printed first and applies; no folder of the file needs to be there."""
    status, text = printed(capsys, "-c", config, "--agent", "rclone/v1.60.1-DEV", "--json")
    found = json.loads(text)
    assert (status, found["name"], found["cap"]) == (0, "our backup", 4)
    assert (found["source"], found["agents"]) == ("configured", ["rclone <2"])
    _, text = printed(capsys, "-c", config)
    assert text.splitlines()[1].startswith("our backup  ")


def test_a_wrong_file_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Exit status 2 and a line for the problem."""
    file = tmp_path / "davkeep.yaml"
    row = "{name: x, agent: x/1}"
    file.write_text(f"davkeep: {{keepalive: {{profiles: [{row}]}}}}", encoding="utf-8")
    assert cli.main(["profiles", "-c", str(file)]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(f"davkeep: {file}: davkeep.keepalive.profiles.0.agent: ")
    assert output.err.count("\n") == 1
