"""The typed `model.json`: what a model folder is, and the only place where labels, crop and thresholds come from.

A model folder holds `model.onnx` (and `model.int8.onnx`), `model.json`, `card.md` and `LICENSE`. Reading a folder
checks that the file fits the schema; `verify` also checks the sha256 of every graph.
"""

from __future__ import annotations

import hashlib
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from mien import labels as label_sets
from mien.errors import ModelError
from mien.labels import LabelSet

MANIFEST = "model.json"
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Graph(_Strict):
    """One ONNX file of the folder."""

    file: str
    sha256: Sha256
    size: int = Field(description="bytes")
    precision: Literal["fp32", "int8"] = "fp32"

    @field_validator("file")
    @classmethod
    def _inside(cls, value: str) -> str:
        if "/" in value or "\\" in value or value.startswith("."):
            raise ValueError(f"a graph lies in the model folder itself, not at '{value}'")
        return value


class Head(_Strict):
    """One output of the graph: calibrated probabilities (or values) over ordered labels."""

    name: str
    label_set: str
    labels: tuple[str, ...] = Field(min_length=1)
    kind: Literal["single", "multi", "value"] = "single"
    smoothing: float = Field(0.0, ge=0, lt=1, description="label smoothing of the training, undone inside the graph")
    temperature: float = Field(1.0, gt=0, description="already applied inside the graph, after the above")
    conformal_90: float | None = Field(None, description="threshold of the adaptive prediction set at 90 % coverage")
    thresholds: dict[str, Probability] = Field(default_factory=dict, description="per label, of a multi-label head")

    @model_validator(mode="after")
    def _distinct(self) -> Head:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError(f"the labels of head '{self.name}' repeat")
        unknown = set(self.thresholds) - set(self.labels)
        if unknown:
            raise ValueError(f"thresholds of head '{self.name}' name {sorted(unknown)}, which are no labels of it")
        return self

    def set(self) -> LabelSet:
        """Return the head's label set."""
        found = label_sets.of(self.label_set, self.labels)
        return LabelSet(found.name, found.labels, found.source, self.kind != "single", found.synonyms)


class Crop(_Strict):
    """How a picture becomes the input of the network."""

    kind: Literal["align", "box", "whole"]
    size: int = Field(gt=0, description="side in pixels")
    margin: float = Field(0.0, ge=0, description="of a box crop, in parts of the box's longer side")
    template: tuple[tuple[float, float], ...] | None = Field(None, description="five points in parts of the side")

    @model_validator(mode="after")
    def _five(self) -> Crop:
        if self.kind == "align" and (self.template is None or len(self.template) != 5):
            raise ValueError("an aligned crop needs a template of five points")
        return self

    @property
    def points(self) -> NDArray[np.float32]:
        """The template ``(5, 2)`` in parts of the side."""
        return np.asarray(self.template, np.float32)


class Gate(_Strict):
    """When to abstain. A limit that is None is not applied."""

    min_face: float | None = Field(None, description="shorter box side in pixels of the picture")
    min_sharpness: float | None = Field(None, description="see recognition.quality")
    max_turn: float | None = Field(None, description="see recognition.quality")
    min_quality: Probability | None = None
    max_entropy: float | None = Field(None, description="nats, of the primary head")
    min_confidence: Probability | None = None


class Curve(_Strict):
    """A piecewise-linear function of one measured thing; outside its knots it stays at the last value."""

    knots: tuple[float, ...] = Field(min_length=1)
    values: tuple[float, ...]

    @model_validator(mode="after")
    def _increasing(self) -> Curve:
        if len(self.values) != len(self.knots):
            raise ValueError(f"a curve needs one value a knot, got {len(self.values)} for {len(self.knots)}")
        if any(b <= a for a, b in pairwise(self.knots)):
            raise ValueError("the knots of a curve increase")
        return self


class Chance(_Strict):
    """How likely the primary head's answer is right: a logistic function of a sum of curves (see recognition.quality).

    What is not known of a face (its turn without points, say) adds nothing: every curve is zero on average.
    """

    bias: float
    curves: dict[str, Curve]
    labels: dict[str, float] = Field(default_factory=dict, description="added when that label is the answer")


class Detector(_Strict):
    """How a detector's graph is to be used."""

    score: Probability = Field(description="boxes below are dropped")
    side: int = Field(description="default longest side in pixels")
    multiple: int = Field(32, description="sides fed to the graph are multiples of this")


