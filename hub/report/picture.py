"""Plots as a few shapes, drawn once and set twice: as SVG in the page, as vectors in the PDF."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from math import ceil, floor, log10

import numpy as np

from hub.rules.structure.modal import Array

WIDTH, HEIGHT = 520.0, 130.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 8.0, 16.0, 26.0
COLUMNS = 600
INK, QUIET, GRID, MARK = "#1a2733", "#8a97a3", "#dde3e8", "#c0392b"
Point = tuple[float, float]


@dataclass
class Picture:
    """Shapes in points, y downwards. lines: (points, colour, width); texts: (x, y, text, anchor).

    boxes: (x, y, width, height, colour).
    """

    title: str
    height: float = HEIGHT
    lines: list[tuple[list[Point], str, float]] = field(default_factory=list)
    texts: list[tuple[float, float, str, str]] = field(default_factory=list)
    boxes: list[tuple[float, float, float, float, str]] = field(default_factory=list)


@dataclass
class Curve:
    """What is plotted: values over positions."""

    xs: Array
    ys: Array
    colour: str = INK
    width: float = 0.7


def plot(
    title: str,
    curves: Sequence[Curve],
    units: tuple[str, str],
    *,
    marks: Sequence[tuple[float, str]] = (),
    shaded: tuple[float, float] | None = None,
    span: tuple[float, float] | None = None,
) -> Picture:
    """Return a plot. units: of x and y. marks: positions on x with a word. shaded: part of x.

    span: what x goes over; None: as far as the curves do.
    """
    picture = Picture(title)
    x_low, x_high = span or _span([one.xs for one in curves])
    y_low, y_high = _span([one.ys for one in curves])
    if y_high <= y_low:
        y_low, y_high = y_low - 1, y_high + 1
    margin = 0.06 * (y_high - y_low)
    y_low, y_high = y_low - margin, y_high + margin

    def at(x: float, y: float) -> Point:
        across = (x - x_low) / max(x_high - x_low, 1e-12)
        up = (y - y_low) / (y_high - y_low)
        return (LEFT + across * (WIDTH - LEFT - RIGHT),
                HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM))  # fmt: skip

    if shaded is not None and shaded[1] > shaded[0]:
        left, top = at(max(shaded[0], x_low), y_high)
        right, bottom = at(min(shaded[1], x_high), y_low)
        picture.boxes.append((left, top, right - left, bottom - top, "#f6e7d8"))
    for y in _ticks(y_low, y_high, 4):
        picture.lines.append(([at(x_low, y), at(x_high, y)], GRID, 0.5))
        picture.texts.append((LEFT - 4, at(x_low, y)[1] + 3, _number(y), "end"))
    for x in _ticks(x_low, x_high, 8):
        place = at(x, y_low)
        picture.lines.append(([place, (place[0], place[1] + 3)], QUIET, 0.5))
        picture.texts.append((place[0], place[1] + 11, _number(x), "middle"))
    for one in curves:
        for part in _parts(one):
            picture.lines.append(([at(x, y) for x, y in part], one.colour, one.width))
    for x, word in marks:
        if x_low <= x <= x_high:
            picture.lines.append(([at(x, y_low), at(x, y_high)], MARK, 0.8))
            is_right = x > (x_low + x_high) / 2
            anchor, aside = ("end", -3) if is_right else ("start", 3)
            picture.texts.append((at(x, y_high)[0] + aside, TOP + 8, word, anchor))
    picture.texts.append((WIDTH - RIGHT, HEIGHT - 3, units[0], "end"))
    picture.texts.append((LEFT, 10, f"{title} ({units[1]})", "start"))
    return picture


def _span(parts: Sequence[Array]) -> tuple[float, float]:
    whole = np.concatenate([np.zeros(0), *parts])
    known = whole[~np.isnan(whole)]
    return (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)


def _parts(curve: Curve) -> list[list[Point]]:
    """Return the curve in pieces without NaN, thinned to least and greatest of each column."""
    xs, ys = curve.xs, curve.ys
    if len(xs) > 2 * COLUMNS:
        size = ceil(len(xs) / COLUMNS)
        count = len(xs) // size
        blocks = ys[: count * size].reshape(count, size)
        ys = np.column_stack([blocks.min(axis=1), blocks.max(axis=1)]).ravel()
        xs = np.repeat(xs[: count * size : size], 2)
    gaps = np.flatnonzero(np.isnan(ys))
    pieces = np.split(np.column_stack([xs, ys]), gaps)
    return [
        [(float(x), float(y)) for x, y in piece if y == y] for piece in pieces if len(piece) > 1
    ]


def _ticks(low: float, high: float, count: int) -> list[float]:
    raw = (high - low) / count
    if raw <= 0:
        return []
    power = 10.0 ** floor(log10(raw))
    step = next((one * power for one in (1, 2, 5, 10) if one * power >= raw), 10 * power)
    return [at * step for at in range(ceil(low / step), floor(high / step) + 1)]


def _number(value: float) -> str:
    text = f"{value:.4g}"
    return ("0" if text in ("-0", "0") else text).replace("-", "−")


def to_svg(picture: Picture) -> str:
    """Return the picture as an SVG element that stands in HTML by itself."""
    parts = [f'<svg viewBox="0 0 {WIDTH:g} {picture.height:g}" role="img" '
             f'aria-label="{escape(picture.title, quote=True)}">']  # fmt: skip
    for x, y, width, height, colour in picture.boxes:
        parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
                     f'fill="{colour}"/>')  # fmt: skip
    for points, colour, width in picture.lines:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" '
                     f'stroke-width="{width}"/>')  # fmt: skip
    for x, y, text, anchor in picture.texts:
        parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>')
    return "".join(parts) + "</svg>"
