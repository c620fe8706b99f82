"""Puts the graphs of several models into one, and what combines their answers behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, compose, helper, numpy_helper

from mien.errors import ModelError
from mien.export.onnx import INPUT, OPSET

Array = NDArray[np.float64]
_TINY = 1e-7


@dataclass(frozen=True)
class Blend:
    """How the members' answers to one head become one.

    Attributes:
        how: `weighted` adds probabilities by weights; `vote` counts first places, the mean deciding ties; `stacking`
            is a linear layer on log-probabilities.
        weights: of the members ``(k,)``, or of the linear layer ``(k * classes, classes)``; not used by `vote`.
        bias: of the linear layer ``(classes,)``.
    """

    how: str
    weights: Array
    bias: Array | None = None

    def __call__(self, answers: Array) -> Array:
        """Combine answers ``(k, n, classes)`` as the graph does; ``(n, classes)``."""
        if self.how == "weighted":
            return np.asarray(np.einsum("k,knc->nc", self.weights, answers))
        if self.how == "vote":
            first = np.eye(answers.shape[2])[answers.argmax(axis=2)]
            return np.asarray((first.sum(axis=0) + answers.mean(axis=0)) / (len(answers) + 1))
        assert self.bias is not None  # stacking has one
        logits = features(answers) @ self.weights + self.bias
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def features(answers: Array) -> Array:
    """Return what stacking reads: the members' log-probabilities side by side ``(n, k * classes)``."""
    return np.concatenate(list(np.log(np.maximum(answers, _TINY))), axis=1)


def merge(members: Sequence[tuple[Path, int]], heads: Sequence[str], size: int) -> ModelProto:
    """Put graphs side by side behind one input; each keeps its answers as ``member0/head`` and so on.

    Args:
        members: graph and side of the crops that it takes.
        heads: outputs that are kept.
        size: side of the crops that the whole takes; a member of another side gets them resized.

    Raises:
        ModelError: a graph is of another operator set, so that they cannot stand in one.
    """
    nodes: list[NodeProto] = []
    weights = [_constant("black", 0.0), _constant("white", 255.0)]
    outputs = []
    for number, (path, side) in enumerate(members):
        model = onnx.load(path)
        versions = {opset.domain: opset.version for opset in model.opset_import}
        if versions != {"": OPSET}:
            raise ModelError(f"{path} is of operator set {versions}, an ensemble needs {OPSET}; export it again")
        prefix = f"member{number}/"
        model = compose.add_prefix(model, prefix)
        given = model.graph.input[0].name
        if side == size:
            nodes.append(helper.make_node("Identity", [INPUT], [given]))
        else:
            more, constants = _resize(f"resize{number}/", given, side)
            nodes += more
            weights += constants
        nodes += model.graph.node
        weights += model.graph.initializer
        outputs += [value for value in model.graph.output if value.name.removeprefix(prefix) in heads]
    image = helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["n", size, size, 3])
    graph = helper.make_graph(nodes, "ensemble", [image], outputs, weights)
    merged = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    merged.ir_version = 10
    onnx.checker.check_model(merged, full_check=True)
    return merged


def finish(merged: ModelProto, blends: Mapping[str, Blend], temperatures: Mapping[str, float]) -> ModelProto:
    """Combine the members' answers head by head.

    Args:
        merged: of `merge`.
        blends: a way a head, in the order of the outputs.
        temperatures: by which a head's log-probabilities are divided in the end; heads that are not named stay.
    """
    done = ModelProto()
    done.CopyFrom(merged)
    graph = done.graph
    members = {head: [v.name for v in merged.graph.output if v.name.endswith(f"/{head}")] for head in blends}
    widths = {v.name: v.type.tensor_type.shape.dim[-1].dim_value for v in merged.graph.output}
    del graph.output[:]
    for head, blend in blends.items():
        names, width = members[head], widths[members[head][0]]
        last = head if head not in temperatures else f"{head}/cold"
        nodes, constants = _blend(head, names, width, blend, last)
        if head in temperatures:
            tail, more = _soften(head, last, temperatures[head])
            nodes, constants = nodes + tail, constants + more
        graph.node.extend(nodes)
        graph.initializer.extend(constants)
        graph.output.append(helper.make_tensor_value_info(head, TensorProto.FLOAT, ["n", width]))
    onnx.checker.check_model(done, full_check=True)
    return done


