from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader
from typer.testing import CliRunner

from mien.cli.main import app
from mien.curation.table import Table
from mien.errors import RecipeError
from mien.training.find_lr import _Climb, _read, find, picture, smoothed
from mien.training.job import Inputs, Job
from mien.training.recipe import parse

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers",
    "ignore:.*LeafSpec.*:FutureWarning",
    "ignore:.*fit_loop.*",
    "ignore:.*epoch.*",
)


class Bowl(LightningModule):
    """Half of curvature times the squared distance to zero: plain gradient steps diverge above 2 / curvature."""

    def __init__(self, curvature: float) -> None:
        super().__init__()
        self.curvature, self.w = curvature, nn.Parameter(torch.ones(4))

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        return 0.5 * self.curvature * self.w.square().sum()

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD([{"params": [self.w], "lr": 0.1}])


class Nothing(LightningDataModule):
    def train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(torch.zeros(500, 1), batch_size=1)


def bowl(curvature: float) -> Job:
    return Job(Bowl(curvature), Nothing(), {}, "")


@pytest.mark.parametrize("curvature", [0.5, 8.0, 200.0])
def test_on_a_bowl_the_loss_explodes_above_two_over_the_curvature_and_the_suggestion_lies_below(
    plain: dict[str, Any], curvature: float
) -> None:
    edge = 2 / curvature
    found = find(parse(plain), Inputs(), low=edge * 1e-4, high=edge * 1e3, steps=120, job=bowl(curvature))
    assert found.exploded
    assert edge < found.rates[-1] < 20 * edge
    assert edge / 200 < found.suggestion < edge


def test_below_the_edge_nothing_explodes_and_all_rates_are_tried(plain: dict[str, Any]) -> None:
    found = find(parse(plain), Inputs(), low=1e-5, high=1e-2, steps=30, job=bowl(1.0))
    assert not found.exploded
    np.testing.assert_allclose(found.rates, np.geomspace(1e-5, 1e-2, 30))
    assert (np.diff(found.losses) < 0).all()


@pytest.mark.parametrize("seed", range(4))
def test_batches_that_differ_much_do_not_move_the_suggestion_from_where_the_loss_falls(seed: int) -> None:
    climb = _Climb(1e-4, 10.0, 100)
    decades = np.log10(1e-4 * climb.factors)
    noise = np.random.default_rng(seed).normal(0, 0.3, 100) * (decades > -1.3)
    falling = 2 - 1.2 / (1 + np.exp(-6 * (decades + 1))) + np.exp(8 * (decades - 0.6))
    climb.losses = (falling + noise).tolist()
    assert abs(np.log10(_read(climb).suggestion) + 1) < 0.5


def test_the_smoothed_loss_is_the_weighted_mean_of_what_was_seen() -> None:
    losses = np.random.default_rng(1).random(30)
    for step, value in enumerate(smoothed(losses)):
        weights = 0.9 ** np.arange(step, -1, -1)
        assert value == pytest.approx(np.average(losses[: step + 1], weights=weights))


@pytest.mark.parametrize(
    ("given", "said"),
    [({"low": 1.0, "high": 0.1}, "must rise"), ({"low": 0.0}, "must rise"), ({"steps": 3}, "at least 20")],
)
def test_ranges_that_cannot_be_climbed_are_refused(plain: dict[str, Any], given: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        find(parse(plain), Inputs(), **given)


def test_the_command_suggests_a_rate_and_draws_the_curve(table: Table, recipe_file: Path, tmp_path: Path) -> None:
    small = ["crops.size=16", "model.options={widths=[8], blocks=[1]}", "run.batch_size=14", "optim.layer_decay=0.5"]
    overrides = [word for change in small for word in ("--set", change)]
    words = ["train", "find-lr", str(recipe_file), "--table", str(table.path), "-o", str(tmp_path), "--steps", "25"]
    result = CliRunner().invoke(app, [*words, *overrides, "--set", "run.precision=32-true"])
    assert result.exit_code == 0, result.output
    saved = json.loads((tmp_path / "find-lr.json").read_text(encoding="utf-8"))
    assert f"optim.lr={saved['suggestion']:.2g}" in result.output
    assert saved["rates"][0] == pytest.approx(1e-5)
    assert (tmp_path / "find-lr.svg").read_text(encoding="utf-8").startswith("<svg")


def test_the_picture_marks_the_suggestion(plain: dict[str, Any]) -> None:
    found = find(parse(plain), Inputs(), low=1e-4, high=1e3, steps=40, job=bowl(2.0))
    assert f"suggestion {found.suggestion:.2g}" in picture(found)
