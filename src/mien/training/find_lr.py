"""The learning-rate range test (Smith 2017): raise the rate step by step and see where the loss falls fastest.

Lightning has a tuner of the same kind; it sets an attribute `lr` of the module and takes its schedule out. Here rates
come from the recipe and differ between groups of parameters, so the test multiplies every group's own rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer
from numpy.typing import NDArray
from scipy.signal import savgol_filter

from mien import charts, html
from mien.errors import RecipeError
from mien.training import run
from mien.training.callbacks import Reseed
from mien.training.job import Inputs, Job
from mien.training.recipe import Recipe

SMOOTHING = 0.9
EXPLODED = 4.0
"""A smoothed loss that is so many times the lowest one ends the test."""


@dataclass(frozen=True)
class Curve:
    """What the test saw.

    Attributes:
        rates: learning rate of each step ``(n,)``, rising evenly on a log scale.
        losses: of each step's batch before the step ``(n,)``.
        smooth: exponential mean of the losses, corrected for its start ``(n,)``.
        suggestion: rate about which the loss falls fastest over a decade, before the smoothed loss is lowest.
        exploded: whether the loss grew out of bounds before the highest rate was reached.
    """

    rates: NDArray[np.float64]
    losses: NDArray[np.float64]
    smooth: NDArray[np.float64]
    suggestion: float
    exploded: bool


class _Climb(Callback):
    """Sets the rate before every step and notes the loss after it."""

    def __init__(self, low: float, high: float, steps: int) -> None:
        self.factors = np.geomspace(1.0, high / low, steps)
        self.low, self.steps = low, steps
        self.losses: list[float] = []
        self.shares: list[float] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note how the groups' rates relate: the recipe's own rate is one."""
        rates = [group["lr"] for group in trainer.optimizers[0].param_groups]
        self.shares = [rate / max(rates) for rate in rates]

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Set every group's rate."""
        rate = self.low * self.factors[len(self.losses)]
        for group, share in zip(trainer.optimizers[0].param_groups, self.shares, strict=True):
            group["lr"] = rate * share

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the loss, and stop at the end or when it is out of bounds."""
        self.losses.append(float(outputs["loss"] if isinstance(outputs, dict) else outputs))
        smooth = smoothed(np.array(self.losses))
        if len(self.losses) == self.steps or not smooth[-1] <= EXPLODED * smooth.min():
            trainer.should_stop = True


def smoothed(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the exponential mean ``(n,)``, divided by the weight that it has gathered so far."""
    out, mean = np.empty_like(losses), 0.0
    for step, loss in enumerate(losses):
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        out[step] = mean / (1 - SMOOTHING ** (step + 1))
    return out


def find(
    recipe: Recipe, inputs: Inputs, *, low: float = 1e-5, high: float = 1.0, steps: int = 100, job: Job | None = None
) -> Curve:
    """Run the test on a recipe's own network, data, losses and optimiser; nothing is saved.

    Args:
        recipe: its schedule, weight average and accumulation are left out for the test.
        inputs: table and limits.
        low: first rate.
        high: last rate.
        steps: batches, spread evenly on a log scale over the rates.
        job: made of the recipe beforehand; None makes it.

    Raises:
        RecipeError: the rates do not rise, there are too few steps, or the loss is no number from the start.
    """
    if not 0 < low < high:
        raise RecipeError(f"rates must rise from above 0, got {low:g} to {high:g}")
    if steps < 20:
        raise RecipeError(f"the test needs at least 20 steps to see a slope, got {steps}")
    # The recipe's rate must be the highest group's, and the schedule must not stand in the way.
    changes = {
        "schedule": recipe.schedule.model_copy(update={"name": "constant", "warmup": 0.0, "cycles": 1}),
        "optim": recipe.optim.model_copy(update={"accumulate": 1}),
    }
    recipe = recipe.model_copy(update=changes)
    made = job or run.prepare(recipe, inputs)
    climb = _Climb(low, high, steps)
    trainer = Trainer(
        accelerator=recipe.run.accelerator,
        devices=1,
        precision=recipe.run.precision,
        max_steps=steps,
        max_epochs=-1,
        gradient_clip_val=recipe.optim.clip or None,
        limit_val_batches=0,
        callbacks=[Reseed(recipe.seed), climb],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(made.module, made.data)
    return _read(climb)


def _read(climb: _Climb) -> Curve:
    losses = np.array(climb.losses)
    if not np.isfinite(losses[: min(10, len(losses))]).all():
        raise RecipeError(f"the loss is no number at a rate of {climb.low:g} already; begin lower, or look at the data")
    # What came after the first loss that is no number says nothing.
    exploded = len(climb.losses) < climb.steps
    losses = losses[: len(losses) if np.isfinite(losses).all() else int(np.argmin(np.isfinite(losses)))]
    rates = climb.low * climb.factors[: len(losses)]
    smooth = smoothed(losses)
    lowest = max(int(smooth.argmin()), 2)
    return Curve(rates, losses, smooth, float(rates[int(_slope(rates, losses)[: lowest + 1].argmin())]), exploded)


def _slope(rates: NDArray[np.float64], losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by how much the loss of batches rises a decade ``(n,)``: of a straight line through a decade about each.

    The step from one batch to the next says more about the batches than about the rate.
    """
    decades = np.log10(rates)
    wide = int(min(max(1 / (decades[1] - decades[0]), 5), len(losses))) // 2 * 2 - 1
    return np.asarray(savgol_filter(losses, wide, 1, deriv=1, delta=float(decades[1] - decades[0])), np.float64)


def picture(curve: Curve) -> str:
    """Return the losses over the rates (log scale) as an SVG file, with the suggestion as a line."""
    x = np.log10(curve.rates)
    top = float(np.quantile(curve.losses, 0.95)) * 1.1
    low = min(float(curve.losses.min()), 0.0)
    mark = math.log10(curve.suggestion)
    chart = charts.lines(
        [
            ("loss of a batch", x.tolist(), np.minimum(curve.losses, top).tolist()),
            ("smoothed", x.tolist(), np.minimum(curve.smooth, top).tolist()),
            (f"suggestion {curve.suggestion:.2g}", [mark, mark], [low, top]),
        ],
        x_name="log10 of the learning rate",
        y_name="training loss",
        x_range=(float(x[0]), float(x[-1])),
        y_range=(low, top),
    )
    return html.picture(chart)
