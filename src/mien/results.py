"""What comes back: columnar arrays of one length, validated once when they are made.

A result holds many faces as arrays, not a list of objects: a boolean mask, a slice or an index list picks faces, and
iterating gives results of length one. `to_dict` has plain JSON types only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from mien.labels import LabelSet

Float = NDArray[np.float32]
Index = SupportsIndex | slice | NDArray[Any] | Sequence[int] | Sequence[bool]


def _as_index(index: Index) -> NDArray[Any] | slice:
    """Turn one position into a slice of length one, so that every selection keeps the columns' dimensions."""
    if isinstance(index, slice):
        return index
    if isinstance(index, SupportsIndex) and not isinstance(index, np.ndarray):
        at = int(index)
        return slice(at, at + 1 or None)
    chosen = np.asarray(index)
    return chosen.astype(np.int64) if chosen.size == 0 else chosen


def _position(index: Index, length: int) -> None:
    if isinstance(index, SupportsIndex) and not isinstance(index, np.ndarray) and not -length <= int(index) < length:
        raise IndexError(f"index {int(index)} is out of range for {length} faces")


@dataclass(frozen=True)
class Detections:
    """Faces found in one picture.

    Attributes:
        xyxy: ``float32 (n, 4)`` boxes in pixels of the picture.
        confidence: ``float32 (n,)`` in 0..1, best first.
        points: ``float32 (n, 5, 2)`` left eye, right eye, nose, left and right mouth corner as seen in the picture;
            NaN where a detector gives none.
    """

    xyxy: Float
    confidence: Float
    points: Float

    def __post_init__(self) -> None:
        n = len(self.confidence)
        for name, array, shape in (
            ("xyxy", self.xyxy, (n, 4)),
            ("confidence", self.confidence, (n,)),
            ("points", self.points, (n, 5, 2)),
        ):
            if array.shape != shape or array.dtype != np.float32:
                raise ValueError(f"{name} must be float32 {shape}, got {array.dtype} {array.shape}")

    @classmethod
    def empty(cls) -> Detections:
        """Make a result without faces."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32))

    def __len__(self) -> int:
        return len(self.confidence)

    def __getitem__(self, index: Index) -> Detections:
        _position(index, len(self))
        at = _as_index(index)
        return Detections(self.xyxy[at], self.confidence[at], self.points[at])

    def __iter__(self) -> Iterator[Detections]:
        return (self[i] for i in range(len(self)))


@dataclass(frozen=True)
class Scores:
    """The output of one head: a distribution (or independent probabilities) over a label set for each face.

    Attributes:
        labels: what the columns mean.
        values: ``float32 (n, len(labels))`` in 0..1.
        members: ``bool (n, len(labels))``, the conformal 90 % set, or None when the model has no quantile for it.
        derived: the name of the method that computed the scores from another head; None for a head that was learned.
        chosen: position of the label of each face ``(n,)`` where it is not simply the best one (see
            `recognition.smoothing`), or None.
        held: ``bool (n, len(labels))``, which labels hold by the model's thresholds; None where one is the answer.
        spread: how far several looks at a face lie apart ``(n,)`` (see `recognition.views`), or None.
    """

    labels: LabelSet
    values: Float
    members: NDArray[np.bool_] | None = None
    derived: str | None = None
    chosen: NDArray[np.int64] | None = None
    held: NDArray[np.bool_] | None = None
    spread: Float | None = None

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[1] != len(self.labels):
            raise ValueError(f"scores must be (n, {len(self.labels)}) for {self.labels.name}, got {self.values.shape}")
        for name, array in (("members", self.members), ("held", self.held)):
            if array is not None and array.shape != self.values.shape:
                raise ValueError(f"{name} must be {self.values.shape}, got {array.shape}")
        if self.spread is not None and self.spread.shape != self.values.shape[:1]:
            raise ValueError(f"spread must be {self.values.shape[:1]}, got {self.spread.shape}")
        if self.chosen is not None and self.chosen.shape != self.values.shape[:1]:
            raise ValueError(f"chosen must be {self.values.shape[:1]}, got {self.chosen.shape}")

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: Index) -> Scores:
        at = _as_index(index)
        return replace(
            self,
            values=self.values[at],
            members=None if self.members is None else self.members[at],
            chosen=None if self.chosen is None else self.chosen[at],
            held=None if self.held is None else self.held[at],
            spread=None if self.spread is None else self.spread[at],
        )

    @property
    def class_id(self) -> NDArray[np.int64]:
        """Position of the label ``(n,)``: the best one, unless another was chosen."""
        return np.asarray(self.values.argmax(axis=1), np.int64) if self.chosen is None else self.chosen

    @property
    def label(self) -> list[str]:
        """Best label of each face."""
        return [self.labels.labels[i] for i in self.class_id]

    @property
    def confidence(self) -> Float:
        """Probability of the label ``(n,)``."""
        return np.asarray(self.values[np.arange(len(self)), self.class_id], np.float32)

    @property
    def entropy(self) -> Float:
        """Shannon entropy in nats ``(n,)``; of a multi-label head the mean of the labels' binary entropies."""
        p = np.clip(self.values.astype(np.float64), 1e-12, 1.0)
        if self.labels.multi:
            q = np.clip(1.0 - self.values.astype(np.float64), 1e-12, 1.0)
            return np.asarray(-(p * np.log(p) + q * np.log(q)).mean(axis=1), np.float32)
        return np.asarray(-(p * np.log(p)).sum(axis=1), np.float32)

    def to_dict(self, at: int) -> dict[str, Any]:
        """Return one face's scores as plain JSON types."""
        out: dict[str, Any] = {
            "label": self.label[at],
            "scores": {name: _plain(p) for name, p in zip(self.labels, self.values[at], strict=True)},
            "entropy": _plain(self.entropy[at]),
            "labels_90": self.set_90(at),
        }
        if self.derived:
            out["derived"] = self.derived
        if self.held is not None:
            out["holds"] = [name for name, holds in zip(self.labels, self.held[at], strict=True) if holds]
        if self.spread is not None:
            out["spread"] = _plain(self.spread[at])
        return out

    def set_90(self, at: int) -> list[str] | None:
        """Return the labels of one face's conformal 90 % set, most likely first; None without a quantile."""
        if self.members is None:
            return None
        order = np.argsort(-self.values[at], kind="stable")
        return [self.labels.labels[i] for i in order if self.members[at, i]]


