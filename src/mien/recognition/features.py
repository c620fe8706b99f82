"""What a model sees in a picture before its heads answer: the numbers that its last layers weigh.

The graph of a model folder gives only answers, so the tensor that goes into the last matrix of its heads is made an
output too. Features of an expression model say how a face looks, not whose it is; nothing here stores or names people.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien import hub, manifest
from mien.errors import MissingExtraError, ModelError
from mien.imaging import align
from mien.imaging.image import RGB
from mien.results import Float
from mien.runtime.session import open_graph

#: Layers whose input is taken for features when an answer follows from it without another one of them.
WEIGHING = {"Gemm", "MatMul"}


class Features:
    """Reads features of pictures with a model folder. Safe to call from several threads.

    Attributes:
        size: side in pixels at which pictures are looked at.
        width: numbers a picture.

    Args:
        model: name of an installed model, or a model folder; one that looks at pictures.
        threads: intra-op threads.

    Raises:
        UnknownNameError: no such model.
        ModelError: the folder is damaged, or its graph has no such layer.
        MissingExtraError: the package `onnx` is not installed.
    """

    def __init__(self, model: str | os.PathLike[str] = "expression", *, threads: int = 1) -> None:
        folder = hub.find(model)
        said = manifest.read(folder)
        if said.crop is None or said.task == "landmarks":
            raise ModelError(f"{folder} is a model for {said.task}, which looks at no crops; try expression or scene")
        manifest.verify(folder, said, only=said.default)
        graph, self.outputs = _opened(folder / said.graphs[said.default].file, [head.name for head in said.heads])
        self.size: int = said.crop.size
        self._session = open_graph(graph, threads=threads)
        self._input: str = self._session.get_inputs()[0].name
        self.width: int = self._run(np.zeros((1, self.size, self.size, 3), np.uint8)).shape[1]

    def of(self, pictures: list[RGB]) -> Float:
        """Return the features ``float32 (n, d)`` of pictures ``uint8 (H, W, 3)``, each looked at as a whole.

        They are the mean over a picture and its mirror image, so both have the same.
        """
        crops = np.stack([align.whole(pixels, self.size) for pixels in pictures])
        both: list[NDArray[Any]] = [self._run(look) for look in (crops, np.ascontiguousarray(crops[:, :, ::-1]))]
        return np.asarray((both[0] + both[1]) / 2, np.float32)

    def _run(self, crops: NDArray[np.uint8]) -> Float:
        found = self._session.run(self.outputs, {self._input: crops})
        return np.concatenate([part.reshape(len(crops), -1) for part in found], axis=1)


def _opened(path: os.PathLike[str], heads: list[str]) -> tuple[bytes, list[str]]:
    """Return a graph whose features are outputs too, and their names."""
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise MissingExtraError("reading features of a model", "data") from error
    model = onnx.load(path)
    maker = {output: node for node in model.graph.node for output in node.output}
    found: dict[str, None] = {}
    queue = list(heads)
    while queue:
        node = maker.get(queue.pop(0))
        if node is None:
            continue
        if node.op_type in WEIGHING:
            found[node.input[0]] = None
        else:
            queue += node.input
    if not found:
        raise ModelError(f"{path} has no layer that weighs features ({' or '.join(sorted(WEIGHING))})")
    known = {output.name for output in model.graph.output}
    for name in found:
        if name not in known:
            model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    return model.SerializeToString(), list(found)
