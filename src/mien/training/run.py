"""One run: a recipe's job through Lightning's trainer, resumable at any moment with the same result.

Every random choice is a function of the seed, the epoch and the step (see `callbacks.Reseed`), so a run that was
killed and resumed from its last checkpoint ends with the weights of an unbroken one.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.callbacks import Callback, EarlyStopping, EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger

from mien.errors import RecipeError
from mien.training import placement, trackers
from mien.training.callbacks import EpochAverage, FiniteLoss, Provenance, Report, Reseed, Snapshots
from mien.training.faults import explained
from mien.training.job import Inputs, Job
from mien.training.recipe import TASKS, Recipe, parse
from mien.training.tracking import LOG, Tracking


@dataclass(frozen=True)
class Outcome:
    """What a run left behind.

    Attributes:
        best: checkpoint with the best monitored figure.
        last: checkpoint of the last epoch, for `--resume`.
        metrics: validation figures of the best checkpoint.
        labels: a head, in the order of the outputs.
        confusion: rows by true label and answer, a head of labels, of the best checkpoint.
        epochs: epochs done.
    """

    best: Path
    last: Path
    metrics: dict[str, float]
    labels: dict[str, list[str]]
    confusion: dict[str, list[list[int]]]
    epochs: int


def prepare(recipe: Recipe, inputs: Inputs) -> Job:
    """Build a recipe's job: data read and checked, network made, nothing trained."""
    seed_everything(recipe.seed, verbose=False)
    if recipe.run.threads:
        torch.set_num_threads(recipe.run.threads)
    job: Job = TASKS.get(recipe.task)(recipe, inputs)
    return job


def train(
    recipe: Recipe,
    inputs: Inputs,
    out: Path,
    *,
    resume: bool = False,
    progress: bool = True,
    callbacks: Sequence[Callback] = (),
    ray: bool = False,
) -> Outcome:
    """Run a recipe and write ``best.ckpt``, ``last.ckpt``, ``recipe.json`` and csv logs into a folder.

    Under torchrun, and with `run.devices` above one, several processes share every batch.

    Args:
        recipe: the typed recipe.
        inputs: table and limits.
        out: folder of the run.
        resume: go on from ``out/last.ckpt``; without one, start anew.
        progress: print a line an epoch.
        callbacks: more of Lightning's callbacks, which look on.
        ray: this is a worker of Ray Train (see `training.ray_train`).

    Raises:
        RecipeError: the folder holds a run of another recipe, the loss is no longer a number, or memory ran out.
        MienError: the disk is full.
    """
    out.mkdir(parents=True, exist_ok=True)
    last = out / "last.ckpt"
    if last.exists() and not resume:
        raise RecipeError(f"'{out}' already holds a run; give --resume to go on with it, or another folder")
    if last.exists():
        _same_recipe(recipe, last)
    with explained(out), without_advice():
        job = prepare(recipe, inputs)
        opened = trackers.start(recipe.run.trackers or (), recipe.name, out)
        (out / "recipe.json").write_text(json.dumps(recipe.model_dump(mode="json"), indent=2) + "\n", encoding="utf-8")
        chosen = [*_callbacks(recipe, job, out, progress), *callbacks]
        trainer = Trainer(
            **placement.trainer_options(recipe, ray=ray),
            precision=recipe.run.precision,
            max_epochs=recipe.run.epochs,
            gradient_clip_val=recipe.optim.clip or None,
            accumulate_grad_batches=recipe.optim.accumulate,
            check_val_every_n_epoch=_every(recipe),
            callbacks=[*chosen, Tracking(opened, recipe, job, out)] if opened else chosen,
            # A folder a start, so that resuming keeps what was logged.
            logger=[CSVLogger(out, name=LOG), *(tracker.logger for tracker in opened.values())],
            default_root_dir=out,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            log_every_n_steps=50,
            use_distributed_sampler=False,
        )
        try:
            go_on = str(last) if resume and last.exists() else None
            trainer.fit(job.module, job.data, ckpt_path=go_on, weights_only=True)
        finally:
            for tracker in opened.values():
                tracker.close()
    return outcome(out)


@contextmanager
def without_advice() -> Iterator[None]:
    """Leave out what Lightning says of its own insides and of runs that are short on purpose."""
    with warnings.catch_warnings():
        for message in (
            ".*LeafSpec",
            ".*Checkpoint directory .* exists and is not empty",
            "The number of training batches .* is smaller than the logging interval",
            ".*does not have many workers",
        ):
            warnings.filterwarnings("ignore", message)
        yield


def outcome(out: Path) -> Outcome:
    """Read what a finished run left in its folder."""
    best, last = out / "best.ckpt", out / "last.ckpt"
    saved, end = (torch.load(path, weights_only=True, map_location="cpu") for path in (best, last))
    facts = saved["mien"]
    return Outcome(best, last, dict(facts["metrics"]), facts["labels"], saved.get("confusion", {}), end["epoch"] + 1)


def _callbacks(recipe: Recipe, job: Job, out: Path, progress: bool) -> list[Callback]:
    run = recipe.run
    mode = "min" if run.monitor.endswith("loss") else "max"
    common: dict[str, Any] = {"dirpath": out, "enable_version_counter": False, "auto_insert_metric_name": False}
    chosen: list[Callback] = [Reseed(recipe.seed), FiniteLoss(), Provenance(recipe, job)]
    if run.swa:
        chosen.append(EpochAverage(int(run.swa * run.epochs)))
    elif run.ema:
        chosen.append(EMAWeightAveraging(decay=run.ema))
    if run.patience:
        chosen.append(EarlyStopping(run.monitor, patience=run.patience, mode=mode))
    if progress:
        chosen.append(Report())
    best = ModelCheckpoint(filename="best", monitor=run.monitor, mode=mode, save_top_k=1, **common)
    last = ModelCheckpoint(filename="last", save_top_k=1, every_n_epochs=_every(recipe), **common)
    if recipe.schedule.cycles > 1:
        chosen.append(Snapshots(recipe.schedule.cycles, out))
    return [*chosen, best, last]


def _every(recipe: Recipe) -> int:
    """Return the epochs between validations; a run that is shorter than that is judged at its end."""
    return min(recipe.run.validate_every, recipe.run.epochs)


def _same_recipe(recipe: Recipe, checkpoint: Path) -> None:
    """Refuse to go on with a checkpoint of another recipe; a longer or shorter run is another recipe too."""
    saved = parse(torch.load(checkpoint, weights_only=True, map_location="cpu")["mien"]["recipe"]).model_dump(
        mode="json"
    )
    own = recipe.model_dump(mode="json")
    # Neither changes a weight.
    for plain in (own, saved):
        plain.pop("sweep")
        plain["run"].pop("trackers")
    differing = sorted(key for key in own.keys() | saved.keys() if own.get(key) != saved.get(key))
    if differing:
        raise RecipeError(
            f"'{checkpoint}' belongs to another recipe (it differs in: {', '.join(differing)}); resume with the recipe "
            "it was started with, or give another folder"
        )


def describe(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as plain data."""
    return {key: str(value) if isinstance(value, Path) else value for key, value in asdict(outcome).items()}
