from __future__ import annotations

import json
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import optuna
import pytest
import tomlkit
from optuna.trial import TrialState

from mien.curation.table import Table
from mien.errors import MienError, RecipeError
from mien.training import recipe, sweep, sweep_report
from mien.training.job import Inputs
from mien.training.recipe import parse

pytestmark = pytest.mark.filterwarnings("ignore")

SPACE = {"space": {"optim.lr": {"low": 1e-3, "high": 0.1, "log": True}, "optim.name": {"choices": ["sgd", "adamw"]}}}


@pytest.fixture
def searched(plain: dict[str, Any]) -> dict[str, Any]:
    return plain | {"sweep": SPACE, "run": plain["run"] | {"epochs": 1, "ema": 0}, "augment": {}}


def plan(data: dict[str, Any], table: Table, out: Path, trials: int = 3) -> sweep.Plan:
    return sweep.Plan(parse(data), Inputs(table.path, limit=28), out, trials)


def test_two_processes_share_the_trials_of_one_sweep_and_the_best_recipe_is_written(
    searched: dict[str, Any], table: Table, tmp_path: Path
) -> None:
    path, out = tmp_path / "recipe.toml", tmp_path / "sweep"
    text = "# kept\n" + tomlkit.dumps(searched)
    path.write_text(text, encoding="utf-8")
    own = sweep.Plan(recipe.load(path), Inputs(table.path, limit=28), out, 6)
    study = sweep.open_study(own)
    words = ["train", "sweep", str(path), "--table", str(table.path), "-o", str(out), "--trials", "6", "--limit", "28"]
    with subprocess.Popen(
        [sys.executable, "-c", "from mien.cli.main import main; main()", *words],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as other:  # fmt: skip
        deadline = time.monotonic() + 240
        while not study.get_trials(deepcopy=False) and other.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        tried = sweep.work(own)
        said, _ = other.communicate(timeout=240)
    assert other.returncode == 0, said
    trials = study.get_trials()
    # Both may begin the last one at the same moment.
    assert len(trials) in (6, 7)
    assert 1 <= tried < len(trials)
    assert sorted(p.name for p in out.glob("trial-*")) == [f"trial-{t.number:04d}" for t in trials]
    assert all(t.state in (TrialState.COMPLETE, TrialState.PRUNED) for t in trials)

    found = sweep_report.read(own, study)
    sweep_report.write(found, text, {}, out)
    complete = [t for t in trials if t.state is TrialState.COMPLETE]
    assert found.value == max(t.value for t in complete if t.value is not None)
    best = (out / "best.toml").read_text()
    assert best.startswith("# kept")
    chosen = recipe.load(out / "best.toml")
    assert chosen.optim.lr == found.settings["optim.lr"]
    assert chosen.sweep.space == {}
    page = (out / "sweep.html").read_text()
    assert all(f"<td>{trial.params['optim.name']}</td>" in page for trial in complete)
    assert json.loads((out / "sweep.json").read_text())["best"] == found.best


def test_a_trial_that_falls_behind_is_stopped_early(searched: dict[str, Any], table: Table, tmp_path: Path) -> None:
    searched["run"]["epochs"] = 6
    own = plan(searched, table, tmp_path, trials=6)
    study = sweep.open_study(own)
    space = {
        "optim.lr": optuna.distributions.FloatDistribution(1e-3, 0.1, log=True),
        "optim.name": optuna.distributions.CategoricalDistribution(["sgd", "adamw"]),
    }
    for _ in range(5):
        study.add_trial(
            optuna.create_trial(
                value=1.0,
                params={"optim.lr": 0.05, "optim.name": "sgd"},
                distributions=space,
                intermediate_values=dict.fromkeys(range(6), 1.0),
            )
        )
    assert sweep.work(own) == 1
    last = study.get_trials()[-1]
    assert last.state is TrialState.PRUNED
    assert max(last.intermediate_values) == 1  # after the warm-up epoch, long before the sixth


def test_a_trial_of_a_process_that_died_is_tried_again(
    searched: dict[str, Any], table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "BEAT", 1)
    monkeypatch.setattr(sweep, "GRACE", 1)
    own = plan(searched, table, tmp_path, trials=1)
    study = sweep.open_study(own)
    dead = study.ask({"optim.lr": optuna.distributions.FloatDistribution(1e-3, 0.1, log=True)})
    study._storage.record_heartbeat(dead._trial_id)  # type: ignore[attr-defined]
    time.sleep(2.5)
    assert sweep.work(own) == 1
    first, second = study.get_trials()
    assert (first.state, second.state) == (TrialState.FAIL, TrialState.COMPLETE)
    assert second.params["optim.lr"] == first.params["optim.lr"]
    assert (tmp_path / "trial-0000" / "best.ckpt").exists()


def test_a_trial_that_cannot_run_is_recorded_with_its_reason_and_counts(
    searched: dict[str, Any], table: Table, tmp_path: Path
) -> None:
    searched["sweep"] = {"space": {"crops.size": {"choices": [32]}}}
    own = plan(searched, table, tmp_path, trials=1)
    with pytest.raises(RecipeError, match=r"every trial of the sweep failed; the last one: .*16x16"):
        sweep.work(own)
    (trial,) = sweep.open_study(own).get_trials()
    assert trial.state is TrialState.FAIL


def test_what_cannot_be_searched_is_said_before_anything_runs(
    searched: dict[str, Any], table: Table, tmp_path: Path
) -> None:
    def opened(changes: dict[str, Any]) -> None:
        sweep.open_study(plan(searched | changes, table, tmp_path / "s"))

    with pytest.raises(RecipeError, match=r"nothing to search.*\[sweep.space\]"):
        opened({"sweep": {}})
    with pytest.raises(RecipeError, match=r"sweep.space 'optim.l': no recipe key 'optim.l'. Did you mean 'optim.lr'"):
        opened({"sweep": {"space": {"optim.l": {"choices": [1]}}}})
    with pytest.raises(RecipeError, match="low must be below high"):
        opened({"sweep": {"space": {"optim.lr": {"low": 1.0, "high": 0.1}}}})
    with pytest.raises(MienError, match="cannot open the sweep's database 'nosuch://x'"):
        sweep.open_study(sweep.Plan(parse(searched), Inputs(table.path), tmp_path / "t", 1, "nosuch://x"))
    opened({})
    with pytest.raises(RecipeError, match=r"another recipe \(it differs in: seed\)"):
        opened({"seed": 9})


def test_lists_are_choices_too_and_best_recipes_keep_the_rest_of_the_file(
    searched: dict[str, Any], table: Table, tmp_path: Path
) -> None:
    searched["sweep"] = {"space": {"model.options.widths": {"choices": [[8, 16], [4, 8]]}}}
    chosen = parse(searched)
    assert sweep.settings(chosen, {"model.options.widths": "[4, 8]"}) == {"model.options.widths": [4, 8]}
    text = (
        '# why\n[model]\noptions = { widths = [8, 16], blocks = [1, 1] } # sizes\n[sweep.space]\n"a.b" = { low = 1 }\n'
    )
    written = sweep_report.recipe_text(text, {"model.options.widths": [4, 8], "optim.lr": 0.5})
    assert tomllib.loads(written) == {
        "model": {"options": {"widths": [4, 8], "blocks": [1, 1]}},
        "optim": {"lr": 0.5},
    }
    assert "# why" in written
    assert "# sizes" in written
