"""Pictures of a run for its trackers: the confusion matrix of a head, and curves over epochs."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

Curves = Mapping[str, tuple[Sequence[float], Sequence[float]]]


def confusion(counts: NDArray[np.int64], labels: Sequence[str]) -> NDArray[np.uint8]:
    """Draw rows by true label (down) and answer (across), shaded by each row's shares.

    Args:
        counts: ``(classes, classes)``.
        labels: in the order of both axes.

    Returns:
        RGB ``uint8 (H, W, 3)``.
    """
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 1.6 + 0.52 * len(labels)
    figure = Figure(figsize=(side, side), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlabel("answer")
    axes.set_ylabel("truth")
    for (i, j), share in np.ndenumerate(shares):
        color = "white" if share > 0.5 else "black"
        axes.text(j, i, f"{100 * share:.0f}", ha="center", va="center", color=color, fontsize=8)
    return _pixels(figure)


def curves(found: Curves) -> NDArray[np.uint8]:
    """Draw a run's figures over epochs, those that shrink (losses, errors) apart from those that grow.

    Args:
        found: epochs and values a figure.

    Returns:
        RGB ``uint8 (H, W, 3)``.
    """
    shrink = {key: points for key, points in found.items() if key.endswith(("loss", "nll", "error"))}
    parts = [part for part in (shrink, {k: v for k, v in found.items() if k not in shrink}) if part]
    figure = Figure(figsize=(6.0 * max(len(parts), 1), 4.0), dpi=100, layout="constrained")
    for place, part in enumerate(parts, start=1):
        axes = figure.add_subplot(1, len(parts), place)
        for key, (epochs, values) in sorted(part.items()):
            axes.plot(epochs, values, marker="." if len(epochs) < 30 else None, label=key)
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    return _pixels(figure)


def logged(paths: Iterable[Path]) -> Curves:
    """Read epochs and values of every figure from csv logs; of an epoch that was logged twice, the last counts."""
    points: dict[str, dict[float, float]] = {}
    for path in paths:
        with path.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                for key, text in row.items():
                    if text and key not in ("epoch", "step") and math.isfinite(float(text)):
                        points.setdefault(key, {})[float(row["epoch"])] = float(text)
    return {key: tuple(zip(*sorted(found.items()), strict=True)) for key, found in points.items()}  # type: ignore[misc]


def _pixels(figure: Figure) -> NDArray[np.uint8]:
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])