class Metric(_Strict):
    """One measured figure and where it comes from."""

    name: str
    value: float
    low: float | None = Field(None, description="of the 95 % interval")
    high: float | None = None
    head: str | None = None
    dataset: str
    split: str
    protocol: str
    precision: Literal["fp32", "int8"] = "fp32"
    n: int


class Diagram(_Strict):
    """A reliability diagram: how often the default graph is right where it is so sure, in bins of equal width."""

    head: str
    dataset: str
    split: str
    protocol: str
    count: tuple[int, ...] = Field(description="answers in each bin of confidence, from 0 to 1")
    confidence: tuple[float | None, ...] = Field(description="mean confidence of each bin; null where it is empty")
    accuracy: tuple[float | None, ...] = Field(description="share of right answers of each bin")


class Data(_Strict):
    """A data set that the model saw."""

    name: str
    use: Literal["train", "val", "calibration"]
    digest: str
    licence: str
    n: int


class Manifest(_Strict):
    """Everything that a client needs to know of a model."""

    schema_version: Literal[1] = 1
    name: str
    version: str = "1"
    task: Literal["expression", "detection", "action_units", "landmarks", "scene", "quality"]
    description: str = ""
    created: date
    licence: str
    graphs: dict[Literal["fp32", "int8"], Graph]
    default: Literal["fp32", "int8"] = "fp32"
    heads: tuple[Head, ...] = ()
    primary: str | None = None
    crop: Crop | None = None
    gate: Gate = Gate()
    quality: Chance | None = Field(
        None, description="how `quality` is computed; without it, a product of three measures"
    )
    detector: Detector | None = None
    recipe: dict[str, Any] = Field(default_factory=dict)
    data: tuple[Data, ...] = ()
    metrics: tuple[Metric, ...] = ()
    reliability: tuple[Diagram, ...] = ()
    parameters: int | None = None
    mien: str = Field("", description="version of mien that exported the folder")
    environment: dict[str, str] = Field(default_factory=dict, description="versions of what it was exported with")

    @model_validator(mode="after")
    def _consistent(self) -> Manifest:
        if self.default not in self.graphs:
            raise ValueError(f"the default graph '{self.default}' is not among {sorted(self.graphs)}")
        names = [head.name for head in self.heads]
        if len(set(names)) != len(names):
            raise ValueError("the names of the heads repeat")
        if self.primary is not None and self.primary not in names:
            raise ValueError(f"the primary head '{self.primary}' is not among {names}")
        if self.task == "detection" and self.detector is None:
            raise ValueError("a detector needs its 'detector' section")
        if self.task != "detection" and (self.crop is None or not self.heads or self.primary is None):
            raise ValueError(f"a model for {self.task} needs 'crop', 'heads' and 'primary'")
        return self

    def head(self, name: str) -> Head:
        """Return a head by name."""
        return next(head for head in self.heads if head.name == name)


def read(folder: Path) -> Manifest:
    """Read the manifest of a model folder.

    Raises:
        ModelError: no manifest, or it does not fit the schema.
    """
    path = folder / MANIFEST
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{folder} is not a model folder: cannot read {MANIFEST} in it") from error
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ModelError(f"{path} does not fit the schema: {place or 'model'}: {first['msg'].lower()}") from error


def write(manifest: Manifest, folder: Path) -> None:
    """Write the manifest into a model folder."""
    folder.mkdir(parents=True, exist_ok=True)
    text = manifest.model_dump_json(indent=2, exclude_none=True)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def verify(folder: Path, manifest: Manifest, *, only: str | None = None) -> None:
    """Check the digest of every graph (or of one).

    Raises:
        ModelError: a graph is missing or its sha256 is not the manifest's.
    """
    for key, graph in manifest.graphs.items():
        if only is not None and key != only:
            continue
        path = folder / graph.file
        if not path.is_file():
            raise ModelError(f"{folder} lacks {graph.file}, which its {MANIFEST} names")
        found = digest(path)
        if found != graph.sha256:
            raise ModelError(f"{path} has sha256 {found[:12]}..., but {MANIFEST} says {graph.sha256[:12]}...")


def describe(file: Path, precision: Literal["fp32", "int8"]) -> Graph:
    """Describe an ONNX file for the manifest."""
    return Graph(file=file.name, sha256=digest(file), size=file.stat().st_size, precision=precision)


def digest(path: Path) -> str:
    """Return the sha256 of a file in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
