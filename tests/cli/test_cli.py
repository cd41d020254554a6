"""The command line: what it hands to the server, and how it refuses."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import davkeep
from davkeep import cli
from davkeep.store.former import Former
from davkeep.words.configuration import Configuration, ConfigurationError

Served = list[Configuration]
#: What serves, in the place of the server.
Serving = Callable[[Configuration, Former | None], int]


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> Callable[[Serving], None]:
    """Puts a function in the place of the server."""

    def install(serve: Serving) -> None:
        app = ModuleType("davkeep.app")
        app.serve = serve  # type: ignore[attr-defined]  # a module made by hand
        monkeypatch.setitem(sys.modules, "davkeep.app", app)
        monkeypatch.setattr(davkeep, "app", app, raising=False)

    return install


@pytest.fixture
def served(
    serving: Callable[[Serving], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Served:
    """What the server was asked to serve; it ends at once with status 5."""
    configurations: Served = []

    def serve(configuration: Configuration, _: Former | None) -> int:
        configurations.append(configuration)
        return 5

    serving(serve)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return configurations


@pytest.mark.parametrize("option", [[], ["-r"], ["--root"]])
def test_a_folder_is_served(served: Served, tmp_path: Path, option: list[str]) -> None:
    """ROOT is served in both notations, and the server's status is the command's."""
    assert cli.main(["serve", "-p", "0", *option, str(tmp_path)]) == 5
    (configuration,) = served
    assert configuration.provider_mapping["/"].root == str(tmp_path)
    assert (configuration.host, configuration.port) == ("127.0.0.1", 0)


def test_every_option_arrives(served: Served, tmp_path: Path) -> None:
    """Host, port, users and file reach the configuration."""
    file = tmp_path / "davkeep.yaml"
    file.write_text("verbose: 1", encoding="utf-8")
    users = tmp_path / "users"
    users.touch()
    folder = tmp_path / "folder"
    folder.mkdir()
    given = ["-H", "0.0.0.0", "-p", "81", "-c", str(file), "--auth", f"htpasswd:{users}"]
    cli.main(["serve", *given, str(folder)])
    (configuration,) = served
    assert (configuration.host, configuration.port, configuration.verbose) == ("0.0.0.0", 81, 1)
    assert configuration.htpasswd_dc.htpasswd_file == str(users)


def test_without_a_folder_the_sample_is_served_and_said(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sample is named on standard error, for standard output belongs to the server."""
    cli.main(["serve"])
    root = served[0].provider_mapping["/"].root
    output = capsys.readouterr()
    assert (output.out, output.err.count("\n")) == ("", 1)
    assert output.err.startswith("davkeep: ")
    assert root in output.err


REFUSED = [
    ["serve", "/nonexistent"],
    ["serve", "-p", "x"],
    ["serve", "-p", "70000"],
    ["serve", "-H", "0.0.0.0"],
    ["serve", "-c", "/nonexistent.yaml"],
    ["serve", "--auth", "ldap"],
    ["serve", "/", "-r", "/"],
    ["serve", "/", "/"],
    ["serve", "--por", "1"],
    ["serve", "--unknown"],
    ["unknown"],
    [],
]


@pytest.mark.parametrize("arguments", REFUSED, ids=" ".join)
def test_what_cannot_be_used_is_refused_in_one_line(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """Exit status 2, one line on standard error, nothing served and nothing written."""
    try:
        status: object = cli.main(arguments)
    except SystemExit as end:
        status = end.code
    output = capsys.readouterr()
    assert (status, output.out, served) == (2, "", [])
    assert output.err.startswith("davkeep: ")
    assert output.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_every_problem_of_a_file_has_its_line(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two wrong keys are two lines, each with the program's and the file's name."""
    file = tmp_path / "davkeep.yaml"
    file.write_text("port: x\ndavkeep: {operations: {workers: 0}}", encoding="utf-8")
    assert cli.main(["serve", "-c", str(file)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[:3] for line in lines] == [
        ["davkeep", str(file), "port"],
        ["davkeep", str(file), "davkeep.operations.workers"],
    ]


def test_what_the_server_cannot_use_is_refused_alike(
    serving: Callable[[Serving], None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A problem that shows only when serving begins is told in the same way."""

    def serve(*_: object) -> int:
        raise ConfigurationError(["port: 80 is taken"])

    serving(serve)
    file = tmp_path / "davkeep.yaml"
    file.write_text(f"davkeep: {{state: {tmp_path / 'state'}}}", encoding="utf-8")
    share = tmp_path / "share"
    share.mkdir()
    assert cli.main(["serve", "-c", str(file), str(share)]) == 2
    assert capsys.readouterr().err == "davkeep: port: 80 is taken\n"


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """--version prints the program's name and version."""
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"davkeep {davkeep.__version__}\n"


def test_the_module_is_the_same_program() -> None:
    """`python -m davkeep` answers as `davkeep` does."""
    program = [sys.executable, "-m", "davkeep"]
    version = subprocess.run([*program, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout == f"davkeep {davkeep.__version__}\n"
    refused = subprocess.run(
        [*program, "serve", "/nonexistent"], capture_output=True, text=True, check=False
    )
    assert (refused.returncode, refused.stderr) == (2, "davkeep: ROOT: /nonexistent is no folder\n")


#: Prints which of the modules named were imported by a command line that is refused at the end.
IMPORTED = """
import sys
from davkeep import cli
cli.main({arguments!r})
import davkeep.app
print(*sorted({{"davkeep.client", "h11", "rich", "yaml"}} & set(sys.modules)))
"""


def test_what_serves_does_not_wait_for_what_asks() -> None:
    """`serve` imports none of the client's libraries, and no YAML without a file."""
    program = IMPORTED.format(arguments=["serve", "/nonexistent"])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("\n", "davkeep: ROOT: /nonexistent is no folder\n")
    program = IMPORTED.format(arguments=["serve", "-c", "/dev/null", "/nonexistent"])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "yaml\n"
