"""What a task hands to the run: a Lightning module, its data, and what a checkpoint must say about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from lightning.pytorch import LightningDataModule, LightningModule


@dataclass(frozen=True)
class Fold:
    """Names one fold of a cross-validation: the training split is cut into `count` parts, part `index` is judged.

    Attributes:
        index: from 0.
        count: parts.
    """

    index: int
    count: int


@dataclass(frozen=True)
class Inputs:
    """What the command line gives to a task beside the recipe.

    Attributes:
        table: the table (or folder) to train on.
        limit: rows a split at most, for quick tries; None is all.
        fold: train on the other folds of the training split and judge this one; None uses the table's own splits.
        cache: folder for decoded pictures and the like, kept between runs.
    """

    table: Path | None = None
    limit: int | None = None
    cache: Path | None = None
    fold: Fold | None = None

    def anywhere(self) -> Inputs:
        """Return the same with paths that hold from any working folder, for workers elsewhere."""
        table, cache = (path and path.resolve() for path in (self.table, self.cache))
        return replace(self, table=table, cache=cache)


@dataclass(frozen=True)
class Job:
    """A task made ready to run.

    Attributes:
        module: training and validation steps; logs the figure that `run.monitor` names. Its `network` is the model.
        data: the loaders.
        labels: labels a head, in the order of the outputs; written into every checkpoint.
        data_digest: digest of what was trained on.
        summary: lines that `--dry-run` prints: parameters, rows a split, steps.
    """

    module: LightningModule
    data: LightningDataModule
    labels: Mapping[str, tuple[str, ...]]
    data_digest: str
    summary: Mapping[str, str] = field(default_factory=dict)
