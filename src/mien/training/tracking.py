"""The callback that feeds trackers: settings at the start, confusion matrices as they come, curves at the end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from mien.training import figures, trackers
from mien.training.job import Job
from mien.training.module import HeadsModule
from mien.training.recipe import Recipe
from mien.training.trackers import Tracker

LOG = "log"
"""Folder of the csv logs in a run's folder; one folder a start inside."""


class Tracking(Callback):
    """Hands settings and pictures to trackers; figures reach them through Lightning.

    Args:
        opened: the run's trackers.
        recipe: written down as the run's settings.
        job: its labels name the rows of confusion matrices.
        folder: of the run.
    """

    def __init__(self, opened: Mapping[str, Tracker], recipe: Recipe, job: Job, folder: Path) -> None:
        self.opened, self.recipe, self.job, self.folder = dict(opened), recipe, job, folder

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write down the recipe and under which names the run is kept."""
        if trainer.is_global_zero:
            trackers.remember(self.opened, self.folder)
            facts: dict[str, Any] = self.recipe.model_dump(mode="json") | {"data_digest": self.job.data_digest}
            for tracker in self.opened.values():
                tracker.logger.log_hyperparams(facts)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the confusion matrix of each head that answers with one label."""
        if not trainer.is_global_zero or not isinstance(pl_module, HeadsModule):
            return
        for head, objective in pl_module.objectives.items():
            if objective.judge.confusion is not None:
                counts = objective.judge.confusion.cpu().numpy()
                self._keep(f"confusion/{head}", figures.confusion(counts, self.job.labels[head]), trainer.current_epoch)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw every figure over the epochs of all starts of the run."""
        if not trainer.is_global_zero:
            return
        for logger in trainer.loggers:
            logger.save()
        logs = sorted((self.folder / LOG).glob("*/metrics.csv"), key=lambda path: path.stat().st_mtime)
        if logs:
            self._keep("curves", figures.curves(figures.logged(logs)), trainer.current_epoch)

    def _keep(self, name: str, pixels: Any, epoch: int) -> None:
        for tracker in self.opened.values():
            tracker.picture(name, pixels, epoch)
