"""Sweeps: many runs of one recipe whose settings Optuna chooses; what was tried lies in one database.

Any number of processes, on any machines that reach the database, may work on the same sweep; each is the same command.
A trial whose process was killed is tried again, from its last checkpoint where the folder is shared.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from lightning.pytorch import Callback, LightningModule, Trainer
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, Trial, TrialState

from mien.errors import MienError, RecipeError
from mien.training import run
from mien.training.job import Inputs
from mien.training.recipe import Recipe, Span, parse

BEAT, GRACE = 15, 60
"""Seconds between a running trial's signs of life, and without one after which it is taken for dead."""
_RETRIES = 3


@dataclass(frozen=True)
class Plan:
    """What one process of a sweep needs to know; it can be sent to another machine.

    Attributes:
        recipe: with its `[sweep]` section.
        inputs: table and limits.
        out: folder; each trial gets one inside.
        trials: number of trials over all processes.
        storage: address of the database (any that SQLAlchemy knows); None is a SQLite file in `out`.
    """

    recipe: Recipe
    inputs: Inputs
    out: Path
    trials: int
    storage: str | None = None

    @property
    def monitor(self) -> str:
        """The validation figure that is sought."""
        return self.recipe.sweep.monitor or self.recipe.run.monitor


def open_study(plan: Plan) -> optuna.Study:
    """Open a sweep's study, or begin it.

    Raises:
        RecipeError: nothing to search, a value that does not fit the recipe, or another recipe's sweep is kept there.
        MienError: the database cannot be opened.
    """
    _check(plan.recipe)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # Heartbeats have been "experimental" there since 2021.
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    plan.out.mkdir(parents=True, exist_ok=True)
    address = plan.storage or f"sqlite:///{plan.out.resolve() / 'study.db'}"
    try:
        storage = RDBStorage(
            address,
            engine_kwargs={"connect_args": {"timeout": 60}} if address.startswith("sqlite") else None,
            heartbeat_interval=BEAT,
            grace_period=GRACE,
            heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(_RETRIES),
        )
    except Exception as error:  # SQLAlchemy and its drivers each have errors of their own for a bad address
        raise MienError(f"cannot open the sweep's database '{address}': {str(error).splitlines()[0]}") from error
    study = optuna.create_study(
        storage=storage,
        study_name=plan.recipe.name,
        load_if_exists=True,
        direction="minimize" if plan.monitor.endswith("loss") else "maximize",
        sampler=_sampler(plan.recipe),
        pruner=_pruner(plan.recipe),
    )
    own = plan.recipe.model_dump(mode="json")
    kept = study.user_attrs.get("recipe")
    if kept is None:
        study.set_user_attr("recipe", own)
    elif kept != json.loads(json.dumps(own)):
        differing = sorted(key for key in own if kept.get(key) != json.loads(json.dumps(own[key])))
        raise RecipeError(
            f"'{address}' holds a sweep '{plan.recipe.name}' of another recipe (it differs in: "
            f"{', '.join(differing)}); give another folder or storage, or another name in the recipe"
        )
    return study


def work(plan: Plan) -> int:
    """Try settings until the sweep has as many trials as planned, and return how many were tried here."""
    study = open_study(plan)
    before = len(_own(study))
    tried = 0
    while True:
        optuna.storages.fail_stale_trials(study)
        if sum(_counts(trial) for trial in study.get_trials(deepcopy=False)) >= plan.trials:
            break
        study.optimize(lambda trial: _objective(plan, trial), n_trials=1, catch=(MienError,))
        tried += 1
    trials = _own(study)
    if len(trials) > before and all(trial.state is TrialState.FAIL for trial in trials):
        raise RecipeError(f"every trial of the sweep failed; the last one: {trials[-1].user_attrs.get('error')}")
    return tried


def work_all(plans: Sequence[Plan]) -> int:
    """Work on plans one after the other, as a worker of `parallel.map_batches`."""
    return sum(work(plan) for plan in plans)