_Part = tuple[list[NodeProto], list[TensorProto]]


def _blend(head: str, names: list[str], width: int, blend: Blend, out: str) -> _Part:
    if blend.how == "weighted":
        scale = [_constant(f"{head}/weight{i}", float(w)) for i, w in enumerate(blend.weights)]
        nodes = [helper.make_node("Mul", [n, s.name], [f"{n}/part"]) for n, s in zip(names, scale, strict=True)]
        return [*nodes, helper.make_node("Sum", [f"{n}/part" for n in names], [out])], scale
    if blend.how == "vote":
        constants = [
            numpy_helper.from_array(np.array(width, np.int64), f"{head}/classes"),
            numpy_helper.from_array(np.array([0, 1], np.float32), f"{head}/no_yes"),
            _constant(f"{head}/count", len(names) + 1.0),
        ]
        nodes = []
        for name in names:
            nodes.append(helper.make_node("ArgMax", [name], [f"{name}/first"], axis=1, keepdims=0))
            inputs = [f"{name}/first", f"{head}/classes", f"{head}/no_yes"]
            nodes.append(helper.make_node("OneHot", inputs, [f"{name}/vote"], axis=1))
        nodes.append(helper.make_node("Mean", names, [f"{head}/mean"]))
        nodes.append(helper.make_node("Sum", [*(f"{n}/vote" for n in names), f"{head}/mean"], [f"{head}/sum"]))
        return [*nodes, helper.make_node("Div", [f"{head}/sum", f"{head}/count"], [out])], constants
    assert blend.bias is not None
    constants = [
        _constant(f"{head}/tiny", _TINY),
        numpy_helper.from_array(blend.weights.astype(np.float32), f"{head}/stack"),
        numpy_helper.from_array(blend.bias.astype(np.float32), f"{head}/bias"),
    ]
    return [
        helper.make_node("Concat", names, [f"{head}/all"], axis=1),
        helper.make_node("Max", [f"{head}/all", f"{head}/tiny"], [f"{head}/safe"]),
        helper.make_node("Log", [f"{head}/safe"], [f"{head}/logs"]),
        helper.make_node("Gemm", [f"{head}/logs", f"{head}/stack", f"{head}/bias"], [f"{head}/logits"]),
        helper.make_node("Softmax", [f"{head}/logits"], [out], axis=1),
    ], constants


def _soften(head: str, name: str, temperature: float) -> _Part:
    constants = [_constant(f"{head}/least", _TINY), _constant(f"{head}/temperature", temperature)]
    return [
        helper.make_node("Max", [name, f"{head}/least"], [f"{head}/some"]),
        helper.make_node("Log", [f"{head}/some"], [f"{head}/log"]),
        helper.make_node("Div", [f"{head}/log", f"{head}/temperature"], [f"{head}/warm"]),
        helper.make_node("Softmax", [f"{head}/warm"], [head], axis=1),
    ], constants


def _resize(prefix: str, given: str, side: int) -> _Part:
    """Return what brings the common crop to a member's side, rounded to whole grey levels as a crop is."""
    constants = [numpy_helper.from_array(np.array([side, side], np.int64), f"{prefix}side")]
    steps = [f"{prefix}{name}" for name in ("real", "planes", "sized", "round", "clipped", "rows")]
    return [
        helper.make_node("Cast", [INPUT], [steps[0]], to=TensorProto.FLOAT),
        helper.make_node("Transpose", [steps[0]], [steps[1]], perm=[0, 3, 1, 2]),
        helper.make_node(
            "Resize", [steps[1], "", "", f"{prefix}side"], [steps[2]], mode="linear", antialias=1, axes=[2, 3]
        ),
        helper.make_node("Round", [steps[2]], [steps[3]]),
        helper.make_node("Clip", [steps[3], "black", "white"], [steps[4]]),
        helper.make_node("Transpose", [steps[4]], [steps[5]], perm=[0, 2, 3, 1]),
        helper.make_node("Cast", [steps[5]], [given], to=TensorProto.UINT8),
    ], constants


def _constant(name: str, value: float) -> TensorProto:
    return numpy_helper.from_array(np.array(value, np.float32), name)
