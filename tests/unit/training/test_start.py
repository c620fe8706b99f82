from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from mien.curation.table import Table
from mien.errors import ModelError, RecipeError
from mien.training import checkpoint
from mien.training.job import Inputs, Job
from mien.training.recipe import parse
from mien.training.run import train
from mien.training.tasks import expression

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def trained(table: Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of one short run with two heads."""
    recipe = {
        "task": "expression",
        "name": "first",
        "crops": {"size": 16},
        "model": {"options": {"widths": [8, 16], "blocks": [1, 1]}},
        "heads": {"votes": {"labels": "ferplus8", "target": "votes"}, "label": {"labels": "ekman7"}},
        "run": {"epochs": 1, "batch_size": 14, "precision": "32-true", "accelerator": "cpu", "threads": 1},
    }
    return train(parse(recipe), Inputs(table.path), tmp_path_factory.mktemp("first"), progress=False).best


def fine_tuned(plain: dict[str, Any], table: Table, start: Path, **heads: dict[str, str]) -> Job:
    data = plain | {"model": {**plain["model"], "start": str(start)}, "heads": heads}
    return expression.build(parse(data), Inputs(table.path))  # type: ignore[arg-type]


def weights(job: Job) -> dict[str, Tensor]:
    found: dict[str, Tensor] = job.module.network.state_dict()  # type: ignore[union-attr,operator]
    return found


def test_backbone_and_heads_of_the_same_labels_go_on_and_others_start_afresh(
    plain: dict[str, Any], table: Table, trained: Path
) -> None:
    before = checkpoint.load(trained).network.state_dict()
    job = fine_tuned(plain, table, trained, votes={"labels": "ekman7"}, label={"labels": "ekman7"})
    after = weights(job)
    for key, value in before.items():
        same = after[key].shape == value.shape and torch.equal(after[key], value)
        assert same != key.startswith("heads.votes."), key
    assert job.summary["fine-tunes"] == f"{trained} (heads: label)"


def test_a_run_goes_on_from_there(plain: dict[str, Any], table: Table, trained: Path, tmp_path: Path) -> None:
    still = plain["optim"] | {"lr": 1e-9}
    heads = {"label": {"labels": "ekman7"}}
    data = plain | {"model": {**plain["model"], "start": str(trained)}, "heads": heads, "optim": still, "augment": {}}
    data["run"] = plain["run"] | {"epochs": 1, "ema": 0}
    done = checkpoint.load(train(parse(data), Inputs(table.path), tmp_path / "on", progress=False).best)
    first = checkpoint.load(trained).network.state_dict()
    for name, value in done.network.named_parameters():
        torch.testing.assert_close(value, first[name], atol=1e-5, rtol=0)


def test_another_backbone_is_refused_by_the_first_layer_that_differs(
    plain: dict[str, Any], table: Table, trained: Path
) -> None:
    other = plain | {"model": {"options": {"widths": [8, 32], "blocks": [1, 1]}}}
    with pytest.raises(RecipeError, match=r"is not that of this recipe; they differ first in 'backbone\..*1\."):
        fine_tuned(other, table, trained, label={"labels": "ekman7"})


def test_a_missing_checkpoint_is_named(plain: dict[str, Any], table: Table, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot read the checkpoint .*none\.ckpt"):
        fine_tuned(plain, table, tmp_path / "none.ckpt", label={"labels": "ekman7"})
