"""The rows of the table: what is measured, and what is aimed at."""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.measures import MIB, median
from bench.speed.site import Scale


@dataclass(frozen=True, slots=True)
class Row:
    """One line.

    ``goal`` is in seconds on the machine where ``then`` was measured: the seconds of the others, by
    peer. On another machine, and at another scale, the goal is as much longer or shorter as their
    seconds are.
    """

    key: str
    title: str
    goal: float
    then: Mapping[str, float]

    def goal_here(self, seconds: Mapping[str, float]) -> float | None:
        """The goal where the peers took ``seconds``; None without anybody to compare with."""
        times = [seconds[peer] / then for peer, then in self.then.items() if peer in seconds]
        return self.goal * median(times) if times else None


def rows(scale: Scale) -> list[Row]:
    """All of them, in the order of the table."""
    files, each = f"{scale.files:,} files", f"{scale.small // 1024} KiB"
    large, many = f"{scale.large // MIB} MB", f"{scale.requests:,}"
    named = f"PROPFIND 1 on {scale.listed:,} files"
    return [
        Row("copy", f"COPY of {files} of {each}", 0.25, {"plain": 0.25}),
        Row("copy over", "the same over an existing copy", 0.30, _others(2.87, 0.30, 0.29, 0.28)),
        Row("move", "MOVE of that tree", 0.003, {"plain": 0.003}),
        Row("delete", "DELETE of that tree", 0.12, _others(1.22, 0.14, 0.11, 0.18, 0.08)),
        Row("out of sight", "until it is out of sight", 0.003, _SIGHT),
        Row("infinity", "PROPFIND infinity on it", 0.20, _others(1.25, 0.27, None, 0.21)),
        Row("allprop", f"{named}, allprop", 0.018, _others(0.138, 0.022, None, 0.023)),
        Row("named", "the same, five properties", 0.014, _others(0.105, 0.015, None, 0.016)),
        Row("put", f"PUT of {large}", 0.50, _others(1.20, 1.35, 0.76, 0.51)),
        Row("get", f"GET of {large}", 0.21, _others(0.87, 0.26, 0.21, 0.17)),
        Row(
            "puts", f"{many} PUTs of {each}, one connection", 0.30, _others(0.65, 0.46, 0.15, 0.20)
        ),
        Row("gets", f"{many} GETs of {each}", 0.20, _others(0.45, 0.08, 0.11, 0.13)),
        Row("deletes", f"{many} DELETEs", 0.30, _others(0.72, 0.29, 0.08, 0.19)),
        Row("copies", _copies(scale), 0.80, _others(18.1, 0.31, 0.34, 0.76)),
        Row("options", f"{many} OPTIONS", 0.5, HALF),
        Row("empty", f"{many} GETs of an empty file", 0.5, HALF),
    ]


def _others(
    stock: float, apache: float, nginx: float | None, lighttpd: float, plain: float | None = None
) -> dict[str, float]:
    """What they took on the machine where the goals were set, in seconds."""
    found = {"stock": stock, "apache": apache, "nginx": nginx, "lighttpd": lighttpd, "plain": plain}
    return {peer: seconds for peer, seconds in found.items() if seconds is not None}


#: A goal of 0.5 with this is half of what stock WsgiDAV takes.
HALF = {"stock": 1.0}
#: With the others a tree is out of sight when all of it is gone.
_SIGHT = _others(1.22, 0.14, 0.11, 0.18)


def _copies(scale: Scale) -> str:
    return f"{scale.copies} COPYs of {scale.copied:,} files at once"
