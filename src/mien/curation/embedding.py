"""Near copies by what a model sees in pictures: the features of a model folder that go into its answers.

Features forget what the model was trained to forget: light, blur, framing, the mirror. So copies are found that differ
more than thumbnails may. As they stand, features mostly say what the answer is, and all laughing faces lie close
together. They are therefore whitened: brought to one variance in every direction, by the inverse of a covariance that
is shrunk where pictures are few (Ledoit and Wolf 2004). What answers weigh most then counts no more than what tells one
photo from another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from mien.curation.neighbours import CHUNK, Float, Ids, joined
from mien.curation.shards import Engine
from mien.curation.table import Table
from mien.errors import ImageError
from mien.imaging import image as imaging
from mien.parallel import map_batches
from mien.recognition.features import Features

BATCH = 64
#: Pictures whose features say in which directions all of them vary.
SAMPLE = 8192


def close(
    table: Table,
    images: Sequence[str],
    similarity: float,
    progress: Callable[[int], None],
    engine: Engine,
    *,
    model: str,
) -> list[tuple[int, int]]:
    """Join pictures whose whitened features have at least this cosine.

    Memory grows with the number of pictures by their features (1 KB each for the expression model), time for comparing
    with its square. Features are read where the engine says, and compared here.

    Returns:
        Links between positions in `images`, as `neighbours.close` returns them.
    """
    read = _Read(table.root, model)
    vectors = np.zeros((len(images), _opened(model).width), np.float32)
    done = 0
    for part in map_batches(read, images, size=BATCH, on=engine.on, workers=engine.workers):
        vectors[done : done + len(part)] = part
        done += len(part)
        progress(done)
    return links(vectors, similarity)


def links(vectors: Float, similarity: float) -> list[tuple[int, int]]:
    """Join features ``(n, d)`` as `close` does; rows of zeros (pictures that cannot be read) are like nothing.

    The features are changed in place.
    """
    whiten(vectors)

    def pairs(start: int, other: int) -> Ids:
        cosine = vectors[start : start + CHUNK] @ vectors[other : other + CHUNK].T
        rows, columns = np.divmod(np.flatnonzero(cosine >= similarity), cosine.shape[1])
        found = np.stack([rows + start, columns + other]).astype(np.int64)
        return found[:, found[0] < found[1]]

    return joined(len(vectors), pairs)


def whiten(vectors: Float) -> None:
    """Bring features ``(n, d)`` to mean zero, one variance in every direction and length one, in place.

    Rows of zeros stay as they are. The covariance is that of at most `SAMPLE` rows, spread over the table.
    """
    from sklearn.covariance import LedoitWolf

    known = np.flatnonzero(np.linalg.norm(vectors, axis=1))
    if len(known) < 2:
        return
    some = known[np.linspace(0, len(known) - 1, min(len(known), SAMPLE)).astype(np.int64)]
    fitted = LedoitWolf().fit(vectors[some])
    values, axes = np.linalg.eigh(fitted.covariance_)
    # A feature that never varies has no variance to bring to one.
    turn = (axes / np.sqrt(np.maximum(values, values[-1] * 1e-9 + 1e-30))).astype(np.float32)
    mean = fitted.location_.astype(np.float32)
    for at in range(0, len(known), CHUNK):
        rows = known[at : at + CHUNK]
        turned = (vectors[rows] - mean) @ turn
        vectors[rows] = turned / np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-12)


@dataclass(frozen=True)
class _Read:
    """Reads the features of a batch of pictures; picklable. What cannot be read has zeros."""

    root: Path
    model: str

    def __call__(self, names: Sequence[str]) -> Float:
        features = _opened(self.model)
        pictures, places = [], []
        for place, name in enumerate(names):
            try:
                pictures.append(imaging.read(self.root / name))
                places.append(place)
            except ImageError:
                continue
        out = np.zeros((len(names), features.width), np.float32)
        if pictures:
            out[places] = features.of(pictures)
        return out


@cache
def _opened(model: str) -> Features:
    return Features(model)
