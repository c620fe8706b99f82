"""Small charts as inline SVG; colours come from the page's style (`mien.html`), so they follow light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
COLORS = ("var(--main)", "var(--other)", "var(--good)", "var(--bad)", "var(--soft)", "#8a63b8", "#b8932c", "#3aa0a0")


def bars(
    names: Sequence[str],
    values: Sequence[float],
    *,
    low: Sequence[float | None] | None = None,
    high: Sequence[float | None] | None = None,
    top: float = 1.0,
    format: str = "{:.2f}",
) -> str:
    """Draw horizontal bars from zero, with intervals as whiskers where they are given."""
    left, width, step = 150, 330, 26
    rows = []
    for i, (name, value) in enumerate(zip(names, values, strict=True)):
        y = 6 + i * step
        known = not np.isnan(value)
        length = width * min(max(value / top, 0.0), 1.0) if known else 0.0
        rows.append(f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{escape(name)}</text>')
        rows.append(f'<rect x="{left}" y="{y}" width="{length:.1f}" height="18" rx="2" fill="var(--main)"/>')
        a, b = (low or [None] * len(names))[i], (high or [None] * len(names))[i]
        if a is not None and b is not None:
            x1, x2 = (left + width * min(max(v / top, 0.0), 1.0) for v in (a, b))
            rows.append(f'<path d="M{x1:.1f} {y + 9}H{x2:.1f}" stroke="var(--ink)" stroke-width="1.5"/>')
        text = format.format(value) if known else "none"
        rows.append(f'<text x="{left + width + 8}" y="{y + 13}">{text}</text>')
    return _svg(left + width + 60, 12 + step * len(names), rows)


def lines(
    series: Sequence[tuple[str, Sequence[float], Sequence[float]]],
    *,
    x_name: str,
    y_name: str,
    x_range: tuple[float, float] = (0.0, 1.0),
    y_range: tuple[float, float] = (0.0, 1.0),
    diagonal: bool = False,
    dots: bool = False,
    joined: bool = True,
) -> str:
    """Draw lines ``(name, x, y)`` over two axes; `dots` marks each point, without `joined` there is no line."""
    left, top, width, height = 56, 10, 330, 230
    (x0, x1), (y0, y1) = x_range, y_range

    def place(x: float, y: float) -> tuple[float, float]:
        return left + (x - x0) / (x1 - x0 or 1) * width, top + height - (y - y0) / (y1 - y0 or 1) * height

    parts = [f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="none" stroke="var(--line)"/>']
    for x in _ticks(x0, x1):
        parts.append(f'<text x="{place(x, y0)[0]:.1f}" y="{top + height + 16}" text-anchor="middle">{x:.3g}</text>')
    for y in _ticks(y0, y1):
        py = place(x0, y)[1]
        parts.append(f'<text x="{left - 6}" y="{py + 4:.1f}" text-anchor="end">{y:.3g}</text>')
        parts.append(f'<path d="M{left} {py:.1f}h{width}" stroke="var(--line)" stroke-width=".6"/>')
    if diagonal:
        (ax, ay), (bx, by) = place(x0, y0), place(x1, y1)
        parts.append(f'<path d="M{ax:.1f} {ay:.1f}L{bx:.1f} {by:.1f}" stroke="var(--soft)" stroke-dasharray="4 4"/>')
    for number, (name, xs, ys) in enumerate(series):
        color = COLORS[number % len(COLORS)]
        points = [place(x, y) for x, y in zip(xs, ys, strict=True) if not (np.isnan(x) or np.isnan(y))]
        if points and joined:
            path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
            parts.append(f'<path d="M{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        if dots:
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" fill="{color}"/>' for x, y in points]
        if len(series) > 1:
            y = top + 14 + 16 * number
            parts.append(f'<rect x="{left + width + 12}" y="{y - 9}" width="10" height="10" fill="{color}"/>')
            parts.append(f'<text x="{left + width + 27}" y="{y}">{escape(name)}</text>')
    parts.append(f'<text x="{left + width / 2}" y="{top + height + 34}" text-anchor="middle">{escape(x_name)}</text>')
    middle = top + height / 2
    parts.append(f'<text transform="translate(12 {middle})rotate(-90)" text-anchor="middle">{escape(y_name)}</text>')
    return _svg(left + width + (150 if len(series) > 1 else 20), top + height + 44, parts)


def dots(names: Sequence[str], series: Sequence[tuple[str, Sequence[float], Sequence[float]]], *, x_name: str) -> str:
    """Draw a row a name and in it a dot a series ``(name, values, half widths of whiskers)``; NaN draws nothing."""
    left, top, width, step = 230, 10 + 16 * len(series), 400, 12 + 12 * len(series)
    ends = np.array([[np.asarray(v) - np.nan_to_num(s), np.asarray(v) + np.nan_to_num(s)] for _, v, s in series])
    known = ends[np.isfinite(ends)]
    low, high = float(known.min(initial=0.0)), float(known.max(initial=0.0))
    unit = (width - 20) / ((high - low) or 1)
    height = step * len(names)

    def place(value: float) -> float:
        return left + 10 + (value - low) * unit

    parts = []
    for tick in _ticks(low, high):
        x = place(tick)
        stroke, heavy = ("var(--ink)", 1.2) if tick == 0 else ("var(--line)", 0.6)
        parts.append(f'<path d="M{x:.1f} {top}v{height}" stroke="{stroke}" stroke-width="{heavy}"/>')
        parts.append(f'<text x="{x:.1f}" y="{top + height + 16}" text-anchor="middle">{tick:g}</text>')
    for row, name in enumerate(names):
        y = top + row * step
        parts.append(f'<text x="{left - 12}" y="{y + step / 2 + 4}" text-anchor="end">{escape(name)}</text>')
        for number, (_, values, spreads) in enumerate(series):
            value, spread, color = values[row], spreads[row], COLORS[number]
            at = y + 12 + 12 * number
            if np.isnan(value):
                continue
            if not np.isnan(spread):
                path = f"M{place(value - spread):.1f} {at}H{place(value + spread):.1f}"
                parts.append(f'<path d="{path}" stroke="{color}" stroke-width="1.5"/>')
            parts.append(f'<circle cx="{place(value):.1f}" cy="{at}" r="4" fill="{color}"/>')
    for number, (name, _, _) in enumerate(series):
        y = 14 + 16 * number
        parts.append(f'<circle cx="{left + 5}" cy="{y - 4}" r="4" fill="{COLORS[number]}"/>')
        parts.append(f'<text x="{left + 16}" y="{y}">{escape(name)}</text>')
    parts.append(f'<text x="{left + width / 2}" y="{top + height + 34}" text-anchor="middle">{escape(x_name)}</text>')
    return _svg(left + width + 20, top + height + 44, parts)


def _ticks(low: float, high: float) -> list[float]:
    """Return about six round places from low to high, zero among them where it lies between."""
    rough = ((high - low) or 1) / 6
    power = 10.0 ** np.floor(np.log10(rough))
    step = float(next(power * m for m in (1, 2, 5, 10) if power * m >= rough))
    return [round(step * k, 10) for k in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)]


def heatmap(values: Array, rows: Sequence[str], columns: Sequence[str], texts: Sequence[Sequence[str]]) -> str:
    """Draw a matrix ``(rows, columns)`` of values in 0..1 with a text in each cell."""
    left, top, cell = 96, 84, 46
    parts = []
    for j, name in enumerate(columns):
        x = left + j * cell + cell / 2
        parts.append(f'<text transform="translate({x} {top - 8})rotate(-40)">{escape(name)}</text>')
    for i, name in enumerate(rows):
        y = top + i * cell
        parts.append(f'<text x="{left - 8}" y="{y + cell / 2 + 4}" text-anchor="end">{escape(name)}</text>')
        for j in range(len(columns)):
            value = 0.0 if np.isnan(values[i, j]) else float(values[i, j])
            x = left + j * cell
            parts.append(
                f'<rect x="{x}" y="{y}" width="{cell - 2}" height="{cell - 2}" rx="3" fill="var(--main)" '
                f'fill-opacity="{0.04 + 0.9 * min(value, 1.0):.3f}"/>'
                f'<text x="{x + cell / 2 - 1}" y="{y + cell / 2 + 4}" text-anchor="middle">{escape(texts[i][j])}</text>'
            )
    return _svg(left + cell * len(columns) + 60, top + cell * len(rows) + 6, parts)


def _svg(width: float, height: float, parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" role="img">{"".join(parts)}</svg>'
