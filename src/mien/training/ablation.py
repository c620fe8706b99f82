"""Ablation: the same run with one thing changed, several seeds each, so that what a technique is worth is measured."""

from __future__ import annotations

import json
import math
import re
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.accelerators import CUDAAccelerator
from pydantic import Field

from mien.curation.table import open_table
from mien.errors import RecipeError
from mien.training import run
from mien.training.job import Inputs
from mien.training.recipe import Recipe, Section, parse, validate

BASE = "base"


class Plan(Section):
    """Says what is compared.

    Attributes:
        title: of the table.
        note: what a reader must know to read the figures rightly.
        base: a whole recipe.
        variants: a name each, with the overrides (`key=value`, as of `--set`) that make the variant of the base.
    """

    title: str
    note: str = ""
    base: dict[str, Any]
    variants: dict[str, tuple[str, ...]] = Field(min_length=1)


@dataclass(frozen=True)
class Result:
    """What one run came to.

    Attributes:
        variant: its name; `base` for the recipe as it is.
        seed: of the run.
        metrics: validation figures.
        parameters: of the network.
        seconds: the quickest epoch of training, without validation: processor time where the run was on the CPU (a
            busy machine does not change it much), else time on the wall. None where a stop left no whole epoch.
    """

    variant: str
    seed: int
    metrics: Mapping[str, float]
    parameters: int
    seconds: float | None


class Meter(Callback):
    """Times the epochs of training and counts the network's parameters."""

    def __init__(self, cpu: bool) -> None:
        self.clock = time.process_time if cpu else time.perf_counter
        self.parameters, self.seconds, self.started = 0, float("inf"), 0.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the epoch's clock."""
        network: Any = pl_module.network
        self.parameters = sum(p.numel() for p in network.parameters())
        self.started = self.clock()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop before an epoch's validation, which Lightning counts into the epoch."""
        self._stop()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the epoch's clock where no validation came before."""
        self._stop()

    def _stop(self) -> None:
        if self.started:
            self.seconds = min(self.seconds, self.clock() - self.started)
        self.started = 0.0


def read(path: Path) -> Plan:
    """Read a plan file.

    Raises:
        RecipeError: no such file, not TOML, or not a plan.
    """
    try:
        data = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"cannot read '{path}': {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"'{path}' is not TOML: {error}") from error
    if "base" not in data and "task" in data:
        raise RecipeError(f"'{path}' is a recipe; an ablation has the recipe under [base] and changes in [variants]")
    return validate(Plan, data)


def recipes(plan: Plan, seeds: int, overrides: Sequence[str] = ()) -> dict[tuple[str, int], Recipe]:
    """Return the recipe of every run by variant and seed: all variants of the first seed first.

    Args:
        plan: base and variants.
        seeds: runs a variant; they count up from the base's own seed.
        overrides: applied to the base before the variants' own.

    Raises:
        RecipeError: a variant is no recipe, is named `base` or shares its folder with another; the variant is named.
    """
    names = {BASE: (), **plan.variants}
    if BASE in plan.variants or len({folder(name) for name in names}) < len(names):
        raise RecipeError(f"variants need names that differ in letters and digits, and none may be '{BASE}'")
    out = {}
    for number in range(seeds):
        for name, changes in names.items():
            try:
                made = parse(plan.base, [*overrides, *changes])
            except RecipeError as error:
                raise RecipeError(f"variant '{name}': {error}") from error
            seed = made.seed + number
            out[name, seed] = made.model_copy(update={"seed": seed})
    return out


def folder(variant: str) -> str:
    """Return the folder name of a variant."""
    return re.sub(r"[^a-z0-9]+", "-", variant.lower()).strip("-")


def ablate(
    plan: Plan,
    inputs: Inputs,
    out: Path,
    seeds: int = 2,
    *,
    overrides: Sequence[str] = (),
    progress: bool = True,
) -> Iterator[dict[str, Any]]:
    """Run every variant with every seed; yield the record of all that is done after every run, plain JSON types.

    Runs that are done are kept, and one that was interrupted goes on, so the same command resumes an ablation and adds
    variants that the plan has gained.

    Args:
        plan: base and variants.
        inputs: table and limits.
        out: folder; each run gets one inside.
        seeds: runs a variant.
        overrides: applied to the base before the variants' own.
        progress: print a line a run.

    Raises:
        RecipeError: a variant does not parse, or `out` holds runs of another plan or on other data.
        DataError: the table does not hold what the heads need.
    """
    if inputs.table is None:
        raise RecipeError("an ablation needs a table: give --table DIR, made by mien data import")
    planned = recipes(plan, seeds, overrides)
    table = open_table(inputs.table)
    data = {"name": table.origin.title or table.path.parent.name, "digest": table.digest(), "limit": inputs.limit}
    base = next(iter(planned.values()))
    record: dict[str, Any] = {
        "schema": 1,
        "title": plan.title,
        "note": " ".join(plan.note.split()),
        "data": data,
        "epochs": base.run.epochs,
        "cost": "processor" if _on_cpu(base) else "wall",
        "base": base.model_dump(mode="json"),
        "variants": {name: list(changes) for name, changes in plan.variants.items()},
        "runs": [],
    }
    for (variant, seed), recipe in planned.items():
        result = _one(variant, recipe, inputs, out / folder(variant) / f"seed-{seed}", data)
        record["runs"].append(asdict(result))
        if progress:
            print(_line(result, len(record["runs"]), len(planned)), flush=True)
        yield record


def _one(variant: str, recipe: Recipe, inputs: Inputs, out: Path, data: Mapping[str, Any]) -> Result:
    """Return the kept result of a run, or run it."""
    kept = out / "result.json"
    if kept.exists():
        saved = json.loads(kept.read_text(encoding="utf-8"))
        if parse(saved["recipe"]) != recipe or saved["data"] != data:
            raise RecipeError(
                f"'{out}' holds a run of another recipe or on other data; give another folder, or delete that one"
            )
        return Result(**saved["result"])
    meter = Meter(_on_cpu(recipe))
    outcome = run.train(recipe, inputs, out, resume=True, progress=False, callbacks=[meter])
    metrics = {key.removeprefix("val/"): value for key, value in outcome.metrics.items()}
    seconds = round(meter.seconds, 3) if math.isfinite(meter.seconds) else None
    result = Result(variant, recipe.seed, metrics, meter.parameters, seconds)
    record = {"recipe": recipe.model_dump(mode="json"), "data": data, "result": asdict(result)}
    kept.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return result


def _on_cpu(recipe: Recipe) -> bool:
    return recipe.run.accelerator == "cpu" or not CUDAAccelerator.is_available()


def _line(result: Result, number: int, count: int) -> str:
    figures = "  ".join(f"{key} {value:.4f}" for key, value in sorted(result.metrics.items()))
    cost = f"{result.seconds:.1f} s an epoch" if result.seconds is not None else "stopped and resumed"
    return f"{number}/{count}  {result.variant}, seed {result.seed}: {cost}  {figures}"
