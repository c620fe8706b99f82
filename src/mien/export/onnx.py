"""From a torch module to an ONNX file that onnxruntime has simplified and that was checked to answer the same."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import nn

from mien.errors import ModelError
from mien.runtime.session import open_graph

OPSET = 18
INPUT = "image"
TOLERANCE = 1e-4


def convert(
    module: nn.Module,
    example: torch.Tensor,
    outputs: Sequence[str],
    path: Path,
    *,
    dynamic: Mapping[int, torch.export.Dim] | None = None,
) -> None:
    """Write a module as ONNX; batch normalisation is folded into the convolutions before it.

    Args:
        module: maps one ``uint8`` tensor to one tensor an output.
        example: an input that it is traced with.
        outputs: their names.
        path: file to write.
        dynamic: input dimensions of any size; the batch alone by default.
    """
    shape = dict(dynamic) if dynamic else {0: torch.export.Dim("n", min=1)}
    with tempfile.TemporaryDirectory() as folder, _quiet():
        raw = Path(folder) / "raw.onnx"
        torch.onnx.export(
            module.eval(),
            (example,),
            raw,
            input_names=[INPUT],
            output_names=list(outputs),
            dynamic_shapes=(shape,),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        simplify(raw, path)


def simplify(source: Path, target: Path) -> None:
    """Let onnxruntime fold constants and batch normalisation once, in operations of the ONNX standard only."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 3
    target.parent.mkdir(parents=True, exist_ok=True)
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    model = onnx.load(target)
    for opset in list(model.opset_import):
        if opset.domain not in ("", "ai.onnx"):
            model.opset_import.remove(opset)
    foreign = {node.domain for node in model.graph.node} - {"", "ai.onnx"}
    if foreign:
        raise ModelError(f"{target} uses operations of {', '.join(sorted(foreign))}, which not every runtime has")
    _share(model)
    del model.metadata_props[:]
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, target)


def _share(model: onnx.ModelProto) -> None:
    """Store weights once that several nodes use: where a network looks twice, folding made two of each."""
    kept: dict[tuple[int, tuple[int, ...], bytes], str] = {}
    renamed: dict[str, str] = {}
    for weight in sorted(model.graph.initializer, key=lambda one: len(one.name)):
        content = (weight.data_type, tuple(weight.dims), numpy_helper.to_array(weight).tobytes())
        first = kept.setdefault(content, weight.name)
        if first != weight.name:
            renamed[weight.name] = first
    for node in model.graph.node:
        for at, name in enumerate(node.input):
            node.input[at] = renamed.get(name, name)
    needed = [weight for weight in model.graph.initializer if weight.name not in renamed]
    del model.graph.initializer[:]
    model.graph.initializer.extend(needed)


def difference(module: nn.Module, path: Path, images: NDArray[np.uint8], *, batch: int = 64) -> dict[str, float]:
    """Return the largest distance between torch's and onnxruntime's answers for each output.

    Args:
        module: what was converted.
        path: the ONNX file.
        images: ``uint8 (n, H, W, 3)``.
        batch: pictures a run.
    """
    session = open_graph(path)
    names = [output.name for output in session.get_outputs()]
    worst = dict.fromkeys(names, 0.0)
    for start in range(0, len(images), batch):
        part = images[start : start + batch]
        with torch.inference_mode():
            expected = module(torch.from_numpy(part))
        for name, ours, theirs in zip(names, expected, session.run(None, {INPUT: part}), strict=True):
            worst[name] = max(worst[name], float(np.abs(ours.numpy() - theirs).max(initial=0.0)))
    return worst


def check(module: nn.Module, path: Path, images: NDArray[np.uint8], *, tolerance: float = TOLERANCE) -> float:
    """Compare the graph with the network and return the largest distance.

    Raises:
        ModelError: they differ by more than the tolerance in any output.
    """
    found = difference(module, path, images)
    name, worst = max(found.items(), key=lambda item: item[1])
    if not worst <= tolerance:
        raise ModelError(
            f"{path} answers otherwise than the network: '{name}' differs by {worst:.2g}, at most {tolerance:g}"
        )
    return worst


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's progress, and warnings about its own insides, from the terminal."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logger.setLevel(level)
