"""Cross-validation: the same recipe on every fold of the training split, so that a figure comes with its spread."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from mien.errors import RecipeError
from mien.training import run
from mien.training.job import Fold, Inputs
from mien.training.recipe import Recipe


@dataclass(frozen=True)
class Spread:
    """A figure over folds.

    Attributes:
        mean: over the folds in which it is defined.
        sd: standard deviation over them.
        count: how many they are. A label that a fold neither holds nor answers has no figures there.
    """

    mean: float
    sd: float
    count: int


@dataclass(frozen=True)
class Summary:
    """What cross-validation found.

    Attributes:
        folds: validation figures of each fold's best checkpoint.
        mean: of each figure over folds.
        sd: standard deviation of each figure over folds.
        classes: precision, recall and f1 over folds, by head (of labels) and label.
    """

    folds: list[dict[str, float]]
    mean: dict[str, float]
    sd: dict[str, float]
    classes: dict[str, dict[str, dict[str, Spread]]]


def crossval(recipe: Recipe, inputs: Inputs, out: Path, count: int, *, progress: bool = True) -> Summary:
    """Run a recipe once a fold and write ``crossval.json`` beside the folds' folders.

    Folds that are done are not run again, so an interrupted cross-validation goes on where it was. The table's `val`
    split is not used: it stays for choosing between recipes.

    Args:
        recipe: the typed recipe.
        inputs: table and limits.
        out: folder; each fold gets one inside.
        count: number of folds.
        progress: print a line an epoch.

    Raises:
        RecipeError: fewer than two folds.
        DataError: fewer subjects or rows than folds.
    """
    if count < 2:
        raise RecipeError(f"cross-validation needs at least 2 folds, got {count}")
    outcomes = []
    for index in range(count):
        folder = out / f"fold-{index}"
        outcome = run.train(recipe, replace(inputs, fold=Fold(index, count)), folder, resume=True, progress=progress)
        outcomes.append(outcome)
    found = [outcome.metrics for outcome in outcomes]
    labels = outcomes[0].labels
    classes = {
        head: _classes(labels[head], [outcome.confusion[head] for outcome in outcomes])
        for head in outcomes[0].confusion
    }
    columns = {key: [metrics[key] for metrics in found] for key in found[0]}
    summary = Summary(
        found,
        {key: statistics.mean(values) for key, values in columns.items()},
        {key: statistics.stdev(values) for key, values in columns.items()},
        classes,
    )
    (out / "crossval.json").write_text(json.dumps(asdict(summary), indent=2) + "\n", encoding="utf-8")
    return summary


def _classes(labels: Sequence[str], matrices: Sequence[Sequence[Sequence[int]]]) -> dict[str, dict[str, Spread]]:
    """Return each label's figures over folds, from confusion matrices (true label first)."""
    counts = np.asarray(matrices, np.float64)
    hits, true, said = np.einsum("fcc->fc", counts), counts.sum(axis=2), counts.sum(axis=1)
    parts = {"precision": (hits, said), "recall": (hits, true), "f1": (2 * hits, true + said)}
    out: dict[str, dict[str, Spread]] = {}
    for number, label in enumerate(labels):
        out[label] = {}
        for name, (above, below) in parts.items():
            # A label that holds somewhere but is never answered has a precision of 0, as scikit-learn counts.
            known = (true + said)[:, number] > 0 if name == "precision" else below[:, number] > 0
            values = above[known, number] / np.maximum(below[known, number], 1)
            out[label][name] = Spread(
                float(values.mean()) if len(values) else 0.0,
                float(values.std(ddof=1)) if len(values) > 1 else 0.0,
                len(values),
            )
    return out
