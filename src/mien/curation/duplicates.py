"""Duplicates: the same picture again, byte for byte, to the eye, or nearly so; within a split and across splits.

Four ways of looking: equal sha256 of the files; also perceptual hashes at a small Hamming distance; and beside both,
thumbnails at a small angle (see `neighbours`) or a model's features at one (see `embedding`), which also find mirrored
copies. Pairs are joined to groups.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from mien.curation.rewrite import rewrite
from mien.curation.shards import Engine
from mien.curation.table import Table
from mien.errors import DataError, UnknownNameError

Ids = NDArray[np.int64]
METHODS = ("exact", "perceptual", "neighbours", "embedding")
#: Cosine from which pictures are copies, of thumbnails and of features: docs/decisions/data-engine.md.
SIMILARITY = {"neighbours": 0.985, "embedding": 0.8}
ACTIONS = ("group", "drop")
#: When copies lie in several splits the one that measures is kept: leaving a test picture out changes the test.
RANK = {"test": 0, "val": 1, "train": 2, None: 3}


@dataclass(frozen=True)
class Duplicates:
    """Groups of pictures that are the same.

    Attributes:
        method: how they were found.
        groups: rows of each group, in table order; groups in the order of their first row.
        splits: split of every row of the table.
        labels: label of every row.
    """

    method: str
    groups: tuple[tuple[int, ...], ...]
    splits: Sequence[str | None]
    labels: Sequence[str | None]

    def across(self) -> list[tuple[int, ...]]:
        """Return the groups that lie in more than one split."""
        return [group for group in self.groups if len({self.splits[i] for i in group}) > 1]

    def conflicting(self) -> list[tuple[int, ...]]:
        """Return the groups whose rows have different labels."""
        return [group for group in self.groups if len({self.labels[i] for i in group} - {None}) > 1]

    def figures(self) -> dict[str, Any]:
        """Return counts as plain JSON types: groups, rows, surplus rows, pairs within and across splits, conflicts."""
        within: Counter[str] = Counter()
        across: Counter[str] = Counter()
        for group in self.groups:
            splits = [self.splits[i] or "no split" for i in group]
            counts = Counter(splits)
            for name, n in counts.items():
                if n > 1:
                    within[name] += 1
            if len(counts) > 1:
                across[" + ".join(sorted(counts))] += 1
        conflicting = self.conflicting()
        crossing = set(self.across())
        return {
            "method": self.method,
            "groups": len(self.groups),
            "rows": sum(len(group) for group in self.groups),
            "surplus_rows": sum(len(group) - 1 for group in self.groups),
            "groups_within": dict(sorted(within.items())),
            "groups_across": dict(sorted(across.items())),
            "groups_with_conflicting_labels": len(conflicting),
            "rows_with_conflicting_labels": sum(len(group) for group in conflicting),
            "groups_across_with_conflicting_labels": sum(group in crossing for group in conflicting),
        }


def find(
    table: Table,
    method: str = "exact",
    *,
    distance: int = 4,
    similarity: float | None = None,
    model: str = "expression",
    engine: Engine | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Duplicates:
    """Find the duplicates of a table. The faces of one picture are no duplicates of each other.

    Args:
        table: with sha256 (and phash) of every picture, as `mien data import` writes it.
        method: 'exact'; 'perceptual', which includes it; 'neighbours' or 'embedding', which include both.
        distance: bits (of 64) in which perceptual hashes may differ, 0 to 7.
        similarity: cosine of thumbnails or features from which pictures are copies; default that of `SIMILARITY`.
        model: name or folder of the model whose features 'embedding' compares.
        engine: where pictures are read, for 'neighbours' and 'embedding'.
        progress: called with the number of pictures read, for these two.

    Raises:
        UnknownNameError: no such method.
        DataError: the table lacks the hashes, or a distance outside 0 to 7.
    """
    if method not in METHODS:
        raise UnknownNameError("method", method, METHODS)
    columns = table.read(["image", "sha256", "phash", "split", "label"])
    images, first = np.unique(np.array(columns["image"].to_pylist(), object), return_index=True)
    order = np.sort(first)
    rows_of = _rows_of(columns["image"].to_pylist(), order)
    links = list(_equal(_present(table, columns["sha256"].to_pylist(), order, "sha256")))
    if method != "exact":
        hashes = [int(text, 16) for text in _present(table, columns["phash"].to_pylist(), order, "phash")]
        links += list(_close(np.array(hashes, np.uint64), distance))
    if method in SIMILARITY:
        from mien.curation import embedding, neighbours

        close = neighbours.close if method == "neighbours" else partial(embedding.close, model=model)
        names = [columns["image"][int(i)].as_py() for i in order]
        least = SIMILARITY[method] if similarity is None else similarity
        links += close(table, names, similarity=least, progress=progress, engine=engine or Engine())
    labels = columns["label"].to_pylist()
    groups = tuple(
        tuple(sorted(row for picture in component for row in rows_of[picture]))
        for component in _components(len(images), links)
    )
    return Duplicates(method, groups, columns["split"].to_pylist(), labels)


def _rows_of(images: Sequence[str], order: Ids) -> list[list[int]]:
    """Return the rows of each picture, pictures in the order of their first row."""
    number = {images[int(row)]: at for at, row in enumerate(order)}
    rows: list[list[int]] = [[] for _ in order]
    for row, image in enumerate(images):
        rows[number[image]].append(row)
    return rows


def _present(table: Table, values: Sequence[str | None], order: Ids, name: str) -> list[str]:
    out = []
    for row in order:
        value = values[int(row)]
        if value is None:
            raise DataError(f"row {row} of '{table.path}' has no {name}; import the data set with: mien data import")
        out.append(value)
    return out


def _equal(values: Sequence[str]) -> Iterator[tuple[int, int]]:
    first: dict[str, int] = {}
    for at, value in enumerate(values):
        before = first.setdefault(value, at)
        if before != at:
            yield before, at


def _close(hashes: NDArray[np.uint64], distance: int) -> Iterator[tuple[int, int]]:
    """Yield pairs of pictures whose hashes differ in at most `distance` bits.

    Of `distance + 1` bands of a hash at least one must agree, so only pictures that share a band are compared.
    """
    if not 0 <= distance <= 7:
        raise DataError(f"a distance of {distance} bits is outside 0 to 7")
    values, inverse = np.unique(hashes, return_inverse=True)
    example = np.full(len(values), -1, np.int64)
    for at, which in enumerate(inverse):
        if example[which] < 0:
            example[which] = at
        else:
            yield int(example[which]), at
    edges = np.linspace(0, 64, distance + 2).astype(int)
    for low, high in pairwise(edges):
        band = (values >> np.uint64(low)) & np.uint64((1 << int(high - low)) - 1)
        order = np.argsort(band, kind="stable")
        starts = np.flatnonzero(np.diff(band[order], prepend=band[order[:1]] + np.uint64(1)))
        for start, stop in zip(starts, [*starts[1:], len(order)], strict=True):
            members = order[start:stop]
            for at, one in enumerate(members[:-1]):
                others = members[at + 1 :]
                near = others[np.bitwise_count(values[others] ^ values[one]) <= distance]
                for other in near:
                    yield int(example[one]), int(example[other])


def _components(count: int, links: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Join pairs to groups of two or more."""
    if not links:
        return []
    pairs = np.array(links)
    graph = coo_matrix((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    number = connected_components(graph, directed=False)[1]
    members: dict[int, list[int]] = defaultdict(list)
    for at in np.unique(pairs):
        members[int(number[at])].append(int(at))
    return sorted(members.values())


def resolve(
    table: Table, found: Duplicates, path: Path, *, action: str = "group", drop_conflicts: bool = False
) -> Table:
    """Write a table in which duplicates do no harm.

    Args:
        table: where the duplicates were found.
        found: what `find` returned.
        path: the file to write.
        action: 'group' names each group in the column `group`, so that `mien data split` keeps it together; 'drop'
            keeps one row of each group: of the test split if there is one, else val, else train.
        drop_conflicts: with 'drop', leave out whole groups whose rows have different labels.

    Raises:
        UnknownNameError: no such action.
    """
    if action not in ACTIONS:
        raise UnknownNameError("action", action, ACTIONS)
    group_of = {row: f"duplicate {group[0]}" for group in found.groups for row in group}
    gone: set[int] = set()
    if action == "drop":
        conflicts = set(found.conflicting()) if drop_conflicts else set()
        for group in found.groups:
            best = min(group, key=lambda row: (RANK.get(found.splits[row], 3), row))
            gone |= set(group) if group in conflicts else set(group) - {best}

    def rows() -> Iterator[dict[str, Any]]:
        for number, row in enumerate(table.rows()):
            if number in gone:
                continue
            yield row | {"group": group_of[number]} if action == "group" and number in group_of else row

    return rewrite(table, path, rows(), f"{found.method} duplicates: {action}, {len(found.groups)} groups")
