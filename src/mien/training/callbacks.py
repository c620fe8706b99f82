"""Callbacks that Lightning does not bring: randomness by step, a halt at NaN, provenance, a line an epoch."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from rich.console import Console
from torch import Tensor

from mien.errors import RecipeError
from mien.training.job import Job
from mien.training.recipe import Recipe


def step_seed(seed: int, epoch: int, batch: int) -> int:
    """Mix seed, epoch and batch into one seed of 63 bits (splitmix64 steps), so that neighbours are unlike."""
    value = seed
    for part in (epoch, batch):
        value = (value + 0x9E3779B97F4A7C15 * (part + 1)) & (2**64 - 1)
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
        value ^= value >> 31
    return value >> 1


class Reseed(Callback):
    """Seeds torch before every training batch from seed, epoch and batch, so that resuming needs no saved state."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Seed every random choice of this step: augmentation, mixing, dropout."""
        torch.manual_seed(step_seed(self.seed, trainer.current_epoch, batch_idx) + trainer.global_rank)


class FiniteLoss(Callback):
    """Stops a run whose loss is no number; the last good checkpoint stays."""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look at the loss of the step that was just taken."""
        loss = outputs["loss"] if isinstance(outputs, Mapping) else outputs
        if loss is not None and not torch.isfinite(loss.detach()).all():
            raise RecipeError(
                f"the loss became {float(loss)} in epoch {trainer.current_epoch}, step {batch_idx}; the checkpoint of "
                "the last epoch is kept. Try a smaller optim.lr, optim.clip=1.0 or a longer schedule.warmup"
            )


class Provenance(Callback):
    """Writes into every checkpoint what it is: recipe, labels, data digest, validation figures."""

    def __init__(self, recipe: Recipe, job: Job) -> None:
        self.recipe, self.job = recipe, job

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add the plain entry `mien`."""
        checkpoint["mien"] = {
            "version": 1,
            "recipe": self.recipe.model_dump(mode="json"),
            "labels": {head: list(labels) for head, labels in self.job.labels.items()},
            "data_digest": self.job.data_digest,
            "epoch": trainer.current_epoch,
            "metrics": {k: float(v) for k, v in trainer.callback_metrics.items() if k.startswith("val/")},
        }


class EpochAverage(WeightAveraging):
    """Judges and saves the mean of the weights at the end of each epoch (SWA; Izmailov et al. 2018).

    Statistics of batch norms are averaged likewise; the paper passes over the data once more for them instead.

    Args:
        start: epochs before the first whose weights count; until then the weights are judged and saved as they are.
    """

    def __init__(self, start: int) -> None:
        def mean(averaged: Tensor, current: Tensor, epochs: Tensor | int) -> Tensor:
            """Return the mean over the epochs that count; `epochs` are over before this one."""
            counted = max(int(epochs) - start, 0)
            return averaged + (current - averaged) / (counted + 1)

        super().__init__(avg_fn=mean)
        self.ends = False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Take the weights in after the last batch, so that the validation that follows judges them too."""
        self.ends = trainer.is_last_batch
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        """Say whether the step was the last of its epoch."""
        return step_idx is not None and self.ends


class Snapshots(Callback):
    """Keeps the weights at the end of every cycle of the learning rate, as ``snapshot-1.ckpt`` and so on.

    Args:
        cycles: in the run.
        folder: of the run.
    """

    def __init__(self, cycles: int, folder: Path) -> None:
        self.cycles, self.folder = cycles, folder

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write a checkpoint after the last epoch of a cycle."""
        done, epochs = trainer.current_epoch + 1, trainer.max_epochs or 1
        ends = {max(round(epochs * (n + 1) / self.cycles), 1): n + 1 for n in range(self.cycles)}
        if done in ends:
            trainer.save_checkpoint(self.folder / f"snapshot-{ends[done]}.ckpt")


class Report(Callback):
    """Prints one line an epoch: time, learning rate, training loss and the validation figures."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        self.started = time.monotonic()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the epoch's clock."""
        self.started = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the line, one process for all."""
        if not trainer.is_global_zero:
            return
        figures = "  ".join(f"{key} {float(value):.4f}" for key, value in sorted(trainer.callback_metrics.items()))
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        self.console.print(
            f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  {time.monotonic() - self.started:.0f} s  "
            f"lr {rate:.5f}  {figures}",
            soft_wrap=True,
        )
