"""Draws the state tables of the code as pictures: ``python -m docs.diagrams`` writes ``docs/images/*-states.svg``.

A table says, for each state, which happening leads to which state. States stand on an ellipse in the table's order;
what leads from one to another is one arrow with all its happenings. The pictures are never edited: a test draws them
again and compares.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping
from enum import Enum
from html import escape
from pathlib import Path
from typing import Any

from livecollections.bayeux import lifecycle
from livecollections.bayeux.cycle import TRANSITIONS

Table = Mapping[Any, Mapping[Any, Any]]
Point = tuple[float, float]

IMAGES = Path(__file__).parent / "images"
DIAGRAMS: dict[str, tuple[str, Table]] = {
    "session-states": ("A session on the server, in the cycle of connects", TRANSITIONS),
    "client-states": ("A client on its way to the server", lifecycle.TRANSITIONS),
}

WIDTH, HEIGHT = 940.0, 560.0
ACROSS, DOWN = 300.0, 190.0
"""Radii of the ellipse."""
BOX = (120.0, 40.0)
BEND = 46.0
"""How far an arrow leaves the straight line, so that the one back has room."""
LINE = 15.0
LABEL = 0.37
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#333;text-anchor:middle}.state{font-weight:600}"
    "rect{fill:#fff;stroke:#0b5394;stroke-width:1.5}path{fill:none;stroke:#0b5394}"
    ".label{font-size:12px;fill:#555;paint-order:stroke;stroke:#fff;stroke-width:4px}"
)


def arrows(table: Table) -> dict[tuple[Any, Any], list[str]]:
    """The happenings of each arrow, by where it comes from and where it leads."""
    found: dict[tuple[Any, Any], list[str]] = {}
    for state, ways in table.items():
        for happening, target in ways.items():
            found.setdefault((state, target), []).append(word(happening))
    return found


def word(member: Any) -> str:
    """What a state or a happening is called."""
    return str(member.value if isinstance(member, Enum) else member)


def draw(title: str, table: Table) -> str:
    """The picture of a table, as SVG."""
    places = {
        state: (WIDTH / 2 - ACROSS * math.cos(turn), HEIGHT / 2 - DOWN * math.sin(turn))
        for number, state in enumerate(table)
        for turn in [2 * math.pi * number / len(table)]
    }
    parts = [part for (start, end), said in arrows(table).items() for part in arrow(places, start, end, said)]
    for state, (x, y) in places.items():
        parts.append(
            f'<rect x="{x - BOX[0] / 2:.1f}" y="{y - BOX[1] / 2:.1f}" width="{BOX[0]}" height="{BOX[1]}" rx="8"/>'
            f'<text class="state" x="{x:.1f}" y="{y + 5:.1f}">{escape(word(state))}</text>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>"
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0,0 L8,4 L0,8 z" style="fill:#0b5394;stroke:none"/></marker></defs>'
        f'<rect width="{WIDTH:.0f}" height="{HEIGHT:.0f}" style="stroke:none"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def arrow(places: Mapping[Any, Point], start: Any, end: Any, said: list[str]) -> Iterator[str]:
    """One arrow and what is said on it."""
    (x1, y1), (x2, y2) = places[start], places[end]
    if start == end:
        out = math.copysign(1, y1 - HEIGHT / 2) if abs(y1 - HEIGHT / 2) > 1 else -1
        edge, far = y1 + out * BOX[1] / 2, y1 + out * (BOX[1] / 2 + 40)
        yield path(
            f"M{x1 - 18:.1f},{edge:.1f} C{x1 - 30:.1f},{far:.1f} {x1 + 30:.1f},{far:.1f} {x1 + 18:.1f},{edge:.1f}"
        )
        yield label((x1, far + out * LINE * (0 if out < 0 else 0.5)), said)
        return
    length = math.hypot(x2 - x1, y2 - y1)
    across = ((y2 - y1) / length, (x1 - x2) / length)
    middle = ((x1 + x2) / 2 + across[0] * BEND, (y1 + y2) / 2 + across[1] * BEND)
    begin, stop = leave((x1, y1), middle), leave((x2, y2), middle)
    yield path(f"M{begin[0]:.1f},{begin[1]:.1f} Q{middle[0]:.1f},{middle[1]:.1f} {stop[0]:.1f},{stop[1]:.1f}")
    yield label((on_curve(begin[0], middle[0], stop[0]), on_curve(begin[1], middle[1], stop[1])), said)


def on_curve(begin: float, middle: float, stop: float) -> float:
    """Where the label stands: nearer to the beginning, since arrows cross half-way."""
    return (1 - LABEL) ** 2 * begin + 2 * LABEL * (1 - LABEL) * middle + LABEL**2 * stop


def leave(center: Point, towards: Point) -> Point:
    """Where a line from a box's centre leaves the box."""
    dx, dy = towards[0] - center[0], towards[1] - center[1]
    scale = min(BOX[0] / 2 / abs(dx) if dx else math.inf, BOX[1] / 2 / abs(dy) if dy else math.inf)
    return center[0] + dx * scale, center[1] + dy * scale


def path(data: str) -> str:
    return f'<path d="{data}" marker-end="url(#head)"/>'


def label(place: Point, said: list[str]) -> str:
    """The happenings of an arrow, one below the other."""
    lines = [line for each in said for line in textwrap.wrap(each, 26)]
    top = place[1] - LINE * (len(lines) - 1) / 2
    spans = "".join(
        f'<tspan x="{place[0]:.1f}" y="{top + LINE * number:.1f}">{escape(line)}</tspan>'
        for number, line in enumerate(lines)
    )
    return f'<text class="label">{spans}</text>'


if __name__ == "__main__":
    for name, (title, table) in DIAGRAMS.items():
        (IMAGES / f"{name}.svg").write_text(draw(title, table), "utf-8")
