from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from mien.curation.table import Table
from mien.errors import DataError, RecipeError
from mien.training.crossval import _classes, crossval
from mien.training.data import fold, load_split
from mien.training.job import Fold, Inputs
from mien.training.recipe import parse
from mien.training.targets import Target

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*LeafSpec.*:FutureWarning",
    "ignore:.*Checkpoint directory.*exists and is not empty",
    "ignore:The number of training batches.*is smaller than the logging interval",
    "ignore:.*does not have many workers",
)


def test_every_row_is_judged_once_and_subjects_are_never_on_both_sides(table: Table) -> None:
    split = load_split(table, "train", {"e": Target("ekman7", "label")}, size=16, channels=1)
    judged: list[int] = []
    for index in range(4):
        train, val = fold(split, "e", Fold(index, 4), seed=1)
        assert not set(train.groups) & set(val.groups)
        assert len(train) + len(val) == len(split)
        judged.append(len(val))
        counts = np.bincount(val.hard["e"].numpy(), minlength=7)
        assert counts.max() - counts.min() <= 3
    assert sum(judged) == len(split)


def test_more_folds_than_subjects_are_refused(table: Table) -> None:
    split = load_split(table, "train", {"e": Target("ekman7", "label")}, size=16, channels=1)
    with pytest.raises(DataError, match="50 folds need"):
        fold(split, "e", Fold(0, 50), seed=1)


def test_mean_and_spread_are_those_of_the_folds_and_done_folds_are_kept(
    plain: dict[str, Any], table: Table, tmp_path: Path
) -> None:
    recipe = parse(plain, ["run.epochs=1"])
    with pytest.raises(RecipeError, match="at least 2 folds"):
        crossval(recipe, Inputs(table.path), tmp_path, 1)
    found = crossval(recipe, Inputs(table.path), tmp_path, 2, progress=False)
    values = [metrics["val/loss"] for metrics in found.folds]
    assert found.mean["val/loss"] == pytest.approx(np.mean(values))
    assert found.sd["val/loss"] == pytest.approx(np.std(values, ddof=1))
    assert list(found.classes) == ["expression", "expression7"]
    recalls = [figures["recall"] for figures in found.classes["expression7"].values()]
    balanced = np.mean([one.mean for one in recalls])
    assert balanced == pytest.approx(found.mean["val/expression7_balanced"], abs=1e-6)
    assert {one.count for one in recalls} == {2}
    assert json.loads((tmp_path / "crossval.json").read_text(encoding="utf-8"))["mean"] == pytest.approx(found.mean)
    before = (tmp_path / "fold-0" / "best.ckpt").stat().st_mtime_ns
    again = crossval(recipe, Inputs(table.path), tmp_path, 2, progress=False)
    assert again.folds == found.folds
    assert (tmp_path / "fold-0" / "best.ckpt").stat().st_mtime_ns == before


def test_figures_of_a_label_are_scikit_learns_with_mean_and_spread_over_folds() -> None:
    rng = np.random.default_rng(4)
    folds = [(rng.integers(0, 4, 60), rng.integers(0, 4, 60)) for _ in range(3)]
    # In the last fold label 3 holds but is never answered, and label 0 neither holds nor is answered.
    folds[2] = (rng.integers(1, 4, 60), rng.integers(1, 3, 60))
    matrices = [confusion_matrix(true, said, labels=range(4)).tolist() for true, said in folds]
    found = _classes(["a", "b", "c", "d"], matrices)
    each = [precision_recall_fscore_support(t, s, labels=range(4), zero_division=0)[:3] for t, s in folds]
    for number, label in enumerate("abcd"):
        known = each[:2] if label == "a" else each
        for place, figure in enumerate(("precision", "recall", "f1")):
            values = [one[place][number] for one in known]
            assert found[label][figure].mean == pytest.approx(np.mean(values))
            assert found[label][figure].sd == pytest.approx(np.std(values, ddof=1))
            assert found[label][figure].count == len(known)
