"""A probe of valence and arousal becomes a model folder for whole pictures: 32 and 8 bits, measured, described."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

import mien
from mien import labels, manifest
from mien.curation.table import Table
from mien.errors import DataError
from mien.evaluation.bootstrap import Figure
from mien.export import card, environment, licence, onnx, quantize
from mien.imaging import align, image
from mien.manifest import Crop, Data, Gate, Head, Manifest, Metric
from mien.models.network import Deployed, Network
from mien.runtime.session import open_graph
from mien.training.scene import HEAD, SET, SIZE, Probe, install

PROTOCOL = "5-fold over themes, one look, penalty and spread chosen within the folds"
START = "MobileNetV1 0.75, ImageNet weights of Google (Apache-2.0)"
LEAST_AGREEMENT = 0.98
"""Concordance with the 32-bit network that the 8-bit graph must keep in both values to be written."""
HALVES_TOLERANCE = 0.01
"""How far a value (of -1 to 1) may move when weights are stored in 16 bits."""
CALIBRATION_PICTURES = 128
Precision = Literal["fp32", "int8"]


def export(
    net: Network,
    probe: Probe,
    table: Table,
    measured: Mapping[str, Mapping[str, Figure]],
    out: Path,
    *,
    say: Callable[[str], None] = lambda line: None,
) -> Manifest:
    """Write the model folder.

    Args:
        net: the network that the probe's features came from.
        probe: fitted on all photos.
        table: the photos; 8-bit ranges are measured on some of them.
        measured: figures of the cross-validation by value and name; they describe probes of four fifths of the photos.
        out: folder to write.
        say: called with a line a step.

    Raises:
        ModelError: a graph answers otherwise than the network.
    """
    install(net, probe)
    deployed, pictures = Deployed(net), _pictures(table)
    graph, small = out / "model.onnx", out / "model.int8.onnx"
    onnx.convert(deployed, torch.zeros((2, SIZE, SIZE, 3), dtype=torch.uint8), [HEAD], graph)
    say(f"32-bit graph: differs from the network by {onnx.check(deployed, graph, pictures[:16]):.1e} at most")
    own = _answers(graph, pictures)
    quantize.quantize(graph, small, [pictures[i : i + 16] for i in range(0, len(pictures), 16)], ends=False)
    quantize.store_halves(graph)
    moved = onnx.check(deployed, graph, pictures[:16], tolerance=HALVES_TOLERANCE)
    say(f"32-bit graph with weights stored in 16 bits: differs by {moved:.1e} at most")
    agreement = _agreement(own, _answers(small, pictures))
    graphs: dict[Precision, manifest.Graph] = {"fp32": manifest.describe(graph, "fp32")}
    if agreement >= LEAST_AGREEMENT:
        graphs["int8"] = manifest.describe(small, "int8")
    else:
        small.unlink()
    say(f"8-bit graph: concordance {agreement:.3f} with the network, {'kept' if 'int8' in graphs else 'left out'}")
    about = table.origin.title or table.path.parent.name
    made = Manifest(
        name="scene",
        task="scene",
        description="Valence and arousal that people report for a whole picture, from -1 to 1: a linear probe on "
        f"frozen features of {START}. Emotions are derived from the two values by `recognition.circumplex`.",
        created=date.today(),
        licence="Apache-2.0",
        graphs=graphs,
        default="int8" if "int8" in graphs else "fp32",
        heads=(Head(name=HEAD, label_set=SET, labels=labels.get(SET).labels, kind="value"),),
        primary=HEAD,
        crop=Crop(kind="whole", size=SIZE),
        gate=Gate(),
        recipe={
            "start": START,
            "penalty": list(probe.penalty),
            "stretch": [round(value, 4) for value in probe.stretch],
            "int8_agreement": round(agreement, 4),
        },
        data=(_data(table, about),),
        metrics=tuple(_metrics(measured, about, len(_images(table)))),
        parameters=sum(p.numel() for p in net.parameters()),
        mien=mien.__version__,
        environment=environment.describe(),
    )
    manifest.write(made, out)
    card.write(made, out)
    licence.write(out)
    return made


def _images(table: Table) -> Sequence[str]:
    return [row["image"] for row in table.rows(["image"])]


def _pictures(table: Table) -> NDArray[np.uint8]:
    """Read photos, spread evenly over the table."""
    names = _images(table)
    if not names:
        raise DataError(f"{table.path} has no rows")
    at = np.linspace(0, len(names) - 1, min(len(names), CALIBRATION_PICTURES)).astype(int)
    return np.stack([align.whole(image.read(table.root / names[i]), SIZE) for i in at])


def _answers(path: Path, pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
    session = open_graph(path)
    parts = [session.run(None, {onnx.INPUT: pictures[i : i + 16]})[0] for i in range(0, len(pictures), 16)]
    return np.concatenate(parts).astype(np.float64)


def _agreement(own: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the lower of the two values' concordance correlations."""
    from mien.evaluation.continuous import metrics

    once = np.ones((1, len(own)))
    return min(float(metrics(a, b, once)["ccc"][0]) for a, b in zip(own.T, other.T, strict=True))


def _data(table: Table, name: str) -> Data:
    return Data(
        name=name,
        use="train",
        digest=table.digest(),
        licence=table.origin.licence or "unknown",
        n=len(_images(table)),
    )


def _metrics(measured: Mapping[str, Mapping[str, Figure]], dataset: str, n: int) -> list[Metric]:
    return [
        Metric(
            name=f"{name} of {value}", value=figure.value, low=figure.low, high=figure.high, head=HEAD,
            dataset=dataset, split="train", protocol=PROTOCOL, n=n,
        )
        for value, named in measured.items()
        for name, figure in named.items()
    ]  # fmt: skip
