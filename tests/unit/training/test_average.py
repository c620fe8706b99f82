from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from mien.curation.table import Table
from mien.errors import RecipeError
from mien.training import checkpoint
from mien.training.average import average
from mien.training.job import Inputs
from mien.training.recipe import parse
from mien.training.run import train
from mien.training.tasks import expression

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def courses(plain: dict[str, Any], table: Table, tmp_path: Path) -> list[Path]:
    """Two checkpoints, the second of which began where the first ended."""
    first = train(parse(plain), Inputs(table.path), tmp_path / "first", progress=False).best
    on = plain | {"model": {**plain["model"], "start": str(first)}, "seed": 9}
    return [first, train(parse(on), Inputs(table.path), tmp_path / "second", progress=False).best]


def test_weights_are_the_mean_by_shares_and_norms_are_those_of_the_data(
    courses: list[Path], table: Table, tmp_path: Path
) -> None:
    figures = average(courses, [1.0, 3.0], table, tmp_path / "mean")
    one, two, made = (checkpoint.load(path) for path in (*courses, tmp_path / "mean/best.ckpt"))
    states = [each.network.state_dict() for each in (one, two, made)]
    for name, _ in made.network.named_parameters():
        torch.testing.assert_close(states[2][name], 0.25 * states[0][name] + 0.75 * states[1][name])
    train_split, _ = expression.load_splits(made.recipe, table)  # type: ignore[arg-type]
    stem = made.network.backbone.stem[0]  # type: ignore[union-attr, index]
    with torch.no_grad():
        seen = stem[0](made.network.prepare(train_split.images))  # type: ignore[operator]
    torch.testing.assert_close(stem[1].running_mean, seen.mean(dim=(0, 2, 3)), atol=1e-4, rtol=1e-3)
    assert figures == made.metrics
    assert 0.0 <= figures["val/expression7_accuracy"] <= 1.0
    assert made.recipe.averaged == tuple(map(str, courses))  # type: ignore[attr-defined]
    assert made.labels == two.labels


def test_other_networks_and_wrong_shares_are_refused(
    courses: list[Path], plain: dict[str, Any], table: Table, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match="two checkpoints or more and a share of each"):
        average(courses, [1.0], table, tmp_path / "mean")
    with pytest.raises(RecipeError, match="must not be negative"):
        average(courses, [1.0, -1.0], table, tmp_path / "mean")
    wider = plain | {"model": {"options": {"widths": [8, 24], "blocks": [1, 1]}}}
    other = train(parse(wider), Inputs(table.path), tmp_path / "other", progress=False).best
    with pytest.raises(RecipeError, match="are not of one network"):
        average([courses[0], other], [1.0, 1.0], table, tmp_path / "mean")
