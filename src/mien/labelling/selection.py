"""From a table to a queue: score the pool, choose, write down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.curation.table import Table
from mien.labelling import queue
from mien.labelling.items import item_of
from mien.labelling.scoring import Ensemble
from mien.labels import LabelSet


def build(
    table: Table,
    out: Path,
    ensemble: Ensemble,
    *,
    by: str,
    budget: int,
    pool: queue.Pool = "unlabelled",
    strata: str | None = None,
    seed: int = 0,
    progress: Callable[[int], None] = lambda done: None,
) -> queue.Queue:
    """Score a table's pool with our models and write the queue.

    Args:
        table: the table.
        out: the queue's file.
        ensemble: one or several models.
        by: strategy, see `queue.CHOICES`.
        budget: faces to choose.
        pool: which rows of the train split take part.
        strata: `predicted` or `label` gives each label an equal share; None takes the best wherever they are.
        seed: of ties and of random choice.
        progress: called with the number of faces scored.
    """
    rows = queue.pool(table, ensemble.labels, pool)
    members = ensemble.pool((item_of(row, table.root) for _, row in rows), progress)
    features = ensemble.features((item_of(row, table.root) for _, row in rows), progress) if by == "coreset" else None
    known = known_index(rows, ensemble.labels)
    mean = members.mean(axis=0)
    names: Sequence[str | None] | None = None
    if strata == "predicted":
        names = [ensemble.labels.labels[i] for i in mean.argmax(axis=1)]
    elif strata == "label":
        names = [None if i < 0 else ensemble.labels.labels[i] for i in known]
    picked, values = queue.choose(by, members, budget, known=known, features=features, strata=names, seed=seed)
    facts = {
        "by": by, "budget": budget, "pool": pool, "strata": strata, "seed": seed, "scored": len(rows),
        "models": ensemble.digests, "table_digest": table.digest(),
    }  # fmt: skip
    return queue.write(
        out,
        table,
        ensemble.labels,
        [rows[i] for i in picked],
        values,
        mean[picked],
        None if names is None else [names[i] for i in picked],
        facts,
    )


def known_index(rows: Sequence[tuple[int, dict[str, Any]]], labels: LabelSet) -> NDArray[np.int64]:
    """Return the index of each row's label ``(n,)``, -1 for none."""
    found = [queue.known_label(row, labels) for _, row in rows]
    return np.array([-1 if label is None else labels.index(label) for label in found], np.int64)
