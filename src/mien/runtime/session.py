"""A model folder, ready to run: the manifest is checked, the graph's digest is checked, then onnxruntime loads it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien import hub, manifest
from mien.errors import ModelError
from mien.runtime import providers


class Session:
    """Runs one graph of a model folder. Safe to call from several threads.

    Args:
        model: name of an installed model, or a model folder.
        precision: 'fp32' or 'int8'; default what the manifest says.
        threads: intra-op threads; one is fastest when pictures run in parallel.
        provider: see `runtime.providers.choose`.

    Raises:
        UnknownNameError: no such model.
        ModelError: the folder is damaged, or its graph does not fit its manifest.
    """

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        precision: str | None = None,
        threads: int = 1,
        provider: str | None = None,
    ) -> None:
        self.folder: Path = hub.find(model)
        self.manifest = manifest.read(self.folder)
        self.precision = precision or self.manifest.default
        graphs = {str(key): graph for key, graph in self.manifest.graphs.items()}
        if self.precision not in graphs:
            raise ModelError(f"{self.folder} has no {self.precision} graph, it has {', '.join(sorted(graphs))}")
        manifest.verify(self.folder, self.manifest, only=self.precision)
        self._session = open_graph(self.folder / graphs[self.precision].file, threads=threads, provider=provider)
        self.input: str = self._session.get_inputs()[0].name
        self.outputs: list[str] = [output.name for output in self._session.get_outputs()]
        self._check_heads()

    def _check_heads(self) -> None:
        shapes = {output.name: output.shape for output in self._session.get_outputs()}
        for head in self.manifest.heads:
            if head.name not in shapes:
                raise ModelError(f"{self.folder}: the graph has no output '{head.name}', it has {', '.join(shapes)}")
            width = shapes[head.name][-1]
            if isinstance(width, int) and width != len(head.labels):
                given = f"{len(head.labels)} labels but the graph gives {width} values"
                raise ModelError(f"{self.folder}: head '{head.name}' has {given}")

    @property
    def on_cpu(self) -> bool:
        """Whether the whole graph runs on the processor."""
        return bool(self._session.get_providers() == ["CPUExecutionProvider"])

    def run(self, batch: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Run a batch ``uint8 (n, H, W, 3)`` and return every output by name."""
        values: list[Any] = self._session.run(None, {self.input: batch})
        return dict(zip(self.outputs, values, strict=True))


def open_graph(source: Path | bytes, *, threads: int = 1, provider: str | None = None) -> Any:
    """Open an ONNX graph that has no manifest: a foreign model's file, or one that was changed in memory.

    Raises:
        ModelError: onnxruntime cannot load it.
    """
    import onnxruntime

    try:
        return onnxruntime.InferenceSession(
            source if isinstance(source, bytes) else str(source),
            sess_options=providers.options(threads),
            providers=providers.choose(provider),
        )
    except Exception as error:  # onnxruntime has one exception class a failure kind, without a common base
        name = "a graph in memory" if isinstance(source, bytes) else source
        raise ModelError(f"onnxruntime cannot load {name}: {str(error).splitlines()[0]}") from error
