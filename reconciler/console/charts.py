"""Charts as lines in a box of fixed size, which a template draws as SVG. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

WIDTH: Final = 600
HEIGHT: Final = 120
MARGIN: Final = 4


@dataclass(frozen=True, slots=True)
class Series:
    """Values by time; `color` is one of the style sheet's."""

    name: str
    color: str
    points: Sequence[tuple[datetime, float]]


@dataclass(frozen=True, slots=True)
class Line:
    """`points` are coordinates, as SVG takes them."""

    name: str
    color: str
    points: str


@dataclass(frozen=True, slots=True)
class Chart:
    """`words` says for people who do not see it what it shows, `most` is the value at its upper edge."""

    title: str
    lines: tuple[Line, ...]
    most: str
    latest: str
    words: str


def chart(title: str, unit: str, several: Iterable[Series], begin: datetime, end: datetime) -> Chart:
    """From 0 at the lower edge to the largest value at the upper one."""
    series = tuple(one for one in several if one.points)
    most = max((value for one in series for _, value in one.points), default=0.0)
    whole = (end - begin).total_seconds()

    def place(at: datetime, value: float) -> str:
        x = WIDTH * min(1.0, max(0.0, (at - begin).total_seconds() / whole))
        y = HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (value / most if most else 0.0)
        return f"{x:.1f},{y:.1f}"

    lines = tuple(Line(one.name, one.color, " ".join(place(*point) for point in one.points)) for one in series)
    latest = ", ".join(f"{one.name} {_number(one.points[-1][1], unit)}" for one in series)
    words = f"{title}: {latest}; at most {_number(most, unit)}" if series else f"{title}: nothing was measured"
    return Chart(title, lines, _number(most, unit), latest or "nothing was measured", words)


def _number(value: float, unit: str) -> str:
    shown = f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
    return f"{shown} {unit}".rstrip()
