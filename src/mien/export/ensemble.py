"""Several models become one model folder: their graphs in one, with what combines them fitted on `val`.

Members answer the same crop, so an ensemble is called like any model, in Python, on the server and in the browser.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import onnx

import mien
from mien import hub, manifest
from mien.curation.table import Table
from mien.errors import ModelError, UnknownNameError
from mien.evaluation import bootstrap, calibration, classification, crops, protocols, scoring
from mien.evaluation.classification import Answers
from mien.evaluation.crops import Crops
from mien.evaluation.scoring import Source
from mien.export import blending, card, environment, fitting, graphs, run
from mien.export.fitting import Limits, Precision
from mien.export.graphs import Array, Blend
from mien.export.onnx import INPUT
from mien.manifest import Crop, Data, Head, Manifest, Metric
from mien.recognition.expression import ExpressionModel
from mien.runtime.session import open_graph

_BATCH = 64
_FILES: dict[Precision, str] = {"fp32": "model.onnx", "int8": "model.int8.onnx"}


@dataclass(frozen=True)
class _Member:
    """A model of the ensemble: its folder, manifest and crop."""

    folder: Path
    described: Manifest
    crop: Crop


@dataclass(frozen=True)
class Made:
    """What came out.

    Attributes:
        manifest: of the folder.
        worth: each member's main figure a head on `val` (see `fitting.worth`), and the ensemble's last.
    """

    manifest: Manifest
    worth: dict[str, list[float]]


def export(
    members: Sequence[Path],
    table: Table,
    out: Path,
    *,
    how: str = "mean",
    name: str = "ensemble",
    version: str = "1",
    say: Callable[[str], None] = lambda line: None,
) -> Made:
    """Write the model folder of an ensemble.

    Args:
        members: model folders, names of installed models, or checkpoints, which are exported on the way.
        table: with the split `val`, and `train` where a member is a checkpoint.
        out: folder to write.
        how: see `blending.learn`.
        name: of the ensemble.
        version: of the ensemble.
        say: called with a line a step.

    Raises:
        ModelError: fewer than two members, or members that do not fit together.
        DataError: the table lacks a split, or what the heads are judged by.
        UnknownNameError: no such way to combine, or no such model.
    """
    if how not in blending.HOW:
        raise UnknownNameError("way to combine", how, blending.HOW)
    if len(members) < 2:
        raise ModelError(f"an ensemble has at least two members, got {len(members)}")
    val = fitting.source(table, "val")
    with tempfile.TemporaryDirectory() as work:
        opened = [_open(path, table, Path(work) / str(number), say) for number, path in enumerate(members)]
        heads = _common(opened)
        crop = max((member.crop for member in opened), key=lambda crop: crop.size)
        judged = fitting.judged_by(heads, val.columns)
        merged = _merged(opened, [head.name for head in heads], crop.size)
        found = crops.read(crop, val.root, val.columns, range(len(val.columns["image"])))
        shown = [_shown(merged["fp32"], head, found, judged.get(head.name), val) for head in heads]
        worth = _worth(opened, val, found, judged)
    blends = {one.head.name: one.blend(how) for one in shown}
    temperatures = {one.head.name: one.temperature(blends[one.head.name]) for one in shown if one.scaled}
    for name_, blend in blends.items():
        if how == "weighted":
            say(f"{name_}: weights " + ", ".join(f"{weight:.3f}" for weight in blend.weights))

    out.mkdir(parents=True, exist_ok=True)
    described: dict[Precision, manifest.Graph] = {}
    for precision, model in merged.items():
        onnx.save(graphs.finish(model, blends, temperatures), out / _FILES[precision])
        described[precision] = manifest.describe(out / _FILES[precision], precision)
    made = Manifest(
        name=name,
        version=version,
        task="expression",
        description=f"{len(opened)} models that answer together ({how}): "
        + ", ".join(f"{member.described.name} {member.described.version}" for member in opened) + ".",
        created=date.today(),
        licence="; ".join(sorted({member.described.licence for member in opened})),
        graphs=described,
        heads=tuple(_warm(head, temperatures) for head in heads),
        primary=fitting.primary(heads),
        crop=crop,
        recipe=_recipe(opened, how, blends),
        data=_data(opened, val),
        parameters=sum(member.described.parameters or 0 for member in opened) or None,
        mien=mien.__version__,
        environment=environment.describe(),
    )  # fmt: skip
    made = fitting.save(made, out)
    first = scoring.answer(ExpressionModel(out, precision="fp32"), val, found=found)
    made = fitting.settle(made, out, first, judged, Limits(), say)
    if how in ("weighted", "stacking"):
        crossed = [one.crossed(how, judged[one.head.name], val) for one in shown if one.scaled]
        made = fitting.save(made, out, metrics=(*made.metrics, *crossed))
        card.write(made, out)
    for head, protocol in judged.items():
        worth[head].append(fitting.worth(first, head, protocol))
    return Made(made, worth)


@dataclass(frozen=True)
class _Shown:
    """What the members said of one head on the rows of `val`, beside what is true; no truth where nothing is known."""

    head: Head
    answers: Array
    truth: Array | None

    @property
    def scaled(self) -> bool:
        """Whether the head answers with one label whose temperature can be fitted."""
        return self.truth is not None and self.head.kind == "single"

    def blend(self, how: str) -> Blend:
        if self.truth is None:
            return blending.learn("mean", self.answers, np.zeros((0, 0)), kind=self.head.kind)
        return blending.learn(how, self.answers, self.truth, kind=self.head.kind)

    def temperature(self, blend: Blend) -> float:
        return calibration.temperature(self._judged(blend(self.answers)))

    def crossed(self, how: str, protocol: str, val: Source) -> Metric:
        """Measure accuracy with each half of the rows combined as was learnt on the other."""
        assert self.truth is not None
        answers = self._judged(blending.crossed(how, self.answers, self.truth, kind=self.head.kind))
        figure = bootstrap.measure(lambda w: classification.metrics(answers, w), len(answers))["accuracy"]
        return Metric(
            name="accuracy", value=figure.value, low=figure.low, high=figure.high, head=self.head.name,
            dataset=val.dataset, split=val.split, n=len(answers),
            protocol=f"{protocol}, combined as learnt on one half, measured on the other, both ways",
        )  # fmt: skip

    def _judged(self, values: Array) -> Answers:
        assert self.truth is not None
        return Answers(self.head.set(), values, self.truth.argmax(axis=1))


def _open(path: Path, table: Table, work: Path, say: Callable[[str], None]) -> _Member:
    """Open a member; a checkpoint is exported first."""
    if path.is_file():
        say(f"exporting {path}")
        run.export(path, table.path, work)
        path = work
    folder = hub.find(path)
    described = manifest.read(folder)
    if described.task != "expression" or described.crop is None:
        raise ModelError(f"{folder} is a model for {described.task}; an ensemble is made of expression models")
    manifest.verify(folder, described)
    return _Member(folder, described, described.crop)


def _common(members: Sequence[_Member]) -> list[Head]:
    """Return the heads that all members have, in the first one's order."""
    first, *others = members
    for other in others:
        same = {"kind", "margin", "template"}
        if first.crop.model_dump(include=same) != other.crop.model_dump(include=same):
            raise ModelError(f"{other.folder} takes other crops than {first.folder}; members must be framed alike")
    heads = []
    for head in first.described.heads:
        found = [h for other in others for h in other.described.heads if h.name == head.name]
        if len(found) == len(others) and all((h.labels, h.kind) == (head.labels, head.kind) for h in found):
            plain: dict[str, Any] = {"temperature": 1.0, "conformal_90": None, "thresholds": {}}
            heads.append(head.model_copy(update=plain))
    if not heads:
        listed = "; ".join(f"{m.folder}: {', '.join(h.name for h in m.described.heads)}" for m in members)
        raise ModelError(f"the members share no head of the same labels ({listed})")
    return heads


