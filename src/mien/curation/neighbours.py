"""Near copies by what pictures look like at thumbnail size: cropped a little, recompressed, relit, mirrored.

A picture becomes a 16x16 grey thumbnail of mean zero and length one; the cosine of two thumbnails tells how alike two
pictures are, whatever their brightness and contrast. This says nothing about who is seen.

All pairs are compared, yet most of them only by the 8x8 lowest frequencies of their cosine transforms. What the other
frequencies can add to the cosine is at most the product of their lengths (Cauchy and Schwarz), so a pair that stays
below the bound is no neighbour for certain, and nothing is lost against comparing everything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from mien.curation.shards import Engine
from mien.curation.table import Table
from mien.errors import ImageError
from mien.imaging import image as imaging
from mien.parallel import map_batches

SIDE, LOW = 16, 8
#: Pictures a block: two blocks of products fit into the cache of a core.
CHUNK = 512
#: What rounding may take from a bound in float32.
SLACK = 1e-5
Float = NDArray[np.float32]
Ids = NDArray[np.int64]


def thumbnail(path_or_pixels: object) -> Float:
    """Return the thumbnail ``(256,)`` of a picture; zeros when it is even or cannot be read."""
    try:
        pixels = imaging.read(path_or_pixels, color="rgb")
    except ImageError:
        return np.zeros(SIDE * SIDE, np.float32)
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    small -= small.mean()
    length = float(np.linalg.norm(small))
    return np.zeros_like(small) if length < SIDE else small / length


def close(
    table: Table, images: Sequence[str], similarity: float, progress: Callable[[int], None], engine: Engine
) -> list[tuple[int, int]]:
    """Join pictures whose thumbnails (or one's mirror image) have at least this cosine.

    Memory grows with the number of pictures by 1.4 KB each, however many of them are alike; time for comparing grows
    with its square. Thumbnails are made where the engine says, and compared here.

    Returns:
        Links between positions in `images`: pictures are linked, directly or over others, exactly when such
        neighbours join them; a group of n pictures has n - 1 links.
    """
    vectors = np.zeros((len(images), SIDE * SIDE), np.float32)
    done = 0
    make = partial(_thumbnails, table.root)
    for part in map_batches(make, images, size=64, on=engine.on, workers=engine.workers):
        vectors[done : done + len(part)] = part
        done += len(part)
        progress(done)
    return links(vectors, similarity)


def _thumbnails(root: Path, names: Sequence[str]) -> Float:
    return np.stack([thumbnail(root / name) for name in names])


def links(vectors: Float, similarity: float) -> list[tuple[int, int]]:
    """Join thumbnails ``(n, 256)`` as `close` does; see there."""
    even, odd = _low(vectors)
    return joined(len(vectors), lambda start, other: _neighbours(vectors, even, odd, start, other, similarity))


def joined(count: int, pairs: Callable[[int, int], Ids]) -> list[tuple[int, int]]:
    """Join what a comparison of all blocks of `CHUNK` finds.

    Args:
        count: things that are compared.
        pairs: takes where two blocks start and returns the pairs ``(2, m)`` between them that belong together.

    Returns:
        Links ``(first of the group, other member)``; a group of n has n - 1.
    """
    group = np.arange(count)
    for start in range(0, count, CHUNK):
        found = [pairs(start, other) for other in range(start, count, CHUNK)]
        group = _joined(group, np.concatenate(found, axis=1))
    members = np.flatnonzero(group != np.arange(count))
    return list(zip(group[members].tolist(), members.tolist(), strict=True))


def _low(vectors: Float) -> tuple[Float, Float]:
    """Return the low frequencies that a mirror leaves ``(n, 33)`` and those that it turns around ``(n, 32)``.

    The last of the former is the length of everything else.
    """
    basis = cv2.dct(np.eye(SIDE, dtype=np.float32), flags=cv2.DCT_ROWS).T[:LOW]
    low = np.einsum("vy,nyx,ux->nvu", basis, vectors.reshape(-1, SIDE, SIDE), basis, optimize=True)
    rest = np.sqrt(np.maximum((vectors**2).sum(axis=1) - (low**2).sum(axis=(1, 2)), 0.0))
    even = np.concatenate([low[:, :, 0::2].reshape(len(low), -1), rest[:, None]], axis=1)
    return np.ascontiguousarray(even, np.float32), np.ascontiguousarray(low[:, :, 1::2].reshape(len(low), -1))


def _neighbours(vectors: Float, even: Float, odd: Float, start: int, other: int, similarity: float) -> Ids:
    """Return the pairs of neighbours ``(2, m)`` between two blocks."""
    one, two = slice(start, start + CHUNK), slice(other, other + CHUNK)
    bound = odd[one] @ odd[two].T
    np.abs(bound, out=bound)
    bound += even[one] @ even[two].T
    rows, columns = np.divmod(np.flatnonzero(bound >= similarity - SLACK), bound.shape[1])
    rows, columns = rows + start, columns + other
    forward = rows < columns
    rows, columns = rows[forward], columns[forward]
    keep = np.zeros(len(rows), np.bool_)
    for at in range(0, len(rows), CHUNK):
        part = slice(at, at + CHUNK)
        left, right = vectors[rows[part]], vectors[columns[part]]
        mirrored = right.reshape(-1, SIDE, SIDE)[:, :, ::-1].reshape(len(right), -1)
        keep[part] = np.maximum((left * right).sum(axis=1), (left * mirrored).sum(axis=1)) >= similarity
    return np.stack([rows[keep], columns[keep]]).astype(np.int64)


def _joined(group: Ids, pairs: Ids) -> Ids:
    """Join the groups that pairs connect; a group is called by its first member."""
    if pairs.size == 0:
        return group
    count = len(group)
    one = np.concatenate([np.arange(count), pairs[0]])
    two = np.concatenate([group, pairs[1]])
    graph = coo_matrix((np.ones(len(one), np.int8), (one, two)), shape=(count, count))
    number = connected_components(graph, directed=False)[1]
    first = np.full(number.max() + 1, count, np.int64)
    np.minimum.at(first, number, np.arange(count))
    return np.asarray(first[number], np.int64)
