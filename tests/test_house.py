"""The house keeps its order: imports flow one way, and each stranger has one door."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import davkeep

PACKAGE = Path(davkeep.__file__).parent

#: The rooms from the foundation upwards; each may import those before it. The doors share a floor
#: and never import each other.
FLOORS = [
    {"words"},
    {"terminal"},
    {"trees"},
    {"store"},
    {"operations"},
    {"keepalive"},
    {"http"},
    {"dav", "server", "monitor", "client", "webhooks"},
    {"front", "control"},
    {"administration"},
    {"settings"},
    {"app", "profiles", "state"},
    {"cli"},
    {"__main__"},
]

#: Libraries that one room alone may import.
STRANGERS = {
    "wsgidav": "dav",
    "cheroot": "server",
    "lxml": "dav",
    "sqlite3": "store",
    "h11": "http",
    "rich": "client",
    "http_sf": "words",
    "jinja2": "monitor",
}

#: The one module that starts threads, since the system may refuse one.
STARTS_THREADS = PACKAGE / "words" / "threads.py"

#: What starts a thread where it is called or inherited from.
STARTERS = frozenset(
    {"Thread", "Timer", "start_new_thread", "_start_new_thread", "to_thread"}
    | {"ThreadPoolExecutor", "ThreadPool", "ThreadingMixIn", "ThreadingHTTPServer"}
)

#: What writes to a terminal without escaping, where it is called.
DRAWERS = frozenset(
    {"print", "Text", "Console", "Text.from_markup", "getpass.getpass", "STANDARD_OUTPUT.write"}
    | {"logging.StreamHandler", "logging.basicConfig", "StreamHandler"}
)

#: The standard streams.
STREAMS = frozenset({"sys.stdout", "sys.stderr", "sys.__stdout__", "sys.__stderr__"})

#: Who may: the room itself, what draws tables, and WSGI's own stream, which nothing is written to.
WRITERS = frozenset(
    {
        *(PACKAGE / "terminal").glob("*.py"),
        PACKAGE / "client" / "screen.py",
        PACKAGE / "server" / "environ.py",
    }
)

MODULES = sorted(PACKAGE.rglob("*.py"))


def _room(module: Path) -> str:
    first = module.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def _imports(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _floor(room: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_flow_one_way(module: Path) -> None:
    """A module imports from its own room and from the floors below only."""
    room = _room(module)
    if room == "__init__":
        return
    for name in _imports(module):
        parts = name.split(".")
        if parts[0] != "davkeep" or len(parts) == 1 or parts[1] == "__version__":
            continue
        other = parts[1]
        assert other == room or _floor(other) < _floor(room), f"{module} imports {name}"


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_each_stranger_has_one_door(module: Path) -> None:
    """A library that davkeep stands on is imported in its own room only."""
    for name in _imports(module):
        door = STRANGERS.get(name.split(".")[0])
        assert door in (None, _room(module)), f"{module} imports {name}"


def _starters(text: str) -> list[int]:
    """The lines that call, or inherit from, what starts a thread."""
    found: list[int] = []
    for node in ast.walk(ast.parse(text)):
        used: list[ast.expr] = []
        if isinstance(node, ast.Call):
            used = [node.func, *node.args]
        elif isinstance(node, ast.ClassDef):
            used = list(node.bases)
        names = {ast.unparse(each).rpartition(".")[2] for each in used}
        if names & STARTERS:
            found.append(node.lineno)
    return found


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_one_module_starts_threads(module: Path) -> None:
    """So a thread that the system refuses is an error of its own, and nobody counts on it."""
    lines = _starters(module.read_text(encoding="utf-8"))
    assert bool(lines) == (module == STARTS_THREADS), f"{module} starts a thread: {lines}"


def test_a_started_thread_is_seen() -> None:
    """The guard can fail: by whatever name a thread is started."""
    for line in (
        "threading.Thread(target=f).start()",
        "Timer(1, f)",
        "class Worker(threading.Thread): pass",
        "partial(Thread, target=f)",
        "_thread.start_new_thread(f, ())",
    ):
        assert _starters(line), line


def _writers(text: str) -> list[int]:
    """The lines that name a standard stream, or draw without escaping."""
    found: list[int] = []
    for node in ast.walk(ast.parse(text)):
        is_drawer = isinstance(node, ast.Call) and ast.unparse(node.func) in DRAWERS
        if is_drawer or (isinstance(node, ast.Attribute) and ast.unparse(node) in STREAMS):
            found.append(node.lineno)
    return found


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_what_is_written_is_escaped(module: Path) -> None:
    """Standard streams are written in one room and drawn on in one module, which escape texts."""
    lines = [] if module in WRITERS else _writers(module.read_text(encoding="utf-8"))
    assert not lines, f"{module} writes without escaping: {lines}"


def test_a_writer_is_seen() -> None:
    """The guard can fail: by whatever way a stream is written."""
    for line in (
        "print(1)",
        "sys.stdout.write('')",
        "f(file=sys.stderr)",
        "sys.__stdout__",
        "Text(each)",
        "Console()",
        "getpass.getpass(x)",
        "STANDARD_OUTPUT.write(x)",
        "logging.StreamHandler()",
    ):
        assert _writers(line), line


def test_the_words_and_the_engine_are_free_of_what_is_above() -> None:
    """The guard can fail: it sees the imports that there are."""
    seen = {name for module in MODULES for name in _imports(module)}
    assert {"wsgidav.dav_provider", "cheroot.wsgi", "davkeep.trees.steps"} <= seen
