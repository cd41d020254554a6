"""The chart: a row for each work, a mark for each peer, seconds on a logarithmic scale.

SVG by hand, for it is short: no library would shorten it. Each peer has a shape and a colour of its
own, so the colour is not needed; the colours change with the reader's dark or light theme.
"""

import math
from collections.abc import Iterator
from typing import Any
from xml.sax.saxutils import escape

from bench.speed.peers import PEERS
from bench.speed.report import shown

#: Pixels: of the labels at the left, the plot, a row, what is above and below the rows.
LEFT, PLOT, ROW, TOP, BOTTOM = 300, 560, 26, 56, 34
#: By peer: the outline of its mark around (0, 0), and its colour on light and on dark ground.
MARKS = {
    "davkeep": ("M-6 0L0 -6L6 0L0 6Z", "#c2185b", "#ff6fa5"),
    "davkeep-fsync": ("M-6 0L0 -6L6 0L0 6ZM-3 0L0 3L3 0L0 -3Z", "#c2185b", "#ff6fa5"),
    "stock": ("M-5 -5H5V5H-5Z", "#6d4c41", "#c9a48f"),
    "apache": ("M-5 5L0 -5L5 5Z", "#b26a00", "#ffb74d"),
    "nginx": ("M-5 -5L0 5L5 -5Z", "#00796b", "#4dd0b1"),
    "lighttpd": ("M-5 0A5 5 0 1 0 5 0A5 5 0 1 0 -5 0Z", "#1565c0", "#7ab8ff"),
    "plain": ("M-5 -3L-3 -5L0 -2L3 -5L5 -3L2 0L5 3L3 5L0 2L-3 5L-5 3L-2 0Z", "#616161", "#bdbdbd"),
}
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1b1b1b }
.ground { fill: #ffffff } .line { stroke: #d0d0d0 } .goal { stroke: #1b1b1b; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
text { fill: #e8e8e8 }
.ground { fill: #0d1117 } .line { stroke: #3a3f46 } .goal { stroke: #e8e8e8 }
"""


def draw(rows: list[dict[str, Any]]) -> str:
    """The SVG for the rows of a section of docs/speed.json."""
    height = TOP + ROW * len(rows) + BOTTOM
    axis = Axis(rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + PLOT + 30} {height}"'
        ' role="img" aria-label="Seconds of each server for each work, less is better">',
        f"<style>{_styles()}</style>",
        '<rect class="ground" width="100%" height="100%"/>',
        *_legend([name for name in PEERS if any(name in row["seconds"] for row in rows)]),
        *_grid(axis, height),
    ]
    for number, row in enumerate(rows):
        parts += _row(row, axis, TOP + ROW * number + ROW // 2)
    return "\n".join([*parts, "</svg>", ""])


class Axis:
    """Where so many seconds lie."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        """Whole powers of ten around all that is shown."""
        times = [each["median"] for row in rows for each in row["seconds"].values()]
        times += [row["goal"] for row in rows if row["goal"]]
        self.first = math.floor(math.log10(min(times)))
        self.last = max(math.ceil(math.log10(max(times))), self.first + 1)

    def x(self, seconds: float) -> float:
        """Pixels from the left."""
        part = (math.log10(seconds) - self.first) / (self.last - self.first)
        return round(LEFT + PLOT * part, 1)


def _styles() -> str:
    light = [f".{name} {{ fill: {light} }}" for name, (_, light, _) in MARKS.items()]
    dark = [f".{name} {{ fill: {dark} }}" for name, (_, _, dark) in MARKS.items()]
    ground, _, at_night = _STYLE.partition("@media")
    return "\n".join([ground.strip(), *light, f"@media{at_night.rstrip()}", *dark, "}"])


def _legend(peers: list[str]) -> Iterator[str]:
    x = 16.0
    for name in peers:
        title = PEERS[name].title
        yield _mark(name, x, 20, title)
        yield f'<text x="{x + 12:g}" y="25">{escape(title)}</text>'
        x += 36 + 7.4 * len(title)
    yield f'<path class="goal" d="M{x:g} 12V28"/><text x="{x + 10:g}" y="25">goal</text>'


def _grid(axis: Axis, height: int) -> Iterator[str]:
    for power in range(axis.first, axis.last + 1):
        x = axis.x(10.0**power)
        name = f"{10**power} s" if power >= 0 else f"{10.0 ** (power + 3):g} ms"
        yield f'<path class="line" d="M{x:g} {TOP}V{height - BOTTOM}"/>'
        yield f'<text x="{x:g}" y="{height - 12}" text-anchor="middle">{name}</text>'


def _row(row: dict[str, Any], axis: Axis, y: int) -> Iterator[str]:
    yield f'<text x="{LEFT - 14}" y="{y + 5}" text-anchor="end">{escape(row["title"])}</text>'
    yield f'<path class="line" d="M{LEFT} {y}H{LEFT + PLOT}"/>'
    if row["goal"]:
        yield f'<path class="goal" d="M{axis.x(row["goal"]):g} {y - 9}V{y + 9}"/>'
    # davkeep last, so that it lies above the others.
    for name in reversed([name for name in MARKS if name in row["seconds"]]):
        seconds = row["seconds"][name]["median"]
        yield _mark(name, axis.x(seconds), y, f"{PEERS[name].title}: {shown(seconds)} s")


def _mark(name: str, x: float, y: int, title: str) -> str:
    path = f'<path class="{name}" d="{MARKS[name][0]}"><title>{escape(title)}</title></path>'
    return f'<g transform="translate({x:g} {y})">{path}</g>'
