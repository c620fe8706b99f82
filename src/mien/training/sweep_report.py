"""What a sweep found: the best recipe as TOML, which settings mattered, and how the trials went."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import tomlkit
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import FrozenTrial, TrialState

from mien import charts, html
from mien.training.sweep import Plan, settings


@dataclass(frozen=True)
class Found:
    """What a sweep has found so far.

    Attributes:
        monitor: the figure that is sought.
        value: of the best trial.
        best: its number.
        settings: what it changes in the recipe.
        importance: share of each key in the differences between trials (Watanabe et al. 2023), largest first; empty
            below four finished trials.
        trials: number, state, value, settings, epochs seen and error of each.
    """

    monitor: str
    value: float
    best: int
    settings: dict[str, Any]
    importance: dict[str, float]
    trials: list[dict[str, Any]]


def read(plan: Plan, study: optuna.Study) -> Found:
    """Read a study's trials; at least one must be complete."""
    trials = study.get_trials(deepcopy=False)
    best = study.best_trial
    return Found(
        monitor=plan.monitor,
        value=float(best.value or 0.0),
        best=best.number,
        settings=settings(plan.recipe, best.params),
        importance=_importance(study),
        trials=[_plain(plan, trial) for trial in trials],
    )


def write(found: Found, text: str, changes: Mapping[str, Any], out: Path) -> None:
    """Write ``best.toml``, ``sweep.json`` and ``sweep.html`` into a folder.

    Args:
        found: by the sweep.
        text: the recipe's TOML; its comments stay.
        changes: made to it on the command line, by dotted key.
        out: folder.
    """
    (out / "best.toml").write_text(recipe_text(text, {**changes, **found.settings}), encoding="utf-8")
    (out / "sweep.json").write_text(json.dumps(asdict(found), indent=2) + "\n", encoding="utf-8")
    (out / "sweep.html").write_text(page(found), encoding="utf-8")


def recipe_text(text: str, changes: Mapping[str, Any]) -> str:
    """Return a recipe's TOML with changed values and without its sweep; everything else stays as it was written."""
    document = tomlkit.parse(text)
    document.pop("sweep", None)
    for key, value in changes.items():
        *parents, last = key.split(".")
        place: Any = document
        for parent in parents:
            place = place.setdefault(parent, tomlkit.table())
        place[last] = value
    return tomlkit.dumps(document)


def page(found: Found) -> str:
    """Return the sweep as a page: history, importance, trials."""
    done = [trial for trial in found.trials if trial["state"] == "complete"]
    numbers, values = [float(t["number"]) for t in done], [float(t["value"]) for t in done]
    better = np.minimum if found.monitor.endswith("loss") else np.maximum
    low, high = min(values), max(values)
    room = (high - low or 0.1) * 0.1
    history = charts.lines(
        [("trial", numbers, values), ("best so far", numbers, list(better.accumulate(values)))],
        x_name="trial",
        y_name=found.monitor,
        x_range=(0.0, max(numbers[-1], 1.0)),
        y_range=(low - room, high + room),
        dots=True,
    )
    parts = [
        html.cards(
            [
                ("best", f"{found.value:.4f}", f"trial {found.best}"),
                ("trials", str(len(found.trials)), f"{len(done)} to their end"),
            ]
        ),
        html.section("History", history),
    ]
    if found.importance:
        shares = list(found.importance.values())
        parts.append(html.section("Importance", charts.bars(list(found.importance), shares)))
    keys = list(found.settings)
    rows = [
        [str(t["number"]), t["state"], "" if t["value"] is None else f"{t['value']:.4f}", str(t["epochs"])]
        + [_short(t["settings"].get(key)) for key in keys]
        + [t["error"] or ""]
        for t in sorted(found.trials, key=lambda t: _rank(t, found.monitor))
    ]
    parts.append(html.section("Trials", html.table(["trial#", "state", "value#", "epochs#", *keys, "why not"], rows)))
    return html.page(f"Sweep of {found.monitor}", parts)


def _importance(study: optuna.Study) -> dict[str, float]:
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(done) < 4 or len({trial.value for trial in done}) < 2:
        return {}
    shares = optuna.importance.get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    return {key: float(share) for key, share in shares.items() if math.isfinite(share)}


def _plain(plan: Plan, trial: FrozenTrial) -> dict[str, Any]:
    last = trial.intermediate_values[max(trial.intermediate_values)] if trial.intermediate_values else None
    return {
        "number": trial.number,
        "state": trial.state.name.lower(),
        "value": last if trial.value is None else trial.value,
        "settings": settings(plan.recipe, trial.params),
        "epochs": max(trial.intermediate_values, default=-1) + 1,
        "seconds": None if trial.duration is None else round(trial.duration.total_seconds(), 1),
        "error": trial.user_attrs.get("error"),
    }


def _rank(trial: Mapping[str, Any], monitor: str) -> tuple[bool, float]:
    value = trial["value"]
    if value is None:
        return True, 0.0
    return False, value if monitor.endswith("loss") else -value


def _short(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
