"""Face detection: photos with boxed faces, crops of every scale, one anchor-free network."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import cv2
import torch
from pydantic import Field
from torch import Tensor

from mien.datasets.faces import read_photos, split
from mien.errors import DataError, RecipeError
from mien.models.face import FaceNet
from mien.models.growth import grow
from mien.training.detect_data import BatchPolicy, FaceCrops, FaceData, PhotoCache
from mien.training.detect_loss import FaceBatch, Weights
from mien.training.detect_module import FaceModule
from mien.training.job import Inputs, Job
from mien.training.recipe import Recipe, Section
from mien.training.start import source

_SAMPLE = 24
"""Batches that the norms of a model folder's network are measured on."""


class Model(Section):
    """Says what the network is; see `models.face.FaceNet`.

    Attributes:
        widths: channels at strides 2, 4, 8, 16 and 32.
        depths: residual convolutions at strides 4, 8, 16 and 32.
        neck: channels of the top-down path.
        start: a network of the same kind, not larger, to grow from: a checkpoint, or folder or name of a model.
        compile: let torch compile the network: a third faster on a CPU after a minute of compiling.
    """

    widths: tuple[int, int, int, int, int] = (16, 16, 48, 64, 96)
    depths: tuple[int, int, int, int] = (0, 1, 1, 1)
    neck: int = Field(48, ge=8)
    start: Path | None = None
    compile: bool = True


class Photos(Section):
    """Says how photos are held, and how many batches of them an epoch has.

    Attributes:
        longest: photos are shrunk to this longest side before crops are drawn.
        batches: an epoch.
        workers: loader processes.
    """

    longest: int = Field(640, ge=64)
    batches: int = Field(1500, ge=1)
    workers: int = Field(1, ge=0)


class Judge(Section):
    """Says how the held-out photos are judged during training.

    Attributes:
        side: longest side that they are resized to.
        deployed: longest side that the exported detector resizes pictures to unless it is told otherwise.
        threshold: score from which a box counts for point error and clean photos.
    """

    side: int = Field(640, ge=32)
    deployed: int = Field(512, ge=32)
    threshold: float = Field(0.4, gt=0, lt=1)


class DetectionRecipe(Recipe):
    """A recipe for a face detector."""

    model: Model = Model()
    photos: Photos = Photos()
    batches: BatchPolicy = BatchPolicy()
    loss: Weights = Weights()
    judge: Judge = Judge()


RECIPE = DetectionRecipe


def network(recipe: DetectionRecipe) -> FaceNet:
    """Make the untrained network of a recipe."""
    return FaceNet(recipe.model.widths, recipe.model.depths, recipe.model.neck)


def _start(net: FaceNet, path: Path, crops: FaceCrops) -> None:
    """Grow a network from that of a checkpoint or model folder.

    Raises:
        RecipeError: that network is larger, or of another task.
    """
    found, _ = source(path, "detection", lambda: [_input(crops[number]) for number in range(_SAMPLE)])
    try:
        grow(net, found.state_dict())
    except ValueError as error:
        raise RecipeError(f"model.start: {path} does not fit into the network of this recipe: {error}") from error


def _input(batch: FaceBatch) -> Tensor:
    """Return what the network takes of a batch."""
    return batch.images.permute(0, 3, 1, 2).float().div(255.0)


def build(recipe: DetectionRecipe, inputs: Inputs) -> Job:
    """Read the annotations, decode the photos once, make the network, and tie them together.

    Raises:
        RecipeError: no annotations were given.
        DataError: they do not fit the format, or one of the two shares is empty.
    """
    if inputs.table is None:
        raise RecipeError("the task 'detection' needs photos with boxed faces: give --table with the faces.jsonl")
    train, held = (part[: inputs.limit] for part in split(list(read_photos(inputs.table))))
    if not train or not held:
        raise DataError(f"{inputs.table} has {len(train)} photos to train on and {len(held)} held out; both are needed")
    cv2.setNumThreads(1)
    digest = hashlib.sha256()
    for photo in train:
        for part in (photo.name.encode(), photo.xyxy, photo.points, photo.ignore):
            digest.update(bytes(part))
    folder = inputs.cache or Path(tempfile.gettempdir()) / "mien"
    cache = PhotoCache(
        train, folder / f"photos-{digest.hexdigest()[:16]}-{recipe.photos.longest}.u8", recipe.photos.longest
    )
    crops = FaceCrops(train, cache, recipe.batches, recipe.seed)
    net = network(recipe)
    if recipe.model.start:
        _start(net, recipe.model.start, crops)
    net = net.to(memory_format=torch.channels_last)
    if recipe.model.compile:
        net.compile(dynamic=False)
    return Job(
        module=FaceModule(net, recipe, recipe.loss, held, side=recipe.judge.side, threshold=recipe.judge.threshold),
        data=FaceData(
            crops,
            len(held),
            recipe.photos.batches,
            recipe.photos.workers,
        ),
        labels={},
        data_digest=digest.hexdigest(),
        summary={
            "parameters": f"{sum(p.numel() for p in net.parameters()):,}",
            "train photos": f"{len(train):,}",
            "held-out photos": f"{len(held):,}",
            "steps": f"{recipe.run.epochs * recipe.photos.batches:,}",
        },
    )
