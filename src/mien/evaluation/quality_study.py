"""From an evaluation to what its model needs to know when it does not know: the chance, the gate, and their worth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mien import detection
from mien.datasets.faces import read_photos
from mien.errors import DataError
from mien.evaluation import bootstrap, quality, quality_sample
from mien.evaluation.scoring import Evaluation
from mien.manifest import Chance, Gate

PHOTOS = 600
"""Photos that are searched for what is no face; a random choice."""
ERRING = 0.3
"""Threshold at which the detector errs often enough to learn from; in use it is higher."""
Progress = Callable[[str], Callable[[int, int], None]]


@dataclass(frozen=True)
class Study:
    """What was fitted, on what, and what it is worth on pictures that it was not fitted on.

    Attributes:
        chance: fitted on all rows.
        gate: likewise.
        kinds: rows of each kind.
        measured: see `quality.measure`.
    """

    chance: Chance
    gate: Gate
    kinds: dict[str, int]
    measured: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "fitted": "on one half of the pictures, measured on the other, both ways",
            "kinds": self.kinds,
            "populations": self.measured,
            "gate": self.gate.model_dump(exclude_none=True),
            "chance": self.chance.model_dump(),
        }


def study(
    found: Evaluation,
    photos: Path | None = None,
    *,
    draws: int = bootstrap.DRAWS,
    seed: int = 0,
    progress: Progress = lambda title: lambda done, total: None,
) -> Study:
    """Spoil an evaluation's rows, add what is no face, and fit and measure the chance and the gate.

    Args:
        found: of the primary head, without flip, on rows that the model did not learn from.
        photos: annotation file of photos with every face boxed; None leaves out what is no face.
        draws: bootstrap resamples.
        seed: of every choice.
        progress: from a title to a function that is called with steps done and steps in all.

    Raises:
        DataError: another head, flip, rows to learn from or the test split; or too few rows.
    """
    model = found.answered.model
    if found.scored.head != model.primary or found.scored.derived:
        raise DataError(f"quality is fitted for the primary head '{model.primary}'; name a protocol of its label set")
    if model.views != "one":
        raise DataError("quality is fitted for one look at each face; leave --flip and --views away")
    if found.source.split != "val":
        raise DataError(f"quality is fitted on the split 'val', not on '{found.source.split}'")
    parts = [quality_sample.faces(found, detection.load("mien"), seed=seed, progress=progress("faces"))]
    if photos is not None:
        every = list(read_photos(photos))
        chosen = [every[i] for i in np.random.default_rng(seed).permutation(len(every))[:PHOTOS]]
        erring = detection.load("mien", score=ERRING)
        none = quality_sample.no_faces(model, erring, chosen, seed=seed, progress=progress("photos"))
        parts += [] if none is None else [none]
    sample = quality_sample.join(parts)
    measured = quality.measure(sample, model.manifest.gate, draws=draws, seed=seed)
    chance = quality.fit(sample)
    gate = quality.limits(sample, chance, model.manifest.gate)
    return Study(chance, gate, dict(Counter(sample.kind.tolist())), measured)
