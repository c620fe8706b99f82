"""Named ways to make targets of a table's rows: which rows count, and what is true of them.

A figure without its protocol means nothing: the same model has another accuracy on the rows where people agree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mien import labels as label_sets
from mien.datasets import ferplus
from mien.errors import DataError, UnknownNameError
from mien.evaluation.bootstrap import Array
from mien.labels import LabelSet
from mien.manifest import Manifest

Columns = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Targets:
    """What a protocol makes of a table.

    Attributes:
        label_set: name of the set that `target` indexes.
        target: class of every row ``(n,)``, -1 where the row does not count.
        distribution: the votes in proportion ``(n, k)``, NaN rows without; None where the table has no votes.
        votes: counts ``(n, k)``; None where the table has no votes.
    """

    label_set: str
    target: NDArray[np.int64]
    distribution: Array | None = None
    votes: Array | None = None


@dataclass(frozen=True)
class Protocol:
    """A named protocol for heads that answer with one label out of several.

    Attributes:
        name: key by which it is called.
        says: in a sentence, for reports and cards.
        targets: from a table's columns to targets.
    """

    name: str
    says: str
    targets: Callable[[Columns], Targets]


@dataclass(frozen=True)
class OutputProtocol:
    """A named protocol for heads whose outputs stand by themselves.

    Attributes:
        name: key by which it is called.
        says: in a sentence, for reports and cards.
        kind: of the heads that it judges: 'multi' (labels that hold independently) or 'value' (values on scales).
        truth: from a table's columns and a head's label set to what is true of every row ``(n, k)``, 0 or 1 for
            'multi'; rows of NaN do not count.
    """

    name: str
    says: str
    kind: Literal["multi", "value"]
    truth: Callable[[Columns, LabelSet], Array]


def get(name: str) -> Protocol:
    """Return a protocol for one label out of several by name.

    Raises:
        UnknownNameError: no such protocol of that name.
    """
    if name not in PROTOCOLS:
        raise UnknownNameError("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]


def choose(name: str | None, manifest: Manifest, columns: Columns, head: str | None = None) -> tuple[str, str | None]:
    """Choose how a model is scored: by the kind of its head, and by what the table holds.

    Args:
        name: of the protocol; None takes the usual one of the head's kind.
        manifest: of the model.
        columns: of the table.
        head: that is to be scored; None takes the primary one, or the first of the protocol's kind.

    Returns:
        The protocol's name, and the head's; no head for protocols of one label, which find it by their label set.

    Raises:
        UnknownNameError: no such protocol or head.
        DataError: the model has no head of the protocol's kind.
    """
    if name is not None and name not in PROTOCOLS and name not in OUTPUTS:
        raise UnknownNameError("protocol", name, (*PROTOCOLS, *OUTPUTS))
    names = [h.name for h in manifest.heads]
    if head is not None and head not in names:
        raise UnknownNameError("head", head, names)
    if name in PROTOCOLS:
        return str(name), head
    if name is None:
        main = manifest.head(head or manifest.primary or names[0])
        if main.kind == "single":
            sets = {h.label_set for h in manifest.heads}
            return ("ferplus-majority" if "ferplus8" in sets & set(columns["votes_set"]) else "hard"), head
        usual = "present" if main.kind == "multi" else "affect" if main.label_set == "affect2" else "strength"
        return usual, main.name
    kind = OUTPUTS[name].kind
    fit = [h.name for h in manifest.heads if h.kind == kind and head in (None, h.name)]
    if not fit:
        said = ", ".join(f"{h.name} ({h.kind})" for h in manifest.heads)
        raise DataError(f"the protocol '{name}' judges heads of the kind '{kind}'; '{manifest.name}' has {said}")
    return name, manifest.primary if manifest.primary in fit else fit[0]


def strengths(labels: LabelSet, votes_set: str | None, votes: Any, others: Any, where: str) -> Any:
    """Return a row's votes or strengths in a label set, or None where it has none.

    Args:
        labels: the wanted set.
        votes_set: the row's own set.
        votes: over that set.
        others: the row's `other_votes`.
        where: for the message.

    Raises:
        DataError: not one number a label.
    """
    found = votes if votes_set == labels.name else dict(others or {}).get(labels.name)
    if found is not None and len(found) != len(labels):
        raise DataError(f"{where}: {len(found)} votes for the {len(labels)} labels of '{labels.name}'")
    return found


def _hard(columns: Columns) -> Targets:
    sets = {name for name in columns["label_set"] if name is not None}
    if len(sets) != 1:
        found = ", ".join(sorted(sets)) or "none"
        raise DataError(f"the protocol 'hard' needs labels of one label set; this table has {found}")
    labels = label_sets.get(sets.pop())
    target = [-1 if label is None else labels.index(label) for label in columns["label"]]
    return Targets(labels.name, np.array(target, np.int64))


Chooser = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.int64]]


def _ferplus(choose: Chooser) -> Callable[[Columns], Targets]:
    def targets(columns: Columns) -> Targets:
        votes, outside = _votes(columns)
        voted = votes.sum(axis=1) + outside.sum(axis=1) > 0
        target = np.where(voted, choose(votes, outside), -1)
        distribution = ferplus.distribution(votes, outside).astype(np.float64)
        counts = ferplus.without_outliers(votes).astype(np.float64)
        return Targets("ferplus8", target, distribution, counts)

    return targets


def _votes(columns: Columns) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the votes for the eight emotions ``(n, 8)`` and for unknown and NF ``(n, 2)``; rows without are zero."""
    if "ferplus8" not in columns["votes_set"]:
        raise DataError(
            "this protocol needs FER+ votes; import the table with: mien data import fer2013 CSV --votes CSV"
        )
    n = len(columns["votes"])
    votes = np.zeros((n, len(ferplus.EMOTIONS)), np.float32)
    outside = np.zeros((n, len(ferplus.OUTSIDE)), np.float32)
    rows = zip(columns["votes_set"], columns["votes"], columns["votes_outside"], strict=True)
    for i, (name, inside, rest) in enumerate(rows):
        if name == "ferplus8" and inside is not None:
            votes[i] = inside
            outside[i] = 0.0 if rest is None else rest
    return votes, outside


