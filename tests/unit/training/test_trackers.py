from __future__ import annotations

import json
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("mlflow")
pytest.importorskip("tensorboard")
pytest.importorskip("wandb")

from mien.curation.table import Table
from mien.errors import RecipeError
from mien.training import figures, run
from mien.training.job import Inputs
from mien.training.recipe import parse

# What the trackers' own libraries warn about is none of this project's business.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def local() -> Any:
    """Settings of a developer's own servers must not reach the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "WANDB_MODE", "WANDB_PROJECT"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture
def tracked(plain: dict[str, Any], table: Table, tmp_path: Path, local: None) -> Path:
    recipe = parse(plain, ["run.trackers=['mlflow', 'tensorboard', 'wandb']"])
    run.train(recipe, Inputs(table.path, limit=28), tmp_path / "runs" / "one", progress=False)
    run.train(recipe, Inputs(table.path, limit=28), tmp_path / "runs" / "one", resume=True, progress=False)
    return tmp_path / "runs" / "one"


def test_every_tracker_holds_figures_settings_and_pictures_and_a_resumed_run_stays_one(tracked: Path) -> None:
    from mlflow import MlflowClient
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    names = json.loads((tracked / "trackers.json").read_text())
    logged = figures.logged((tracked / "log").glob("*/metrics.csv"))
    epochs = logged["val/loss"][0]
    assert epochs == (0.0, 1.0)

    client = MlflowClient(f"sqlite:///{tracked.parent / 'mlflow.db'}")
    (found,) = client.search_runs([client.get_experiment_by_name("mien").experiment_id])  # type: ignore[union-attr]
    assert found.info.run_id == names["mlflow"]
    assert found.info.status == "FINISHED"
    assert found.data.params["optim/lr"] == "0.05"
    assert found.data.metrics["val/loss"] == pytest.approx(logged["val/loss"][1][-1], rel=1e-5)
    images = [item.path for item in client.list_artifacts(found.info.run_id, "images")]
    assert any("confusion" in path and "expression7" in path for path in images)
    assert any("curves" in path for path in images)

    board = EventAccumulator(str(tracked / "tensorboard"), size_guidance={"images": 0, "scalars": 0}).Reload()
    assert [event.value for event in board.Scalars("val/loss")] == pytest.approx(list(logged["val/loss"][1]), rel=1e-5)
    assert {"confusion/expression", "confusion/expression7", "curves"} <= set(board.Tags()["images"])

    offline = list((tracked / "wandb").glob(f"offline-run-*-{names['wandb']}"))
    assert offline
    assert any(list(folder.glob("files/media/images/confusion/expression7*.png")) for folder in offline)
    assert all(list(folder.glob("*.wandb")) for folder in offline)


def test_a_tracker_that_nobody_knows_is_named_with_its_neighbour(plain: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match=r"no tracker named 'mlfow'\. Did you mean 'mlflow'"):
        parse(plain, ["run.trackers=['mlfow']"])


def test_a_confusion_matrix_is_darkest_where_its_rows_are_largest() -> None:
    picture = figures.confusion(np.array([[9, 1], [5, 5]]), ["a", "b"])
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    height, width = picture.shape[:2]
    # Blue of the left upper cell against the right upper one, beside the numbers.
    left, right = picture[height // 5, width // 3], picture[height // 5, 4 * width // 5]
    assert int(left.sum()) < int(right.sum())


def test_the_last_of_two_values_of_an_epoch_counts_and_what_is_no_number_is_left_out(tmp_path: Path) -> None:
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text("epoch,step,val/loss\n0,3,1.5\n1,6,nan\n1,6,1.25\n")
    second.write_text("epoch,step,val/loss\n1,6,1.0\n2,9,0.5\n")
    assert figures.logged([first, second]) == {"val/loss": ((0.0, 1.0, 2.0), (1.5, 1.0, 0.5))}
    assert figures.curves(figures.logged([first, second])).ndim == 3


def _open_store(folder: str) -> str:
    os.environ.pop("MLFLOW_TRACKING_URI", None)  # MLflow leaves the store of an earlier run there
    from mien.training.trackers.mlflow import MLflow

    return MLflow(Path(folder).name, Path(folder), None).identity()


def test_runs_that_begin_at_the_same_time_make_one_store_together(tmp_path: Path, local: None) -> None:
    from mlflow import MlflowClient

    (tmp_path / "runs").mkdir()
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        begun = list(pool.map(_open_store, [str(tmp_path / "runs" / name) for name in ("one", "two")]))
    client = MlflowClient(f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}")
    (experiment,) = [found for found in client.search_experiments() if found.name == "mien"]
    assert {run.info.run_id for run in client.search_runs([experiment.experiment_id])} == set(begun)
