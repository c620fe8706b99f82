"""Targets: what a head is trained towards and judged against, read from a table's columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mien import labels as label_sets
from mien.datasets import ferplus
from mien.errors import DataError
from mien.evaluation import protocols

Kind = Literal["label", "votes", "present", "values", "affect"]

#: What a kind's logits become: one label of many, each label by itself, a free value, a value from -1 to 1.
ACTIVATION: dict[Kind, Literal["softmax", "sigmoid", "linear", "tanh"]] = {
    "label": "softmax",
    "votes": "softmax",
    "present": "sigmoid",
    "values": "linear",
    "affect": "tanh",
}


@dataclass(frozen=True)
class Target:
    """Where a head's targets come from.

    Attributes:
        labels: name of the label set.
        kind: `label` is the table's label of that set; `votes` the distribution of its votes (by the rules of
            `datasets.ferplus`); `present` which labels hold at all (votes above zero); `values` its votes as they are,
            such as intensities; `affect` the columns valence and arousal.
    """

    labels: str
    kind: Kind

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the outputs."""
        return label_sets.get(self.labels).labels


def read(
    rows: Sequence[Mapping[str, Any]], target: Target, where: str
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return a head's targets of table rows.

    Returns:
        Targets ``(n, classes)``, NaN where a row has none; and for `label` and `votes` the label to be judged against
        ``(n,)``, -1 where there is none.

    Raises:
        DataError: no row has such a target, or one does not fit the label set.
        UnknownNameError: a label is not in the set.
    """
    soft = np.full((len(rows), len(target.columns)), np.nan, np.float32)
    hard = np.full(len(rows), -1, np.int64)
    for number, row in enumerate(rows):
        if target.kind == "label":
            _label(row, target, soft[number], hard[number : number + 1])
        elif target.kind == "affect":
            if row["valence"] is not None and row["arousal"] is not None:
                soft[number] = row["valence"], row["arousal"]
        else:
            _votes(row, target, soft[number], hard[number : number + 1], f"{where}, row {number}")
    if np.isnan(soft).any(axis=1).all():
        what = "valence and arousal" if target.kind == "affect" else f"{target.kind} of the label set '{target.labels}'"
        raise DataError(f"{where}: no row has {what}")
    return soft, hard


def _label(row: Mapping[str, Any], target: Target, soft: NDArray[np.float32], hard: NDArray[np.int64]) -> None:
    label = row["label"] if row["label_set"] == target.labels else (row["other_labels"] or {}).get(target.labels)
    if label is not None:
        hard[:] = label_sets.get(target.labels).index(label)
        soft[:] = 0.0
        soft[hard[0]] = 1.0


def _votes(
    row: Mapping[str, Any], target: Target, soft: NDArray[np.float32], hard: NDArray[np.int64], where: str
) -> None:
    own = row["votes_set"] == target.labels
    labels = label_sets.get(target.labels)
    found = protocols.strengths(labels, row["votes_set"], row["votes"], row["other_votes"], where)
    if found is None:
        return
    votes = np.asarray(found, np.float32)
    if target.kind == "votes":
        outside = np.asarray([(row["votes_outside"] if own else None) or [0.0]], np.float32)
        soft[:] = ferplus.distribution(votes[None], outside)[0]
        hard[:] = ferplus.majority(votes[None], outside)
    else:
        soft[:] = votes > 0 if target.kind == "present" else votes