def settings(recipe: Recipe, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a trial changed in the recipe, choices that are no plain values unpacked."""
    found = {}
    for key, value in parameters.items():
        choices = {_plain(choice): choice for choice in recipe.sweep.space[key].choices}
        found[key] = choices[value] if choices else value
    return found


def overrides(values: Mapping[str, Any]) -> list[str]:
    """Write changes as overrides of a recipe."""
    return [f"{key}={json.dumps(value)}" for key, value in values.items()]


def _own(study: optuna.Study) -> list[FrozenTrial]:
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]


def _counts(trial: FrozenTrial) -> bool:
    """Say whether a trial is one of those planned: done, under way, or given up for good; not one that is retried."""
    if trial.state is TrialState.FAIL:
        return "error" in trial.user_attrs
    return trial.state is not TrialState.WAITING


def _objective(plan: Plan, trial: Trial) -> float:
    values = settings(plan.recipe, {key: _suggest(trial, key, span) for key, span in plan.recipe.sweep.space.items()})
    kept = next(found for found in trial.study.get_trials(deepcopy=False) if found.number == trial.number)
    first = RetryHeartbeatStaleTrialCallback.retried_trial_number(kept)
    folder = plan.out / f"trial-{trial.number if first is None else first:04d}"
    try:
        chosen = parse(plan.recipe.model_dump(mode="json"), overrides(values))
        watch = _Pruning(trial, plan.monitor)
        found = run.train(chosen, plan.inputs, folder, resume=True, progress=False, callbacks=[watch]).metrics
        if plan.monitor not in found:
            raise RecipeError(f"no validation figure '{plan.monitor}'; the run has: {', '.join(sorted(found))}")
    except MienError as error:
        trial.set_user_attr("error", str(error))
        raise
    trial.set_user_attr("metrics", found)
    return found[plan.monitor]


class _Pruning(Callback):
    """Reports the figure after every validation and stops a trial that is not worth going on."""

    def __init__(self, trial: Trial, monitor: str) -> None:
        self.trial, self.monitor = trial, monitor

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        value = trainer.callback_metrics.get(self.monitor)
        if value is None:
            return
        self.trial.report(float(value), trainer.current_epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned


def _suggest(trial: Trial, key: str, span: Span) -> Any:
    if span.choices:
        return trial.suggest_categorical(key, [_plain(choice) for choice in span.choices])
    low, high, step = span.low, span.high, span.step
    assert low is not None  # the recipe's own check
    assert high is not None
    if isinstance(low, int) and isinstance(high, int) and not isinstance(step, float):
        return trial.suggest_int(key, low, high, step=step or 1, log=span.log)
    return trial.suggest_float(key, low, high, step=step, log=span.log)


def _plain(choice: Any) -> str | int | float | bool:
    """Return a choice as a database can hold it."""
    return choice if isinstance(choice, str | int | float | bool) else json.dumps(choice)


def _check(recipe: Recipe) -> None:
    """Try every choice and both ends of every span against the recipe's types before anything runs."""
    space = recipe.sweep.space
    if not space:
        raise RecipeError(
            "the recipe says nothing to search; add a section such as: [sweep.space] with "
            '"optim.lr" = { low = 1e-4, high = 1e-1, log = true }'
        )
    plain = recipe.model_dump(mode="json")
    for key, span in space.items():
        for value in span.choices or (span.low, span.high):
            try:
                parse(plain, overrides({key: value}))
            except MienError as error:
                raise RecipeError(f"sweep.space '{key}': {error}") from error


def _sampler(recipe: Recipe) -> optuna.samplers.BaseSampler:
    # No seed: processes that share a sweep would all draw the same first trials.
    if recipe.sweep.sampler == "random":
        return optuna.samplers.RandomSampler()
    return optuna.samplers.TPESampler()


def _pruner(recipe: Recipe) -> optuna.pruners.BasePruner:
    if recipe.sweep.pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(min_resource=max(recipe.sweep.warmup, 1), max_resource=recipe.run.epochs)
    if recipe.sweep.pruner == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=recipe.sweep.warmup)
    return optuna.pruners.NopPruner()


def absolute(plan: Plan) -> Plan:
    """Return a plan whose paths hold from any working folder, for workers elsewhere."""
    return replace(plan, inputs=plan.inputs.anywhere(), out=plan.out.resolve())
