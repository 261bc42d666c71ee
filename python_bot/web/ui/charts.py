"""Plots as SVG, drawn here: bars and lines by day, hours of a week. Pure. A title and a sentence say what they show;
the numbers stand beside them as a table. No style in them: the page's own style sheet colours the classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from markupsafe import Markup, escape

from ...values import dataclass

WIDTH: Final = 720
HEIGHT: Final = 190
LEFT: Final = 46
BOTTOM: Final = 26
TOP: Final = 12
SHADES: Final = 5
CELL: Final = 27


@dataclass(frozen=True, slots=True)
class Point:
    """`value` None: nothing is known of it. `label`: under the axis; `told`: what a pointer or a reader is told."""

    label: str
    value: float | None
    told: str


def bars(title: str, summary: str, points: Sequence[Point], told: Callable[[float], str], nothing: str = "") -> Markup:
    """`nothing`: said in the middle when there is nothing to show."""
    most, steps = _scale(points)
    width = (WIDTH - LEFT) / max(1, len(points))
    drawn = []
    for place, point in enumerate(points):
        height = (point.value or 0) / most * _room()
        x, y = LEFT + place * width + width * 0.12, TOP + _room() - height
        drawn.append(
            f'<rect class="bar" x="{x:.1f}" y="{y:.1f}" width="{width * 0.76:.1f}" height="{height:.1f}" rx="2">'
            f"<title>{escape(point.told)}</title></rect>"
        )
    said = "" if any(point.value for point in points) else _said(nothing)
    return _plot(title, summary, _axes(points, most, steps, told) + "".join(drawn) + said)


def line(title: str, summary: str, points: Sequence[Point], told: Callable[[float], str], nothing: str = "") -> Markup:
    """Days of which nothing is known leave a gap. `nothing`: as of `bars`."""
    most, steps = _scale(points)
    width = (WIDTH - LEFT) / max(1, len(points))
    runs: list[list[tuple[float, float]]] = [[]]
    dots = []
    for place, point in enumerate(points):
        if point.value is None:
            runs.append([])
            continue
        x, y = LEFT + (place + 0.5) * width, TOP + _room() - point.value / most * _room()
        runs[-1].append((x, y))
        dots.append(
            f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3.5"><title>{escape(point.told)}</title></circle>'
        )
    drawn = [
        f'<polyline class="run" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in run)}"/>'
        for run in runs
        if len(run) > 1
    ]
    said = "" if dots else _said(nothing)
    return _plot(title, summary, _axes(points, most, steps, told) + "".join((*drawn, *dots, said)))


def heat(title: str, summary: str, rows: Sequence[tuple[str, Sequence[tuple[int, str]]]]) -> Markup:
    """One row a weekday: its name, and (number, what is told) of each hour."""
    most = max((count for _, cells in rows for count, _ in cells), default=0)
    drawn = [
        f'<text class="axis" x="{LEFT + hour * CELL + CELL / 2:.1f}" y="12" text-anchor="middle">{hour}</text>'
        for hour in range(0, 24, 2)
    ]
    for place, (name, cells) in enumerate(rows):
        y = 18 + place * CELL
        drawn.append(f'<text class="axis" x="{LEFT - 8}" y="{y + 18}" text-anchor="end">{escape(name)}</text>')
        for hour, (count, told) in enumerate(cells):
            shade = 0 if not count else 1 + min(SHADES - 1, count * SHADES // (most + 1))
            drawn.append(
                f'<rect class="heat-{shade}" x="{LEFT + hour * CELL + 1}" y="{y + 1}" width="{CELL - 2}"'
                f' height="{CELL - 2}" rx="4"><title>{escape(told)}</title></rect>'
            )
    return _plot(title, summary, "".join(drawn), height=24 + 7 * CELL)


def _said(words: str) -> str:
    x, y = (LEFT + WIDTH) / 2, TOP + _room() / 2
    return f'<text class="none" x="{x}" y="{y}" text-anchor="middle">{escape(words)}</text>'


def _room() -> int:
    return HEIGHT - TOP - BOTTOM


def _scale(points: Sequence[Point]) -> tuple[float, int]:
    """(the top of the axis, into how many parts it is divided): a round number not below the highest."""
    highest = max((point.value or 0 for point in points), default=0) or 1
    unit = 1.0
    while unit * 10 < highest:
        unit *= 10
    for factor in (1, 2, 4, 5, 10):
        if factor * unit >= highest:
            return factor * unit, 4 if factor * unit % 4 == 0 else 5 if factor * unit % 5 == 0 else 1
    return 10 * unit, 5


def _axes(points: Sequence[Point], most: float, steps: int, told: Callable[[float], str]) -> str:
    drawn = []
    for step in range(steps + 1):
        y, name = TOP + _room() * (1 - step / steps), escape(told(most * step / steps))
        drawn.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="axis" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{name}</text>'
        )
    width, every = (WIDTH - LEFT) / max(1, len(points)), max(1, -(-len(points) // 12))
    drawn += [
        f'<text class="axis" x="{LEFT + (place + 0.5) * width:.1f}" y="{HEIGHT - 8}" text-anchor="middle">'
        f"{escape(point.label)}</text>"
        for place, point in enumerate(points)
        if place % every == 0
    ]
    return "".join(drawn)


def _plot(title: str, summary: str, inside: str, height: int = HEIGHT) -> Markup:
    return Markup(
        f'<svg class="plot" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}. {escape(summary)}">'
        f"{inside}</svg>"
    )
