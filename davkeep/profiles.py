"""The command `davkeep profiles`: the tables of clients and proxies, or the row of one client."""

from collections.abc import Sequence
from typing import Any

from davkeep.keepalive.clients import CLIENTS
from davkeep.keepalive.profiles import UNKNOWN_CLIENT, Profile, first_match
from davkeep.keepalive.proxies import PROXIES, Proxy
from davkeep.terminal.output import show, show_json
from davkeep.words.agents import products_of
from davkeep.words.tables import aligned

#: Exit status when no row is the agent's, so that only the default applies.
ONLY_THE_DEFAULT = 1

_HEADS = {
    "clients": ("CLIENT", "AGENT", "CAP", "PATIENCE", "RENEWED", "KEPT BY", "SOURCE", "NOTE"),
    "proxies": ("PROXY", "CAP", "PATIENCE", "RENEWED", "KEPT BY", "SOURCE", "NOTE"),
}


def print_tables(configured: Sequence[Profile], *, as_json: bool) -> int:
    """Print all rows, those of the configuration first, and return the exit status."""
    clients = [*configured, *CLIENTS, UNKNOWN_CLIENT]
    if as_json:
        tables = {
            "clients": [client_object(row) for row in clients],
            "proxies": [proxy_object(row) for row in PROXIES],
        }
        show_json(tables)
        return 0
    show(*aligned([_HEADS["clients"], *map(_client_cells, clients)]), "")
    show(*aligned([_HEADS["proxies"], *map(_proxy_cells, PROXIES)]))
    return 0


def print_row(agent: str, configured: Sequence[Profile], *, as_json: bool) -> int:
    """Print the row that applies to a User-Agent field, and return the exit status."""
    row = first_match(products_of(agent), [*configured, *CLIENTS])
    if as_json:
        show_json(client_object(row))
    else:
        lines = zip(_HEADS["clients"], _client_cells(row), strict=True)
        show(*aligned([*lines, ("SETTING", row.setting or "-")]))
    return ONLY_THE_DEFAULT if row is UNKNOWN_CLIENT else 0


def client_object(row: Profile) -> dict[str, Any]:
    """A client's row for JSON; `cap` is what is sent at most, times are seconds."""
    return {
        "name": row.name,
        "agents": [str(agent) for agent in row.agents],
        "cap": row.limit,
        "patience": row.patience,
        "renews": row.renews,
        "within": row.within,
        "multistatus": row.multistatus,
        "effective_point": row.effective_point,
        "source": row.source.value,
        "note": row.note,
        "setting": row.setting,
    }


def proxy_object(row: Proxy) -> dict[str, Any]:
    """A proxy's row for JSON, as a client's."""
    return {
        "name": row.name,
        "cap": row.limit,
        "patience": row.patience,
        "renews": row.renews,
        "multistatus": row.multistatus,
        "source": row.source.value,
        "note": row.note,
        "setting": row.setting,
    }


def _client_cells(row: Profile) -> tuple[str, ...]:
    agents = ", ".join(str(agent) for agent in row.agents) or "-"
    return (row.name, agents, *_numbers(row), _kept_by(row), row.source.value, row.note)


def _proxy_cells(row: Proxy) -> tuple[str, ...]:
    return (row.name, *_numbers(row), _passed_by(row), row.source.value, row.note)


def _numbers(row: Profile | Proxy) -> tuple[str, str, str]:
    patience = "-" if row.patience is None else f"{row.patience:g} s"
    renewed = {True: "yes", False: "no", None: "?"}[row.renews]
    return str(row.limit), patience, renewed


def _kept_by(row: Profile) -> str:
    if row.effective_point:
        return "effective point"
    ways = ["102"] * (row.limit > 0) + ["early 207"] * row.multistatus
    return ", then ".join(ways) or "silence"


def _passed_by(row: Proxy) -> str:
    ways = ["102"] * (row.limit > 0) + ["early 207"] * row.multistatus
    return ", ".join(ways) or "silence"
