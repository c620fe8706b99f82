"""Backbones that fold for export, or gate their channels, go the whole way: trained, exported, used on a photo."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from tests.fixtures.tables import spots

from mien.cli.main import main
from mien.curation.table import Table
from mien.imaging import image as imaging
from mien.models.network import Deployed
from mien.recognition.expression import ExpressionModel
from mien.training import checkpoint

pytestmark = pytest.mark.filterwarnings("ignore")
RECIPE = """
task = "expression"
name = "whole way"
crops = { size = 16 }
heads = { expression7 = { labels = "ekman7" } }
run = { epochs = 2, batch_size = 14, precision = "32-true", accelerator = "cpu", threads = 1, ema = 0, trackers = [] }

[model]
"""
BACKBONES = {
    "repvgg": 'backbone = "repvgg"\noptions = { widths = [8, 16], blocks = [1, 2] }\n',
    "squeezed": 'backbone = "resnet"\noptions = { widths = [8, 16], blocks = [1, 1], squeeze = 0.25 }\n',
}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    return spots(tmp_path_factory.mktemp("spots"))


def mien(*words: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    assert ended.value.code == 0


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_a_network_is_trained_exported_and_predicts_as_its_checkpoint_does(
    name: str, table: Table, photo: Path, tmp_path: Path
) -> None:
    path, run, model = tmp_path / "recipe.toml", tmp_path / "run", tmp_path / "model"
    path.write_text(RECIPE + BACKBONES[name], encoding="utf-8")
    mien("train", str(path), "-t", str(table.path), "-o", str(run))
    mien("export", str(run / "best.ckpt"), "--table", str(table.path), "-o", str(model))

    kinds = [node.op_type for node in onnx.load(model / "model.onnx").graph.node]
    if name == "repvgg":  # three layers of three branches have become three convolutions
        assert kinds.count("Conv") == 3
        assert "BatchNormalization" not in kinds
    assert ("Sigmoid" in kinds or "HardSigmoid" in kinds) == (name == "squeezed")

    crops = np.stack([imaging.read(table.root / row["image"]) for row in table.rows(["image"])][:8])
    exported = ExpressionModel(model, precision="fp32")
    warmth = {head.name: head.temperature for head in exported.manifest.heads}
    with torch.inference_mode():
        expected = Deployed(checkpoint.load(run / "best.ckpt").network, warmth)(torch.from_numpy(crops))
    found = exported.predict(crops)["expression7"].values
    np.testing.assert_allclose(found, expected[0].numpy(), atol=2e-2)

    mien("predict", str(photo), "--model", str(model), "--json", str(tmp_path / "faces.jsonl"))
    said: dict[str, Any] = json.loads((tmp_path / "faces.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert len(said["faces"]) == 1