def _plurality(votes: NDArray[np.float32], outside: NDArray[np.float32]) -> NDArray[np.int64]:
    counts = ferplus.without_outliers(votes)
    usable = ~np.isnan(ferplus.distribution(votes, outside)).any(axis=1)
    tied = (counts == counts.max(axis=1, keepdims=True)).sum(axis=1) > 1
    return np.where(usable & ~tied, counts.argmax(axis=1), -1).astype(np.int64)


def _of_votes(columns: Columns) -> Targets:
    """Take each row's most frequent vote; rows with a tie do not count."""
    sets = sorted(
        {name for name, votes in zip(columns["votes_set"], columns["votes"], strict=True) if votes is not None}
    )
    if len(sets) != 1:
        raise DataError(
            f"the protocol 'votes' needs votes over one label set; this table has {', '.join(sets) or 'none'}"
        )
    labels = label_sets.get(sets[0])
    if labels.multi:
        raise DataError(f"the labels of '{labels.name}' hold independently; use the protocol 'present' or 'strength'")
    counts = np.nan_to_num(_strengths(columns, labels))
    total = counts.sum(axis=1, keepdims=True)
    first = (counts == counts.max(axis=1, keepdims=True)).sum(axis=1) == 1
    target = np.where((total[:, 0] > 0) & first, counts.argmax(axis=1), -1).astype(np.int64)
    with np.errstate(invalid="ignore"):
        return Targets(labels.name, target, counts / total, counts)


def _strengths(columns: Columns, labels: LabelSet) -> Array:
    out = np.full((len(columns["votes"]), len(labels)), np.nan)
    rows = zip(columns["votes_set"], columns["votes"], columns["other_votes"], strict=True)
    for i, (name, own, others) in enumerate(rows):
        found = strengths(labels, name, own, others, f"row {i}")
        if found is not None:
            out[i] = found
    if np.isnan(out).all():
        raise DataError(f"no row of the table has votes or strengths over '{labels.name}'")
    return out


def _present(columns: Columns, labels: LabelSet) -> Array:
    found = _strengths(columns, labels)
    return np.where(np.isnan(found), np.nan, found > 0)


def _affect(columns: Columns, labels: LabelSet) -> Array:
    absent = [name for name in labels if name not in columns]
    if absent:
        raise DataError(f"the protocol 'affect' reads valence and arousal; a table has no column {', '.join(absent)}")
    out = np.array([[np.nan if v is None else v for v in columns[name]] for name in labels], np.float64).T
    if np.isnan(out).any(axis=1).all():
        raise DataError("no row of the table has valence and arousal")
    return out


PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol("hard", "the label column as it stands; rows without a label do not count", _hard),
        Protocol(
            "ferplus-majority",
            "eight classes; after dropping single votes, the label with more than half of all ten columns' votes "
            "(Barsoum et al. 2016); rows without one do not count",
            _ferplus(ferplus.majority),
        ),
        Protocol(
            "ferplus-plurality",
            "eight classes; after dropping single votes, the emotion with the most votes; ties, and rows that are "
            "mostly voted unknown or not a face, do not count",
            _ferplus(_plurality),
        ),
        Protocol(
            "votes",
            "the label that most votes are for, with the votes in proportion beside it; rows with a tie do not count",
            _of_votes,
        ),
    )
}
OUTPUTS: dict[str, OutputProtocol] = {
    protocol.name: protocol
    for protocol in (
        OutputProtocol("present", "a label holds where it has a vote at all or any strength", "multi", _present),
        OutputProtocol("affect", "the columns valence and arousal as they stand", "value", _affect),
        OutputProtocol("strength", "votes or strengths over the head's label set as they stand", "value", _strengths),
    )
}
