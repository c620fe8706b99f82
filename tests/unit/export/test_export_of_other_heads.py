"""Heads that do not answer with one label are exported as what they are, with thresholds tuned on `val`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score
from tests.fixtures.tables import spots

from mien import manifest
from mien.curation.table import Table
from mien.export import run as exporting
from mien.imaging import image as imaging
from mien.manifest import Manifest
from mien.recognition.expression import ExpressionModel
from mien.training import run
from mien.training.job import Inputs
from mien.training.recipe import parse

pytestmark = pytest.mark.filterwarnings("ignore")
RECIPE: dict[str, Any] = {
    "task": "expression",
    "name": "all",
    "crops": {"size": 16},
    "model": {"options": {"widths": [8, 16], "blocks": [1, 1]}},
    "heads": {
        "units": {"labels": "rafau18", "target": "present"},
        "expression7": {"labels": "ekman7", "evidence": "units"},
        "strengths": {"labels": "rafau18", "target": "values"},
        "feeling": {"labels": "affect2", "target": "affect"},
    },
    "run": {"epochs": 4, "batch_size": 14, "precision": "32-true", "accelerator": "cpu", "threads": 1, "ema": 0},
}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    return spots(tmp_path_factory.mktemp("spots"))


@pytest.fixture(scope="module")
def folder(table: Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("kinds")
    best = run.train(parse(RECIPE), Inputs(table.path), home / "run", progress=False).best
    exporting.export(best, table.path, home / "model")
    return home / "model"


@pytest.fixture(scope="module")
def made(folder: Path) -> Manifest:
    return manifest.read(folder)


def test_kinds_are_those_of_the_targets_and_a_face_is_called_by_the_head_of_one_label(made: Manifest) -> None:
    kinds = {head.name: head.kind for head in made.heads}
    assert kinds == {"units": "multi", "expression7": "single", "strengths": "value", "feeling": "value"}
    assert made.primary == "expression7"
    assert [head.name for head in made.heads if head.temperature != 1.0] == ["expression7"]
    assert [head.name for head in made.heads if head.conformal_90 is not None] == ["expression7"]


def test_thresholds_have_the_best_f1_on_val_and_say_which_labels_hold(
    folder: Path, made: Manifest, table: Table
) -> None:
    rows = table.read(split="val").to_pydict(maps_as_pydicts="strict")
    truth = np.array([votes["rafau18"] for votes in rows["other_votes"]]) > 0
    crops = np.stack([imaging.read(table.root / name) for name in rows["image"]])
    scores = ExpressionModel(folder).predict(crops)["units"]
    head = made.head("units")
    for column, label in enumerate(head.labels):
        found = f1_score(truth[:, column], scores.values[:, column] >= np.float32(head.thresholds[label]))
        best = max(f1_score(truth[:, column], scores.values[:, column] >= t) for t in scores.values[:, column])
        assert found == pytest.approx(best, abs=1e-9), label
    limits = np.array([head.thresholds[label] for label in head.labels], np.float32)
    assert scores.held is not None
    np.testing.assert_array_equal(scores.held, scores.values >= limits)
    assert scores.to_dict(0)["holds"] == [
        n for n, v, t in zip(head.labels, scores.values[0], limits, strict=True) if v >= t
    ]

    default = {
        (m.head, m.name): m.value for m in made.metrics if m.precision == made.default and "flip" not in m.protocol
    }
    expected = np.mean([average_precision_score(truth[:, c], scores.values[:, c]) for c in range(truth.shape[1])])
    assert default["units", "map"] == pytest.approx(expected, abs=1e-6)
    assert {("feeling", "ccc"), ("strengths", "rmse"), ("expression7", "accuracy")} <= default.keys()
