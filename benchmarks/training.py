"""How much of a training step is the model's: a run as it is against the bare step on tensors that lie in memory.

``python benchmarks/training.py RECIPE --table T [--json FILE]`` takes steps in turn: some of a real run (loader,
augmentation, mixing, weight average, Lightning), then as many of the network alone (forward, losses, backward,
optimiser) on one batch that was augmented before. It prints both step rates for every side of pictures that the recipe
uses; the share is the bare step's time in the whole step's. Times are of this process's processor, so that other work
on the machine does not count against either; with a worker thread that overlaps, look at the wall as well.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import statistics
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EMAWeightAveraging

from mien.evaluation import latency
from mien.losses import masked
from mien.training import run
from mien.training.augment import augment, mix
from mien.training.callbacks import FiniteLoss, Reseed
from mien.training.job import Inputs, Job
from mien.training.module import HeadsModule
from mien.training.optim import optimiser, parameter_groups
from mien.training.recipe import Recipe, load

WARM = 3


class Stopwatch(Callback):
    """Notes processor and wall time after every step."""

    def __init__(self) -> None:
        self.marks: list[tuple[float, float]] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the times."""
        self.marks.append((time.process_time(), time.perf_counter()))


def main() -> None:
    """Measure every side and print a line each."""
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=3000)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--set", action="append", default=[])
    given = parser.parse_args()
    sides = {side for _, side in load(given.recipe, given.set).model_dump()["crops"]["sizes"]}
    rows = []
    for side in sorted(sides) or [load(given.recipe, given.set).model_dump()["crops"]["size"]]:
        recipe = load(given.recipe, [*given.set, f"crops.sizes=[[0.0, {side}]]"])
        job = run.prepare(recipe, Inputs(given.table, given.limit))
        whole, bare = [], []
        for _ in range(given.rounds):
            whole += _whole(recipe, job, given.steps)
            bare += _bare(recipe, job, given.steps, side)
        rows.append(_row(side, recipe.run.batch_size, whole, bare))
        print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    if given.json:
        record = {"schema": 1, "machine": latency.machine(), "recipe": recipe.name, "throughput": rows}
        given.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


Times = list[tuple[float, float]]


def _whole(recipe: Recipe, job: Job, steps: int) -> Times:
    """Return processor and wall seconds of steps of a real run."""
    watch = Stopwatch()
    callbacks: list[Callback] = [Reseed(recipe.seed), FiniteLoss(), watch]
    if recipe.run.ema:
        callbacks.insert(0, EMAWeightAveraging(decay=recipe.run.ema))
    trainer = Trainer(
        accelerator=recipe.run.accelerator, precision=recipe.run.precision, max_steps=steps + WARM, max_epochs=-1,
        gradient_clip_val=recipe.optim.clip or None, limit_val_batches=0, callbacks=callbacks, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(job.module, job.data)
    return _between(watch.marks[WARM - 1 :])


def _bare(recipe: Recipe, job: Job, steps: int, side: int) -> Times:
    """Return processor and wall seconds of the network's own steps on one batch in memory."""
    module = job.module
    assert isinstance(module, HeadsModule)
    batch = next(iter(job.data.train_dataloader()))
    images, targets, weights = mix(
        augment(batch["images"], module.policy, side, module.points), batch["targets"], batch["weights"], module.policy
    )
    images = images.contiguous(memory_format=torch.channels_last)
    chosen = optimiser(parameter_groups(module, module.network.backbone.stages(), recipe.optim), recipe.optim)
    half = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(recipe.run.precision)
    module.train()

    def closure() -> torch.Tensor:
        chosen.zero_grad()
        with torch.autocast(images.device.type, dtype=half, enabled=half is not None):
            logits = module.network(images)
            total = sum(
                objective.weight * masked(objective.loss, logits[name], targets[name], weights)
                for name, objective in module.objectives.items()
            )
        assert isinstance(total, torch.Tensor)
        total.backward()
        return total

    marks = []
    for _ in range(steps + WARM):
        chosen.step(closure)
        marks.append((time.process_time(), time.perf_counter()))
    return _between(marks[WARM - 1 :])


def _between(marks: Times) -> Times:
    return [(b[0] - a[0], b[1] - a[1]) for a, b in itertools.pairwise(marks)]


def _row(side: int, batch_size: int, whole: Times, bare: Times) -> dict[str, float]:
    """Summarise by medians: milliseconds a step, steps a second, and the share of the bare step."""
    cpu = [statistics.median(step[0] for step in times) for times in (whole, bare)]
    wall = [statistics.median(step[1] for step in times) for times in (whole, bare)]
    return {
        "side": side,
        "batch": batch_size,
        "whole_ms": round(1e3 * cpu[0], 1),
        "bare_ms": round(1e3 * cpu[1], 1),
        "share": round(cpu[1] / cpu[0], 3),
        "whole_wall_ms": round(1e3 * wall[0], 1),
        "bare_wall_ms": round(1e3 * wall[1], 1),
        "share_wall": round(wall[1] / wall[0], 3),
    }


if __name__ == "__main__":
    main()
