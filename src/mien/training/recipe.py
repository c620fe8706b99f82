"""The recipe: one TOML file says everything that a training run does, as frozen typed objects.

A task (a file in `training/tasks`) brings its own recipe class, which adds its sections to the common ones here. A
recipe is read from TOML, `--set section.key=value` overrides it, and a key that nobody knows is an error that names
the near ones.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from mien.errors import RecipeError, UnknownNameError
from mien.registry import Registry

#: Every task, by file name. A task module offers `RECIPE` (its recipe class) and `build(recipe, inputs) -> Job`.
TASKS = Registry("mien.training.tasks", "build", "task", extra="train")

#: Every tracker, by file name; see `training.trackers`.
TRACKERS = Registry("mien.training.trackers", "build", "tracker", extra="track")


class Section(BaseModel):
    """A part of a recipe: frozen, and strict about its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Optim(Section):
    """Says how weights move.

    Attributes:
        name: sgd (with Nesterov momentum), adamw, radam, or muon (momentum of wide layers made orthogonal, Jordan 2024;
            AdamW for the rest; takes AdamW's learning rates, arXiv 2502.16982).
        lr: highest learning rate.
        weight_decay: applied to weights of two or more dimensions only, not to norms and biases.
        momentum: of sgd and muon (0.95 is usual for it); the first beta of the others.
        sam: radius of sharpness-aware minimisation (Foret et al. 2021); 0 is off. Doubles the cost of a step.
        layer_decay: factor on the learning rate a stage of the backbone, counted from the heads back; 1 is off.
        clip: largest norm of the gradient; 0 is off.
        accumulate: batches whose gradients are added up before a step.
    """

    name: str = "sgd"
    lr: float = Field(0.1, gt=0)
    weight_decay: float = Field(5e-4, ge=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    sam: float = Field(0.0, ge=0)
    layer_decay: float = Field(1.0, gt=0, le=1)
    clip: float = Field(0.0, ge=0)
    accumulate: int = Field(1, ge=1)

    @model_validator(mode="after")
    def _sam_takes_whole_steps(self) -> Self:
        if self.sam and self.accumulate > 1:
            raise ValueError("sam computes each step's gradient twice and cannot accumulate; set accumulate = 1")
        return self


class Schedule(Section):
    """Says how the learning rate goes over the run.

    Attributes:
        name: cosine, onecycle, polynomial, step, plateau or constant.
        cycles: times that the whole course is gone through, each in an equal part of the run; the weights at the end of
            each are kept as ``snapshot-N.ckpt`` for a snapshot ensemble (Huang et al. 2017).
        warmup: part of the run in which the rate rises from zero in a straight line.
        floor: lowest rate as a part of the highest.
        power: of polynomial.
        milestones: parts of the run at which step multiplies the rate by `gamma`.
        gamma: factor of step and plateau.
        patience: epochs without gain after which plateau multiplies the rate by `gamma`.
    """

    name: str = "cosine"
    warmup: float = Field(0.05, ge=0, lt=1)
    floor: float = Field(0.0, ge=0, lt=1)
    power: float = Field(1.0, gt=0)
    milestones: tuple[float, ...] = (0.5, 0.75)
    gamma: float = Field(0.1, gt=0, lt=1)
    patience: int = Field(5, ge=1)
    cycles: int = Field(1, ge=1)

    @model_validator(mode="after")
    def _cycles_follow_the_run(self) -> Self:
        if self.cycles > 1 and self.name == "plateau":
            raise ValueError("schedule 'plateau' follows the validation figure and has no cycles; take cosine")
        return self


class Run(Section):
    """Says how long and on what.

    Attributes:
        epochs: passes over the training data.
        batch_size: pictures a step.
        precision: Lightning's name (bf16-mixed, 16-mixed, 32-true).
        accelerator: Lightning's name (cpu, gpu, auto).
        devices: processes (or GPUs) that share a batch.
        threads: torch's threads; 0 leaves torch's own choice.
        ema: decay of the moving average of the weights that is judged and saved; 0 is off.
        swa: part of the run from which on the mean of the weights at the end of each epoch is judged and saved instead
            of `ema`; 0 is off.
        monitor: validation figure that picks the best checkpoint; larger is better unless it ends in `loss`.
        patience: epochs without gain after which the run stops; 0 is never.
        validate_every: epochs between validations.
        trackers: where figures and pictures are kept beside the csv logs: mlflow, tensorboard, wandb; none where this
            is empty. `mien train` takes MLflow, where it is installed, for a recipe that does not say.
    """

    epochs: int = Field(60, ge=1)
    batch_size: int = Field(128, ge=1)
    precision: Literal["bf16-mixed", "16-mixed", "32-true"] = "bf16-mixed"
    accelerator: str = "auto"
    devices: int = Field(1, ge=1)
    threads: int = Field(0, ge=0)
    ema: float = Field(0.999, ge=0, lt=1)
    swa: float = Field(0.0, ge=0, lt=1)
    monitor: str = "val/loss"
    patience: int = Field(0, ge=0)
    validate_every: int = Field(1, ge=1)
    trackers: tuple[str, ...] | None = None

    @field_validator("trackers")
    @classmethod
    def _known(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for name in names or ():
            if name not in TRACKERS:
                raise ValueError(str(UnknownNameError("tracker", name, TRACKERS)))
        return names


class Span(Section):
    """Says which values a sweep tries for one key: some choices, or all numbers from low to high.

    Attributes:
        choices: values of any kind.
        low: smallest number.
        high: largest number; whole if both ends are whole.
        step: distance of the numbers; None is any.
        log: draw on a logarithmic scale.
    """

    choices: tuple[Any, ...] = ()
    low: int | float | None = None
    high: int | float | None = None
    step: int | float | None = Field(None, gt=0)
    log: bool = False

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if bool(self.choices) == (self.low is not None or self.high is not None):
            raise ValueError("give either choices, or low and high")
        if not self.choices:
            if self.low is None or self.high is None or not self.low < self.high:
                raise ValueError("low and high are both needed, and low must be below high")
            if self.log and (self.low <= 0 or self.step is not None):
                raise ValueError("a logarithmic span begins above zero and has no step")
        return self


class Sweep(Section):
    """Says what `mien train sweep` searches and how.

    Attributes:
        space: the values of each key, by its dotted name, such as ``"optim.lr"``.
        monitor: validation figure that is sought; larger is better unless it ends in `loss`. None is `run.monitor`.
        sampler: tpe (Bergstra et al. 2011) or random.
        pruner: median (stops a trial that is worse than half of the earlier ones at the same epoch), hyperband or none.
        warmup: epochs before which no trial is stopped.
    """

    space: dict[str, Span] = Field(default_factory=dict)
    monitor: str | None = None
    sampler: Literal["tpe", "random"] = "tpe"
    pruner: Literal["median", "hyperband", "none"] = "median"
    warmup: int = Field(1, ge=0)


class Recipe(Section):
    """What every recipe has; a task's own recipe adds its sections.

    Attributes:
        task: file in `training/tasks` that runs it.
        name: of the model that results.
        seed: of every random choice.
        sweep: what `mien train sweep` tries; a single run does not look at it.
    """

    task: str
    name: str
    seed: int = Field(1, ge=0)
    optim: Optim = Optim()
    schedule: Schedule = Schedule()
    run: Run = Run()
    sweep: Sweep = Sweep()


R = TypeVar("R", bound=Section)


def load(path: Path, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe file and apply ``key.path=value`` overrides.

    Raises:
        RecipeError: no such file, not TOML, an unknown key or a value that does not fit; all are listed.
        UnknownNameError: an unknown task.
    """
    try:
        data = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"cannot read the recipe '{path}': {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"the recipe '{path}' is not TOML: {error}") from error
    return parse(data, overrides)


def parse(data: Mapping[str, Any], overrides: Iterable[str] = ()) -> Recipe:
    """Make a typed recipe of plain data, such as a TOML file or a checkpoint holds."""
    merged = _copy(data)
    for path, value in read_overrides(overrides).items():
        _set(merged, path, value)
    task = merged.get("task")
    if not isinstance(task, str):
        raise RecipeError(f"a recipe needs a task, one of: {', '.join(TASKS.names())}")
    kind: type[Recipe] = TASKS.module(task).RECIPE
    return validate(kind, merged)


def validate(kind: type[R], data: Mapping[str, Any]) -> R:
    """Check plain data against a recipe class (or another section), turning every finding into one sentence."""
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise RecipeError("; ".join(_sentence(kind, item) for item in error.errors())) from error


def _copy(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copy(value) if isinstance(value, Mapping) else value for key, value in data.items()}


def read_overrides(overrides: Iterable[str]) -> dict[str, Any]:
    """Read ``a.b=value`` texts as dotted keys and values; a value is TOML, plain text when it is none, None when empty.

    Raises:
        RecipeError: a text is no override.
    """
    found: dict[str, Any] = {}
    for override in overrides:
        path, sign, text = override.partition("=")
        if not sign or not path.strip():
            raise RecipeError(f"'{override}' is not an override; write key=value, for example optim.lr=3e-4")
        if not text.strip():
            found[path.strip()] = None
            continue
        try:
            found[path.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            found[path.strip()] = text.strip()
    return found


def _set(data: dict[str, Any], path: str, value: Any) -> None:
    """Put a value at a dotted key."""
    *parents, last = path.split(".")
    for parent in parents:
        inner = data.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise RecipeError(f"'{path}' cannot be set: '{parent}' is a value, not a section")
        data = inner
    data[last] = value


def _sentence(kind: type[BaseModel], item: Any) -> str:
    """Say one validation finding in words, with the near keys where a key is unknown."""
    place = [str(part) for part in item["loc"]]
    name = ".".join(place)
    if item["type"] == "missing":
        return f"recipe key '{name}' is missing"
    if item["type"] != "extra_forbidden":
        said = item["msg"].removeprefix("Value error, ")
        said = f"{said[:1].lower()}{said[1:]}"
        whole = isinstance(item["input"], dict | BaseModel)
        return f"recipe key '{name}': {said} (got {item['input']!r})" if name and not whole else f"recipe: {said}"
    known = _keys(kind, place[:-1])
    near = difflib.get_close_matches(place[-1], known, n=1, cutoff=0.5)
    hint = f"Did you mean '{'.'.join([*place[:-1], near[0]])}'? " if near else ""
    return f"no recipe key '{name}'. {hint}Known here: {', '.join(known)}"


def _keys(kind: type[BaseModel], path: list[str]) -> list[str]:
    """List the keys of the section at a path, stepping through tables by name."""
    current: Any = kind
    for part in path:
        if isinstance(current, type) and issubclass(current, BaseModel):
            current = current.model_fields[part].annotation
        else:
            current = current.__args__[-1]
    return sorted(current.model_fields) if isinstance(current, type) and issubclass(current, BaseModel) else []
