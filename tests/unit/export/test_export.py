"""A checkpoint becomes a folder whose graphs answer as the network does, and whose promises were fitted on `val`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto
from tests.fixtures.checkpoints import tiny_checkpoint
from tests.fixtures.patterns import tiny_faces

from mien import manifest
from mien.curation.table import Table
from mien.errors import DataError, ModelError
from mien.evaluation import protocols
from mien.export import card, fitting, quantize, run
from mien.export import onnx as converting
from mien.imaging import image as imaging
from mien.models.network import Deployed
from mien.recognition.expression import ExpressionModel
from mien.training import checkpoint


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    return tiny_faces(tmp_path_factory.mktemp("export") / "faces", train=30, val=60)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def folder(saved: Path, table: Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("models") / "tiny"
    run.export(saved, table.path, out)
    return out


def val_crops(table: Table) -> np.ndarray:
    return np.stack([imaging.read(table.root / n) for n in table.read(["image"], split="val").to_pydict()["image"]])


def test_the_folder_is_complete_and_verifies(folder: Path) -> None:
    made = manifest.read(folder)
    manifest.verify(folder, made)
    assert {path.name for path in folder.iterdir()} == {
        "model.onnx", "model.int8.onnx", "model.json", "card.md", "LICENSE",
    }  # fmt: skip
    assert [head.label_set for head in made.heads] == ["ferplus8", "ekman7"]
    assert {data.use for data in made.data} == {"train", "val"}
    assert "Apache License" in (folder / "LICENSE").read_text()


def test_both_graphs_answer_as_the_calibrated_network_does(folder: Path, saved: Path, table: Table) -> None:
    made = manifest.read(folder)
    network = checkpoint.load(saved).network
    assert [head.smoothing for head in made.heads] == [0.0, 0.05]
    temperatures, smoothing = ({h.name: getattr(h, what) for h in made.heads} for what in ("temperature", "smoothing"))
    deployed = Deployed(network, temperatures, smoothing)  # type: ignore[arg-type]
    crops = val_crops(table)
    with torch.inference_mode():
        expected = deployed(torch.from_numpy(crops))
    for precision, tolerance in (("fp32", 2e-2), ("int8", 0.1)):
        got = ExpressionModel(folder, precision=precision).predict(crops)
        for head, values in zip(made.heads, expected, strict=True):
            np.testing.assert_allclose(got[head.name].values, values.numpy(), atol=tolerance)


def test_one_crop_and_many_go_through_the_same_graph(folder: Path, table: Table) -> None:
    crops = val_crops(table)
    model = ExpressionModel(folder, precision="fp32")
    together = model.predict(crops)["expression"].values
    alone = np.concatenate([model.predict(crop[None])["expression"].values for crop in crops[:5]])
    np.testing.assert_allclose(together[:5], alone, atol=1e-5)


def test_the_label_sets_cover_what_they_promise_on_val(folder: Path, table: Table) -> None:
    columns = table.read(split="val").to_pydict(maps_as_pydicts="strict")
    scores = ExpressionModel(folder).predict(val_crops(table))
    for head, protocol in (("expression", "ferplus-majority"), ("expression7", "hard")):
        target = protocols.get(protocol).targets(columns).target
        members = scores[head].members
        assert members is not None
        assert members[np.arange(60), target].mean() >= 0.9


def test_temperatures_lower_the_likelihood_loss_of_the_raw_network(folder: Path, saved: Path, table: Table) -> None:
    columns = table.read(split="val").to_pydict(maps_as_pydicts="strict")
    crops, made = val_crops(table), manifest.read(folder)
    with torch.inference_mode():
        raw = Deployed(checkpoint.load(saved).network)(torch.from_numpy(crops))  # type: ignore[arg-type]
    cooked = ExpressionModel(folder, precision="fp32").predict(crops)
    for head, before, protocol in zip(made.heads, raw, ("ferplus-majority", "hard"), strict=True):
        target = protocols.get(protocol).targets(columns).target
        after = cooked[head.name].values[np.arange(60), target]
        assert -np.log(after).mean() <= -np.log(before.numpy()[np.arange(60), target]).mean() + 1e-6
        assert head.temperature != 1.0


def test_the_card_says_what_the_manifest_says(folder: Path) -> None:
    text, made = (folder / "card.md").read_text(), manifest.read(folder)
    assert text == card.render(made)
    for said in ("prohibited in the EU", "ferplus-majority", "made faces", "tiny, version 1", "contempt"):
        assert said in text


def test_a_graph_that_answers_otherwise_is_refused(folder: Path, saved: Path, table: Table) -> None:
    wrong = Deployed(checkpoint.load(saved).network, {"expression": 9.0})  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="answers otherwise than the network: 'expression'"):
        converting.check(wrong, folder / "model.onnx", val_crops(table))


def test_only_the_trunk_is_quantised_and_weights_are_per_channel(folder: Path) -> None:
    model = onnx.load(folder / "model.int8.onnx")
    after = {node.op_type for node in model.graph.node}
    assert {"QuantizeLinear", "DequantizeLinear", "Softmax"} <= after
    assert {node.domain for node in model.graph.node} == {""}
    makers = {output: node for node in model.graph.node for output in node.output}
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm"):
            assert all(makers[name].op_type == "DequantizeLinear" for name in node.input[:2])
        if node.op_type == "QuantizeLinear" and node.input[0] in makers:
            assert makers[node.input[0]].op_type not in ("Softmax", "Log")
    scales = {w.name: w for w in model.graph.initializer if w.name.endswith("_scale")}
    assert max((list(w.dims) or [1])[0] for w in scales.values()) >= 8


def test_large_weights_are_stored_in_bytes_and_small_ones_whole(folder: Path) -> None:
    stored = set()
    for weight in onnx.load(folder / "model.onnx").graph.initializer:
        count = int(np.prod(weight.dims))
        stored.add(weight.data_type)
        if weight.data_type == TensorProto.FLOAT:
            assert count < 1024
        if weight.data_type == TensorProto.INT8:
            assert count >= 1024
    assert TensorProto.INT8 in stored


def test_quantising_without_pictures_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="needs pictures"):
        quantize.quantize(folder / "model.onnx", tmp_path / "out.onnx", [])


def test_metrics_name_their_protocol_and_both_graphs(folder: Path) -> None:
    found = json.loads((folder / "model.json").read_text())["metrics"]
    assert {m["precision"] for m in found} == {"fp32", "int8"}
    assert {m["protocol"] for m in found} >= {"hard", "ferplus-majority", "hard, flip", "ferplus-majority, flip"}
    assert all(m["split"] == "val" for m in found)


def test_a_table_without_val_is_refused(saved: Path, tmp_path: Path) -> None:
    bare = tiny_faces(tmp_path / "bare", train=10, val=0)
    with pytest.raises(DataError, match="val"):
        run.export(saved, bare.path, tmp_path / "out")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", None])
def test_a_file_that_is_no_checkpoint_is_named(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "some.ckpt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=r"some\.ckpt"):
        checkpoint.load(path)


def test_weights_of_another_recipe_are_named(saved: Path, tmp_path: Path) -> None:
    found = torch.load(saved, weights_only=True)
    found["mien"]["recipe"]["model"]["options"]["widths"] = [8, 24]
    torch.save(found, tmp_path / "other.ckpt")
    with pytest.raises(ModelError, match="do not fit its recipe"):
        checkpoint.load(tmp_path / "other.ckpt")


def test_the_eight_bit_graph_is_the_default_only_when_it_loses_little(folder: Path) -> None:
    made = manifest.read(folder)
    accuracy = {
        (m.head, m.precision): m.value for m in made.metrics if m.name == "accuracy" and "flip" not in m.protocol
    }
    lost = max(accuracy[head.name, "fp32"] - accuracy[head.name, "int8"] for head in made.heads)
    assert (made.default == "int8") == (lost <= fitting.LARGEST_LOSS)
