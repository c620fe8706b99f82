"""A checkpoint of the task 'expression' becomes a model folder: calibrated, in 32 and 8 bits, measured, described.

Everything that is fitted here (see `export.fitting`) is fitted on the table's `val` split; 8-bit ranges come from
`train`. The `test` split is not touched.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

import mien
from mien import labels as label_sets
from mien import manifest
from mien.curation.table import Table
from mien.errors import ModelError
from mien.evaluation import crops, scoring
from mien.evaluation.scoring import Source
from mien.export import environment, fitting, onnx, quantize
from mien.export.fitting import Limits
from mien.imaging.align import TEMPLATES
from mien.manifest import Crop, Data, Head, Manifest
from mien.models.network import Deployed, Network
from mien.recognition.expression import ExpressionModel
from mien.training.checkpoint import Checkpoint
from mien.training.targets import Kind
from mien.training.tasks.expression import ExpressionRecipe, smoothing

BYTES_TOLERANCE = 0.05
"""How far a probability may move when weights are stored in 8 bits; the accuracy that ships is measured after it."""
CALIBRATION_PICTURES = 512
MARGIN = 0.05
"""Of the box crop that stands in for faces without points."""
_KINDS: dict[Kind, Literal["single", "multi", "value"]] = {
    "label": "single",
    "votes": "single",
    "present": "multi",
    "values": "value",
    "affect": "value",
}


def export(
    checkpoint: Checkpoint,
    table: Table,
    out: Path,
    *,
    version: str = "1",
    limits: Limits | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Manifest:
    """Write the model folder of an expression checkpoint.

    Args:
        checkpoint: of the task 'expression'.
        table: with splits `train` and `val`.
        out: folder to write.
        version: of the model.
        limits: for abstention.
        say: called with a line a step.

    Raises:
        ModelError: the graph answers otherwise than the network.
        DataError: the table lacks a split or the targets of a head.
    """
    recipe, network = checkpoint.recipe, checkpoint.network
    if not isinstance(recipe, ExpressionRecipe) or not isinstance(network, Network):
        raise ModelError(f"'{checkpoint.path}' is a checkpoint of the task '{recipe.task}', not of 'expression'")
    val, train = fitting.source(table, "val"), fitting.source(table, "train")
    network = copy.deepcopy(network)
    network.backbone.merge()
    facts = _facts(recipe, version, [fitting.data(train, "train"), fitting.data(val, "val")], network)
    judged = fitting.judged_by(facts.heads, val.columns)
    smoothed = {head.name: head.smoothing for head in facts.heads}

    with tempfile.TemporaryDirectory() as draft:
        _write_graph(Deployed(network, smoothing=smoothed), facts, Path(draft))
        model = ExpressionModel(draft)
        first = scoring.answer(model, val)
        pictures = _pictures(model, train)
    temperatures = fitting.temperatures(first, judged)
    if temperatures:
        say("temperature: " + ", ".join(f"{head} {t:.3f}" for head, t in temperatures.items()))

    deployed = Deployed(network, temperatures, smoothed)
    facts = facts.model_copy(update={"heads": tuple(_warm(head, temperatures) for head in facts.heads)})
    made = _write_graph(deployed, facts, out)
    graph, small, pixels = out / "model.onnx", out / "model.int8.onnx", pictures[:CALIBRATION_PICTURES]
    say(f"32-bit graph: differs from the network by {onnx.check(deployed, graph, pixels):.1e} at most")
    quantize.quantize(graph, small, [pixels[i : i + 64] for i in range(0, len(pixels), 64)])
    quantize.store_bytes(graph)
    moved = onnx.check(deployed, graph, pixels, tolerance=BYTES_TOLERANCE)
    say(f"32-bit graph with weights stored in 8 bits: differs by {moved:.1e} at most")

    graphs = {"fp32": manifest.describe(graph, "fp32"), "int8": manifest.describe(small, "int8")}
    made = fitting.save(made, out, graphs=graphs)
    return fitting.settle(made, out, first, judged, limits or Limits(), say)


def _facts(recipe: ExpressionRecipe, version: str, data: list[Data], network: Network) -> Manifest:
    """Describe the model before it has graphs; a draft graph entry stands in until one is written."""
    heads = tuple(
        Head(
            name=name,
            label_set=head.labels,
            labels=label_sets.get(head.labels).labels,
            kind=_KINDS[head.target],
            smoothing=smoothing(recipe, name),
        )
        for name, head in recipe.heads.items()
    )
    listed = ", ".join(f"`{head.name}` ({head.label_set})" for head in heads)
    return Manifest(
        name=recipe.name,
        version=version,
        task="expression",
        description=f"Reads the expression that people perceive in a face; heads: {listed}.",
        created=date.today(),
        licence="Apache-2.0",
        graphs={"fp32": manifest.Graph(file="model.onnx", sha256="0" * 64, size=0)},
        heads=heads,
        primary=fitting.primary(heads),
        crop=Crop(kind="align", size=recipe.crops.size, margin=MARGIN, template=TEMPLATES[recipe.crops.template]),
        recipe=recipe.model_dump(mode="json"),
        data=tuple(data),
        parameters=sum(p.numel() for p in network.parameters()),
        mien=mien.__version__,
        environment=environment.describe(),
    )


def _write_graph(deployed: Deployed, facts: Manifest, out: Path) -> Manifest:
    """Convert the network and write the folder's 32-bit graph and manifest."""
    size = facts.crop.size if facts.crop else 0
    graph = out / "model.onnx"
    onnx.convert(deployed, torch.zeros((2, size, size, 3), dtype=torch.uint8), [h.name for h in facts.heads], graph)
    return fitting.save(facts, out, graphs={"fp32": manifest.describe(graph, "fp32")})


def _warm(head: Head, temperatures: dict[str, float]) -> Head:
    return head.model_copy(update={"temperature": temperatures.get(head.name, 1.0)})


def _pictures(model: ExpressionModel, train: Source) -> NDArray[np.uint8]:
    """Read training crops, spread evenly over the split, for 8-bit ranges."""
    n = len(train.columns["image"])
    rows = np.linspace(0, n - 1, min(n, CALIBRATION_PICTURES)).astype(int)
    return crops.read(model.spec, train.root, train.columns, rows.tolist()).pixels