@dataclass(frozen=True)
class Faces:
    """The faces of one picture with what was read from each.

    Attributes:
        detections: boxes, confidence and points.
        heads: scores of each head of the model, by name; all of length n.
        primary: name of the head that gives `label` and `scores`.
        quality: ``float32 (n,)`` in 0..1: how fit the face is for reading an expression.
        abstained: for each face None, or why no answer should be taken from it.
        width: of the picture in pixels.
        height: of the picture in pixels.
        image: the picture's name (its path, or None for arrays and bytes).
        error: why the picture could not be read; a result with an error has no faces.
        tracker_id: ``int64 (n,)`` stable ids in a video, or None.
        columns: further measures by name, of length n; NaN where one could not be taken.
    """

    detections: Detections
    heads: Mapping[str, Scores]
    primary: str
    quality: Float
    abstained: tuple[str | None, ...]
    width: int = 0
    height: int = 0
    image: str | None = None
    error: str | None = None
    tracker_id: NDArray[np.int64] | None = None
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.detections)
        lengths = {
            "quality": len(self.quality),
            "abstained": len(self.abstained),
            **{f"heads['{name}']": len(head) for name, head in self.heads.items()},
            **{f"columns['{name}']": len(column) for name, column in self.columns.items()},
            **({} if self.tracker_id is None else {"tracker_id": len(self.tracker_id)}),
        }
        wrong = {name: length for name, length in lengths.items() if length != n}
        if wrong:
            raise ValueError(f"every column must have one row for each of {n} faces, got {wrong}")
        if self.error is None and self.heads and self.primary not in self.heads:
            raise ValueError(f"the primary head '{self.primary}' is not among {list(self.heads)}")

    @classmethod
    def failed(cls, error: str, *, image: str | None = None) -> Faces:
        """Make the result of a picture that could not be read."""
        return cls(Detections.empty(), {}, "", np.zeros(0, np.float32), (), image=image, error=error)

    def __len__(self) -> int:
        return len(self.detections)

    def __iter__(self) -> Iterator[Faces]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: Index) -> Faces:
        _position(index, len(self))
        at = _as_index(index)
        kept = np.arange(len(self))[at]
        return replace(
            self,
            detections=self.detections[at],
            heads={name: head[at] for name, head in self.heads.items()},
            quality=self.quality[at],
            abstained=tuple(self.abstained[i] for i in kept),
            tracker_id=None if self.tracker_id is None else self.tracker_id[at],
            columns={name: column[at] for name, column in self.columns.items()},
        )

    @property
    def xyxy(self) -> Float:
        """Boxes ``float32 (n, 4)`` in pixels."""
        return self.detections.xyxy

    @property
    def points(self) -> Float:
        """Five points ``float32 (n, 5, 2)`` in pixels."""
        return self.detections.points

    @property
    def detection_confidence(self) -> Float:
        """How sure the detector is of each face ``(n,)``."""
        return self.detections.confidence

    @property
    def _main(self) -> Scores:
        if self.primary not in self.heads:
            raise ValueError("this result has no scores: the picture could not be read or no model was asked")
        return self.heads[self.primary]

    @property
    def labels(self) -> LabelSet:
        """The label set of the primary head."""
        return self._main.labels

    @property
    def scores(self) -> Float:
        """Probabilities of the primary head ``(n, len(labels))``."""
        return self._main.values

    @property
    def label(self) -> list[str]:
        """Best label of each face."""
        return self._main.label if self.heads else []

    @property
    def confidence(self) -> Float:
        """Probability of the best label ``(n,)``."""
        return self._main.confidence if self.heads else np.zeros(0, np.float32)

    @property
    def entropy(self) -> Float:
        """Shannon entropy of the primary head in nats ``(n,)``."""
        return self._main.entropy if self.heads else np.zeros(0, np.float32)

    @property
    def labels_90(self) -> list[list[str] | None]:
        """The conformal 90 % label set of each face."""
        return [self._main.set_90(i) for i in range(len(self))] if self.heads else []

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; the schema is that of one line of `mien predict --json`."""
        return {
            "image": self.image,
            "width": self.width,
            "height": self.height,
            "faces": [self._face(i) for i in range(len(self))],
            "error": self.error,
        }

    def _face(self, i: int) -> dict[str, Any]:
        points = self.points[i]
        face: dict[str, Any] = {
            "box": [_plain(v, 2) for v in self.xyxy[i]],
            "confidence": _plain(self.detection_confidence[i]),
            "points": None if np.isnan(points).any() else [[_plain(v, 2) for v in point] for point in points],
        }
        if self.heads:
            face |= self._main.to_dict(i)
        face |= {"quality": _plain(self.quality[i]), "abstained": self.abstained[i]}
        face["heads"] = {name: head.to_dict(i) for name, head in self.heads.items() if name != self.primary}
        if self.tracker_id is not None:
            face["tracker_id"] = int(self.tracker_id[i])
        for name, column in self.columns.items():
            value = column[i].tolist()
            face[name] = value if not isinstance(value, float) else None if np.isnan(value) else _plain(value)
        return face

    def to_table(self) -> list[dict[str, Any]]:
        """Return one flat row a face, ready for csv, pandas or polars."""
        rows = []
        for i in range(len(self)):
            x1, y1, x2, y2 = (_plain(v, 2) for v in self.xyxy[i])
            row: dict[str, Any] = {
                "image": self.image, "face": i, "x1": x1, "y1": y1, "x2": x2, "y2": y2,
                "confidence": _plain(self.detection_confidence[i]),
            }  # fmt: skip
            if self.tracker_id is not None:
                row["tracker_id"] = int(self.tracker_id[i])
            if self.heads:
                row |= {"label": self.label[i], "label_confidence": _plain(self.confidence[i])}
                row["entropy"] = _plain(self.entropy[i])
            row |= {"quality": _plain(self.quality[i]), "abstained": self.abstained[i]}
            for name, column in self.columns.items():
                value = column[i].tolist()
                row |= {name: _plain(value) if isinstance(value, float) else value} if column.ndim == 1 else {}
            for name, head in self.heads.items():
                row |= {f"{name}_{label}": _plain(p) for label, p in zip(head.labels, head.values[i], strict=True)}
            rows.append(row)
        return rows


def _plain(value: Any, digits: int = 5) -> float:
    return round(float(value), digits)
