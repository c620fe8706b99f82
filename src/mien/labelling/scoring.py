"""Scores and features of a pool of faces by one or several of our models, for choosing what to ask about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from mien import labels as label_sets
from mien.errors import DataError, ModelError
from mien.imaging import image as imaging
from mien.imaging.image import RGB
from mien.labelling.items import Item
from mien.labels import LabelSet
from mien.parallel import map_batches
from mien.recognition.expression import ExpressionModel
from mien.recognition.features import Features
from mien.results import Detections

Float = NDArray[np.float32]
Box = tuple[float, float, float, float]
AXES = 16


class Ensemble:
    """One or several expression models that answer over one label set.

    Args:
        models: names or folders; every one needs a head over the label set, or over one that maps to it.
        labels: the label set; None takes that of the first model's primary head.

    Raises:
        ModelError: no model was named, or one has no head that fits.
    """

    def __init__(self, models: Sequence[str], labels: LabelSet | None = None) -> None:
        if not models:
            raise ModelError("name at least one model")
        self.models = [ExpressionModel(model) for model in models]
        first = self.models[0]
        self.labels = labels or first.manifest.head(first.primary).set()
        self._readers = [_reader(model, self.labels) for model in self.models]
        self.digests = [m.manifest.graphs[m.session.precision].sha256 for m in self.models]  # type: ignore[index]

    def members(self, pictures: Sequence[RGB], boxes: Sequence[Box | None]) -> Float:
        """Return every model's distributions ``(models, n, labels)`` for n faces."""
        return np.stack(
            [read(_crops(model, pictures, boxes)) for model, read in zip(self.models, self._readers, strict=True)]
        )

    def pool(self, items: Iterable[Item], progress: Callable[[int], None] = lambda done: None) -> Float:
        """Score items in batches with flat memory: ``(models, n, labels)``."""
        parts: list[Float] = []
        done = 0
        for part in map_batches(self._batch, items, size=64, workers=2):
            parts.append(part)
            done += part.shape[1]
            progress(done)
        if not parts:
            raise DataError("there is nothing to score")
        return np.concatenate(parts, axis=1)

    def features(self, items: Iterable[Item], progress: Callable[[int], None] = lambda done: None) -> Float:
        """Return what the first model sees in each face before it answers, on its axes of most variance ``(n, 16)``.

        Few axes keep the choice of thousands among a hundred thousand faces within seconds.
        """
        from sklearn.decomposition import PCA

        model = self.models[0]
        sight = Features(model.session.folder)

        def batch(part: Sequence[Item]) -> Float:
            pictures = [imaging.read(item.path) for item in part]
            return sight.of(list(_crops(model, pictures, [item.box for item in part])))

        parts: list[Float] = []
        for seen in map_batches(batch, items, size=64, workers=2):
            parts.append(seen)
            progress(sum(map(len, parts)))
        found = np.concatenate(parts)
        axes = PCA(min(AXES, *found.shape), svd_solver="covariance_eigh")
        return np.asarray(axes.fit_transform(found), np.float32)

    def _batch(self, items: Sequence[Item]) -> Float:
        return self.members([imaging.read(item.path) for item in items], [item.box for item in items])


def _crops(model: ExpressionModel, pictures: Sequence[RGB], boxes: Sequence[Box | None]) -> NDArray[np.uint8]:
    out = []
    for picture, box in zip(pictures, boxes, strict=True):
        height, width = picture.shape[:2]
        xyxy = np.array([box or (0, 0, width, height)], np.float32)
        face = Detections(xyxy, np.ones(1, np.float32), np.full((1, 5, 2), np.nan, np.float32))
        out.append(model.crops(picture, face, whole=box is None))
    return np.concatenate(out)


def _reader(model: ExpressionModel, labels: LabelSet) -> Callable[[NDArray[np.uint8]], Float]:
    """Return a function from crops to distributions over the label set."""
    heads = {head.name: head.set() for head in model.manifest.heads}
    for name, own in heads.items():
        if own.labels == labels.labels:
            return lambda crops: model.predict(crops)[name].values
    for name, own in heads.items():
        try:
            mapping = label_sets.mapping(own.name, labels.name)
        except DataError:
            continue
        return lambda crops: mapping.scores(model.predict(crops)[name].values)
    given = ", ".join(f"{name} ({own.name})" for name, own in heads.items())
    raise ModelError(
        f"{model.session.folder} has no head over '{labels.name}' or a set that maps to it; it has {given}"
    )
