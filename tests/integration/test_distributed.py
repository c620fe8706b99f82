"""Several processes train as one does, and a process that is killed loses nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from tests.fixtures.tables import spots

pytest.importorskip("lightning")

import torch

from mien.cli.main import main
from mien.curation.table import Table
from mien.errors import MienError
from mien.training import figures, recipe, run
from mien.training.job import Inputs

pytestmark = pytest.mark.filterwarnings("ignore")
RECIPE: dict[str, Any] = {
    "task": "expression",
    "name": "shared",
    "seed": 5,
    # Layer norms, not batch norms, and nothing random: then two processes compute what one does, up to rounding.
    "crops": {"size": 32, "channels": 3},
    "model": {"backbone": "timm:test_convnext"},
    "heads": {"expression7": {"labels": "ekman7"}},
    "optim": {"lr": 0.02},
    "run": {
        "epochs": 3, "batch_size": 14, "precision": "32-true", "accelerator": "cpu", "threads": 1, "ema": 0,
        "trackers": [],
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    return spots(tmp_path_factory.mktemp("spots"), side=32)


def written(folder: Path, **changes: Any) -> Path:
    path = folder / "recipe.toml"
    path.write_text(tomlkit.dumps({**RECIPE, **changes}), encoding="utf-8")
    return path


def words(path: Path, table: Table, out: Path) -> list[str]:
    return [str(Path(sys.executable).with_name("mien")), "train", str(path), "-t", str(table.path), "-o", str(out)]


def curve(out: Path, key: str) -> tuple[float, ...]:
    return tuple(figures.logged((out / "log").glob("*/metrics.csv"))[key][1])


def weights(out: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = torch.load(out / "last.ckpt", weights_only=True)["state_dict"]
    return found


def test_two_processes_of_torchrun_have_the_loss_curve_of_one_at_the_same_global_batch(
    table: Table, tmp_path: Path
) -> None:
    path = written(tmp_path)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*launcher, *words(path, table, tmp_path / "two")],
        capture_output=True, text=True, timeout=1500, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("next: mien export") == 1
    run.train(recipe.load(path), Inputs(table.path), tmp_path / "one", progress=False)
    for key in ("train/loss", "train/expression7_accuracy", "val/loss", "val/accuracy"):
        assert len(curve(tmp_path / "one", key)) == 3
        assert curve(tmp_path / "two", key) == pytest.approx(curve(tmp_path / "one", key), rel=1e-4)
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert one.keys() == two.keys()
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-3, atol=1e-4, msg=name)


@pytest.mark.slow
def test_workers_of_ray_train_have_that_curve_too_and_tell_what_stopped_them(table: Table, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    from mien.training import ray_train

    chosen = recipe.load(written(tmp_path), ["run.epochs=2"])
    ray_train.train(chosen, Inputs(table.path), tmp_path / "ray", workers=2)
    run.train(chosen, Inputs(table.path), tmp_path / "one", progress=False)
    assert curve(tmp_path / "ray", "val/loss") == pytest.approx(curve(tmp_path / "one", "val/loss"), rel=1e-4)
    with pytest.raises(MienError, match="already holds a run"):
        ray_train.train(chosen, Inputs(table.path), tmp_path / "ray", workers=2)


@pytest.mark.slow
def test_workers_of_ray_share_the_trials_of_a_sweep(table: Table, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    from mien.training import sweep

    space = {"optim.lr": {"low": 1e-3, "high": 0.1, "log": True}, "optim.name": {"choices": ["sgd", "adamw"]}}
    path = written(tmp_path, sweep={"space": space}, run=RECIPE["run"] | {"epochs": 1})
    out = tmp_path / "sweep"
    where = ["--on", "ray", "--workers", "2"]
    with pytest.raises(SystemExit) as ended:
        main(["train", "sweep", str(path), "-t", str(table.path), "-o", str(out), "--trials", "4", *where])
    assert ended.value.code == 0
    study = sweep.open_study(sweep.Plan(recipe.load(path), Inputs(table.path), out, 4))
    trials = study.get_trials()
    assert len(trials) in (4, 5), "both may begin the last one at the same moment"
    assert {trial.state.name for trial in trials} <= {"COMPLETE", "PRUNED"}
    best = recipe.load(out / "best.toml")
    assert best.optim.lr == pytest.approx(study.best_params["optim.lr"])
    assert [p.name for p in sorted(out.glob("trial-*"))] == [f"trial-{trial.number:04d}" for trial in trials]


def test_a_process_killed_in_the_middle_of_an_epoch_goes_on_to_the_weights_of_an_unbroken_run(
    table: Table, tmp_path: Path
) -> None:
    augment = {"flip": 0.5, "rotate": 10, "mixup": 0.2, "erase": 0.3}
    settings = RECIPE["run"] | {"epochs": 40, "ema": 0.9}
    path = written(tmp_path, augment=augment, run=settings)
    broken = tmp_path / "broken"
    with subprocess.Popen(
        words(path, table, broken), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("epoch 3/"):
                break
        time.sleep(0.1)
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert torch.load(broken / "last.ckpt", weights_only=True)["epoch"] < 39
    chosen = recipe.load(path)
    run.train(chosen, Inputs(table.path), broken, resume=True, progress=False)
    run.train(chosen, Inputs(table.path), tmp_path / "whole", progress=False)
    one, two = weights(tmp_path / "whole"), weights(broken)
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=0, atol=0, msg=name)
