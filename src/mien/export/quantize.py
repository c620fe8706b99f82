"""Static 8-bit graphs: weights per output channel, activations from real pictures, in standard QDQ operations.

Only the network's trunk is quantised. What stands before the first convolution (grey, normalisation) and after the
last layer with weights (temperature, softmax, a detector's decoding) stays in 32 bits: it costs next to nothing and
needs the range.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

from mien.errors import DataError
from mien.export.onnx import INPUT

LAYERS = ("Conv", "Gemm", "MatMul")
BETWEEN = ("Add", "Relu", "MaxPool", "AveragePool", "GlobalAveragePool", "Concat", "Resize")
_LARGE = 1024


class _Pictures(CalibrationDataReader):  # type: ignore[misc]
    """Hands pictures to the calibration in batches."""

    def __init__(self, batches: Sequence[NDArray[np.uint8]]) -> None:
        self._rest: Iterator[NDArray[np.uint8]] = iter(batches)

    def get_next(self) -> dict[str, Any] | None:
        batch = next(self._rest, None)
        return None if batch is None else {INPUT: batch}


def quantize(
    source: Path,
    target: Path,
    batches: Sequence[NDArray[np.uint8]],
    *,
    method: str = "MinMax",
    ends: bool = True,
) -> None:
    """Write the 8-bit form of a graph.

    Args:
        source: 32-bit graph.
        target: file to write.
        batches: pictures ``uint8 (n, H, W, 3)`` that the ranges of activations are measured on; training pictures.
        method: how ranges are chosen, of onnxruntime's `CalibrationMethod` ('MinMax', 'Entropy', 'Percentile').
        ends: quantise the first and the last layers too. A first layer of three channels is no faster in 8 bits, and a
            last layer whose outputs differ much in range (scores beside offsets) loses their digits.

    Raises:
        DataError: no pictures were given.
    """
    if not batches:
        raise DataError("8-bit calibration needs pictures; give a table with a train split")
    model = onnx.load(source)
    names = trunk(model)
    if not ends:
        outer = _ends(model, names)
        names = [name for name in names if name not in outer]
    level = logging.root.level
    logging.root.setLevel(logging.ERROR)
    try:
        with tempfile.TemporaryDirectory() as folder:
            prepared = Path(folder) / "prepared.onnx"
            onnx.save(model, prepared)
            quantize_static(
                str(prepared),
                str(target),
                _Pictures(batches),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=[*LAYERS, *BETWEEN],
                nodes_to_quantize=names,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod[method],
                extra_options={"ActivationSymmetric": False, "WeightSymmetric": True},
            )
    finally:
        logging.root.setLevel(level)
    onnx.checker.check_model(onnx.load(target), full_check=True)


def trunk(model: onnx.ModelProto) -> list[str]:
    """Name the nodes between the first and the last layers with weights, in the graph's order.

    A node belongs to the trunk when it is a layer with weights, or follows one and leads to another. (A product of two
    computed matrices, such as a detector's suppression, is no layer with weights.)
    """
    nodes = list(model.graph.node)
    for number, node in enumerate(nodes):
        node.name = node.name or f"{node.op_type}_{number}"
    weights = {weight.name for weight in model.graph.initializer}
    layers = {n.name for n in nodes if n.op_type in LAYERS and len(n.input) > 1 and n.input[1] in weights}
    after: set[str] = set()
    before: set[str] = set()
    follows, leads = set(), set()
    for node in nodes:
        if any(name in after for name in node.input):
            follows.add(node.name)
        if node.name in layers or node.name in follows:
            after.update(node.output)
    for node in reversed(nodes):
        if any(name in before for name in node.output):
            leads.add(node.name)
        if node.name in layers or node.name in leads:
            before.update(node.input)
    between = {node.name for node in nodes if node.op_type in BETWEEN} & follows & leads
    return [node.name for node in nodes if node.name in layers or node.name in between]


def _ends(model: onnx.ModelProto, names: Sequence[str]) -> set[str]:
    """Name the layers with weights of the trunk that no other one of them comes before, or after."""
    chosen = set(names)
    after: set[str] = set()
    before: set[str] = set()
    first, last = set(), set()
    for node in model.graph.node:
        layer = node.name in chosen and node.op_type in LAYERS
        led = any(name in after for name in node.input)
        if layer and not led:
            first.add(node.name)
        if layer or led:
            after.update(node.output)
    for node in reversed(model.graph.node):
        layer = node.name in chosen and node.op_type in LAYERS
        leads = any(name in before for name in node.output)
        if layer and not leads:
            last.add(node.name)
        if layer or leads:
            before.update(node.input)
    return first | last


def store_bytes(path: Path) -> None:
    """Store large weights of a 32-bit graph in 8 bits, to be widened on loading: a quarter of the file, the same speed.

    Each output channel (first axis) has a scale of its own. Runtimes fold the cast and the product when they open the
    graph, so all arithmetic stays in 32 bits; a weight is off by at most 1/254 of the largest of its channel.
    """
    model = onnx.load(path)
    widened, scales = [], []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if weight.data_type != TensorProto.FLOAT or values.size < _LARGE or values.ndim < 2:
            continue
        name = weight.name
        axes = tuple(range(1, values.ndim))
        scale = np.maximum(np.abs(values).max(axis=axes, keepdims=True) / 127.0, 1e-12).astype(np.float32)
        weight.CopyFrom(numpy_helper.from_array(np.rint(values / scale).astype(np.int8), f"{name}_bytes"))
        scales.append(numpy_helper.from_array(scale, f"{name}_scale"))
        widened += [
            helper.make_node("Cast", [f"{name}_bytes"], [f"{name}_wide"], to=TensorProto.FLOAT, name=f"{name}_cast"),
            helper.make_node("Mul", [f"{name}_wide", f"{name}_scale"], [name], name=f"{name}_mul"),
        ]
    model.graph.initializer.extend(scales)
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*widened, *rest])
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def store_halves(path: Path) -> None:
    """Store large weights of a 32-bit graph in 16 bits, to be widened on loading: half of the file, the same speed.

    For networks that 8-bit weights would change (depthwise layers, whose channels differ much in range).
    """
    model = onnx.load(path)
    widened = []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if weight.data_type != TensorProto.FLOAT or values.size < _LARGE or values.ndim < 2:
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        widened.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT, name=f"{name}_cast"))
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*widened, *rest])
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