def _merged(members: Sequence[_Member], heads: Sequence[str], size: int) -> dict[Precision, onnx.ModelProto]:
    """Merge the members' graphs in each precision that all of them have."""
    merged: dict[Precision, onnx.ModelProto] = {}
    for precision in _FILES:
        if all(precision in member.described.graphs for member in members):
            files = [(m.folder / m.described.graphs[precision].file, m.crop.size) for m in members]
            merged[precision] = graphs.merge(files, heads, size)
    if "fp32" not in merged:
        raise ModelError("an ensemble needs the fp32 graph of every member")
    return merged


def _shown(model: onnx.ModelProto, head: Head, found: Crops, protocol: str | None, val: Source) -> _Shown:
    """Let the members answer the rows that a head is judged by."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "members.onnx"
        onnx.save(model, path)
        session = open_graph(path)
    names = [value.name for value in session.get_outputs() if value.name.endswith(f"/{head.name}")]
    pixels, truth = found.pixels, None
    if protocol is not None:
        truth = _truth(head, protocol, val)[found.rows]
        counts = ~np.isnan(truth).any(axis=1)
        pixels, truth = pixels[counts], truth[counts]
    parts = [session.run(names, {INPUT: pixels[i : i + _BATCH]}) for i in range(0, len(pixels), _BATCH)]
    answers = np.stack([np.concatenate([part[k] for part in parts]) for k in range(len(names))]).astype(np.float64)
    return _Shown(head, answers, truth)


def _truth(head: Head, protocol: str, val: Source) -> Array:
    """Return what is true of every row ``(n, classes)``, NaN where it does not count."""
    if protocol in protocols.OUTPUTS:
        return protocols.OUTPUTS[protocol].truth(val.columns, head.set())
    target = protocols.get(protocol).targets(val.columns).target
    return np.where(target[:, None] >= 0, np.eye(len(head.labels))[target], np.nan)


def _worth(members: Sequence[_Member], val: Source, found: Crops, judged: fitting.Protocols) -> dict[str, list[float]]:
    worth: dict[str, list[float]] = {head: [] for head in judged}
    for member in members:
        same = found.pixels.shape[1] == member.crop.size
        model = ExpressionModel(member.folder, precision="fp32")
        answered = scoring.answer(model, val, found=found if same else None)
        for head, protocol in judged.items():
            worth[head].append(fitting.worth(answered, head, protocol))
    return worth


def _warm(head: Head, temperatures: Mapping[str, float]) -> Head:
    return head.model_copy(update={"temperature": temperatures.get(head.name, 1.0)})


def _recipe(members: Sequence[_Member], how: str, blends: Mapping[str, Blend]) -> dict[str, Any]:
    return {
        "task": "ensemble",
        "how": how,
        "weights": {head: blend.weights.round(6).tolist() for head, blend in blends.items()},
        "bias": {head: blend.bias.round(6).tolist() for head, blend in blends.items() if blend.bias is not None},
        "members": [
            {
                "name": member.described.name,
                "version": member.described.version,
                "sha256": member.described.graphs["fp32"].sha256,
                "recipe": member.described.recipe,
            }
            for member in members
        ],
    }


def _data(members: Sequence[_Member], val: Source) -> tuple[Data, ...]:
    """Return the data that any member saw, and the rows of `val` that the ensemble was fitted on."""
    own = fitting.data(val, "val")
    seen = [data for member in members for data in member.described.data]
    return (*dict.fromkeys(data for data in seen if (data.use, data.digest) != ("val", own.digest)), own)
