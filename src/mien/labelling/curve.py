"""The learning curve of a loop: figures over labels, as JSON and as an SVG that stands alone."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from scipy.stats import t as student

from mien.labelling.loop import FIGURES, Plan, Point

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 360, 64, 24, 56, 48
COLOURS = ("#2f6fdb", "#8a8f98")


def summarise(points: Sequence[Point], plan: Plan, facts: dict[str, Any]) -> dict[str, Any]:
    """Return the curve as plain data: every seed's figures, their means, and what choosing gains.

    `gain` is the mean over the rounds after the first of the chosen arm's figure less the other's, a number a seed;
    `interval` holds its mean 19 times in 20 by Student's t over the seeds (absent with one); `last` is that of the last
    round.
    """
    arms = list(dict.fromkeys(point.arm for point in points))
    rounds = sorted({point.round for point in points})
    curves: dict[str, Any] = {}
    for arm in arms:
        curves[arm] = [_round([p for p in points if p.arm == arm and p.round == number]) for number in rounds]
    out: dict[str, Any] = {**facts, "plan": {**plan.__dict__, "seeds": list(plan.seeds)}, "curves": curves}
    if len(arms) == 2:
        out["gain"] = {name: _gain(points, arms, name) for name in FIGURES}
    return out


def _round(points: Sequence[Point]) -> dict[str, Any]:
    return {
        "labels": round(float(np.mean([p.labels for p in points]))),
        "figures": {
            name: {
                "mean": round(float(np.mean([p.figures[name] for p in points])), 5),
                "seeds": [p.figures[name] for p in points],
            }
            for name in FIGURES
        },
    }


def _gain(points: Sequence[Point], arms: Sequence[str], name: str) -> dict[str, Any]:
    seeds, rounds = (list(dict.fromkeys(getattr(p, of) for p in points)) for of in ("seed", "round"))
    values = {(p.arm, p.seed, p.round): p.figures[name] for p in points}
    gained = np.array(
        [[values[arms[0], seed, n] - values[arms[1], seed, n] for n in rounds if n > 0] for seed in seeds]
    )
    each = gained.mean(axis=1)
    out = {"mean": round(float(each.mean()), 5), "seeds": [round(float(one), 5) for one in each]}
    if len(each) > 1:
        half = float(student.ppf(0.975, len(each) - 1) * each.std(ddof=1) / np.sqrt(len(each)))
        out["interval"] = [round(float(each.mean()) - half, 5), round(float(each.mean()) + half, 5)]
    return {**out, "last": round(float(gained[:, -1].mean()), 5)}


def svg(curve: dict[str, Any], figure: str) -> str:
    """Draw one figure of a curve: a line an arm through the means, a dot a seed."""
    arms: dict[str, list[dict[str, Any]]] = curve["curves"]
    every = [v for rounds in arms.values() for r in rounds for v in r["figures"][figure]["seeds"]]
    counts = [r["labels"] for rounds in arms.values() for r in rounds]
    low, high = _nice(min(every), max(every))
    first, last = min(counts), max(counts)

    def x(labels: float) -> float:
        return float(LEFT + (WIDTH - LEFT - RIGHT) * (labels - first) / max(last - first, 1))

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - low) / max(high - low, 1e-9)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="system-ui, sans-serif" '
        'font-size="13" role="img">',
        f"<title>{escape(curve['title'])}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="24" font-size="15" font-weight="600" fill="#1c1f24">{escape(curve["title"])}</text>',
    ]
    for tick in np.linspace(low, high, 5):
        at = y(float(tick))
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="#e4e6ea"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end" fill="#555b66">{tick:.3f}</text>')
    # One arm's counts stand below the axis: the other's differ by a few, and their words would lie over each other.
    for labels in sorted({r["labels"] for r in next(iter(arms.values()))}):
        parts.append(
            f'<text x="{x(labels):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle" fill="#555b66">{labels}</text>'
        )
    middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle" fill="#555b66">labelled faces</text>')
    named = escape(figure.replace("_", " "))
    parts.append(f'<text x="{LEFT}" y="44" fill="#555b66">{named} on val, mean and single seeds</text>')
    for number, (arm, rounds) in enumerate(arms.items()):
        colour = COLOURS[number % len(COLOURS)]
        line = " ".join(f"{x(r['labels']):.1f},{y(r['figures'][figure]['mean']):.1f}" for r in rounds)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        for r in rounds:
            for value in r["figures"][figure]["seeds"]:
                place = f'cx="{x(r["labels"]):.1f}" cy="{y(value):.1f}"'
                parts.append(f'<circle {place} r="3" fill="{colour}" fill-opacity="0.55"/>')
        right = WIDTH - RIGHT - 110 * (len(arms) - 1 - number)
        parts.append(
            f'<text x="{right}" y="44" text-anchor="end" fill="{colour}" font-weight="600">{escape(arm)}</text>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _nice(low: float, high: float) -> tuple[float, float]:
    step = 0.02
    return np.floor(low / step) * step, np.ceil(high / step + 1e-9) * step
