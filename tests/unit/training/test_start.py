from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from mien.curation.table import Table
from mien.errors import ModelError, RecipeError, UnknownNameError
from mien.export.expression import export
from mien.recognition.expression import ExpressionModel
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


@pytest.fixture(scope="module")
def folder(trained: Path, table: Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model folder of that run: norms folded, weights in bytes."""
    out = tmp_path_factory.mktemp("folder")
    export(checkpoint.load(trained), table, out)
    return out


def test_a_model_folder_is_taken_up_again_and_answers_as_its_graph_does(
    plain: dict[str, Any], table: Table, folder: Path
) -> None:
    job = fine_tuned(plain, table, folder, votes={"labels": "ferplus8", "target": "votes"}, label={"labels": "ekman7"})
    assert job.summary["fine-tunes"] == f"{folder} (heads: votes, label)"
    pictures = torch.randint(0, 256, (12, 1, 16, 16), dtype=torch.uint8)
    network: Any = job.module.network
    model = ExpressionModel(folder, precision="fp32")
    scores = model.predict(pictures.permute(0, 2, 3, 1).expand(-1, -1, -1, 3).contiguous().numpy())
    for head in model.manifest.heads:
        with torch.inference_mode():
            ours = (network.eval()(pictures)[head.name] / (head.temperature or 1.0)).softmax(dim=1)
        torch.testing.assert_close(ours, torch.from_numpy(scores[head.name].values), atol=1e-4, rtol=1e-3)


def test_its_norms_know_the_data_so_that_training_mode_answers_alike(
    plain: dict[str, Any], table: Table, folder: Path
) -> None:
    still = plain | {"model": {**plain["model"], "dropout": 0.0}}
    job = fine_tuned(still, table, folder, label={"labels": "ekman7"})
    network: Any = job.module.network
    pictures = job.data.train.images  # type: ignore[union-attr]
    with torch.inference_mode():
        resting, learning = network.eval()(pictures)["label"], network.train()(pictures)["label"]
    torch.testing.assert_close(learning, resting, atol=2e-2, rtol=2e-2)


def test_a_folder_of_another_network_or_task_is_refused(
    plain: dict[str, Any], table: Table, folder: Path, tmp_path: Path
) -> None:
    other = plain | {"model": {"options": {"widths": [8, 32], "blocks": [1, 1]}}}
    with pytest.raises(RecipeError, match="is not that of this recipe"):
        fine_tuned(other, table, folder, label={"labels": "ekman7"})
    with pytest.raises(RecipeError, match="holds no network that `mien train` made for the task 'expression'"):
        fine_tuned(plain, table, Path("face"), label={"labels": "ekman7"})
    with pytest.raises(UnknownNameError, match="no model named 'expresion'"):
        fine_tuned(plain, table, Path("expresion"), label={"labels": "ekman7"})
    copied = tmp_path / "damaged"
    shutil.copytree(folder, copied)
    (copied / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelError, match="is no ONNX graph"):
        fine_tuned(plain, table, copied, label={"labels": "ekman7"})


def test_a_missing_checkpoint_is_named(plain: dict[str, Any], table: Table, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot read the checkpoint .*none\.ckpt"):
        fine_tuned(plain, table, tmp_path / "none.ckpt", label={"labels": "ekman7"})
