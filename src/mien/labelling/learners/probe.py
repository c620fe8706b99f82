"""A plain classifier over plain descriptions as the learner: a second a round, no network, no recipe, no graphics card.

It shows within minutes what choosing is worth on data of one's own. The description counts the directions of edges
(`curation.descriptor`), and a logistic regression reads its axes of largest variance. Nothing in it has seen labels
but those of the loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.curation.descriptor import describe
from mien.curation.table import open_table
from mien.errors import DataError, MissingExtraError
from mien.imaging import image
from mien.labelling.learners import Float, Scored
from mien.labelling.queue import known_label
from mien.labels import LabelSet
from mien.parallel import map_batches

AXES = 128
#: Inverse strength of the penalty, for axes whose mean deviation is one. The better of 0.01 and 0.1 with 1,000 to 4,000
#: FER+ labels drawn at random, in accuracy on FER-2013's PublicTest.
PENALTY = 0.01
STEPS = 100
_UNSEEN = 1e-6  # A label that nobody has given yet is not ruled out.


class Probe:
    """Learns a label set from descriptions, which it makes at the first call and keeps (256 bytes a face).

    Args:
        labels: the label set.

    Raises:
        DataError: faces of the set can show several labels at once, which this cannot learn.
    """

    def __init__(self, labels: LabelSet) -> None:
        if labels.multi:
            raise DataError(f"the probe learns one label a face, and '{labels.name}' allows several; give a recipe")
        self.labels = labels
        self._at: dict[Path, int] = {}
        self._features: Float = np.zeros((0, AXES), np.float32)

    def facts(self) -> dict[str, Any]:
        """Return the numbers that make it what it is."""
        return {"learner": "probe", "axes": AXES, "penalty": PENALTY, "label_set": self.labels.name}

    def learn(self, table: Path, folder: Path, seed: int, *, pool: Sequence[Path], val: Sequence[Path]) -> Scored:
        """Fit the regression to the table's labels; the seed plays no part, as the optimum is one.

        Raises:
            DataError: the labels are all the same, or a picture cannot be read.
        """
        if list(self._at) != [*pool, *val]:
            self._describe(pool, val)
        opened = open_table(table)
        at, target = [], []
        for row in opened.rows(["image", "split", "label", "label_set", "other_labels"]):
            label = known_label(row, self.labels)
            if row["split"] == "train" and label is not None:
                at.append(self._at[opened.root / row["image"]])
                target.append(self.labels.index(label))
        scores = self._scores(np.array(at), np.array(target))
        return scores[: len(pool)], scores[len(pool) :]

    def _describe(self, pool: Sequence[Path], val: Sequence[Path]) -> None:
        """Describe every picture; the axes are those of the pool."""
        try:
            from sklearn.decomposition import PCA
        except ModuleNotFoundError as error:
            raise MissingExtraError("the probe", "label") from error
        paths = [*pool, *val]
        raw = np.concatenate(list(map_batches(_batch, paths, size=256))).astype(np.float32)
        axes = PCA(min(AXES, len(pool), raw.shape[1]), svd_solver="covariance_eigh").fit(raw[: len(pool)])
        features = np.asarray(axes.transform(raw), np.float32)
        self._features = features / max(float(features[: len(pool)].std(axis=0).mean()), 1e-6)
        self._at = {path: number for number, path in enumerate(paths)}

    def _scores(self, at: NDArray[np.int64], target: NDArray[np.int64]) -> Float:
        """Return distributions over the label set for every picture ``(n, k)``."""
        from sklearn.linear_model import LogisticRegression

        if len(np.unique(target)) < 2:
            raise DataError(f"the {len(target)} labelled faces show fewer than two labels; give a larger --start")
        model = LogisticRegression(C=PENALTY, max_iter=STEPS, tol=1e-3).fit(self._features[at], target)
        out = np.full((len(self._features), len(self.labels)), _UNSEEN, np.float32)
        out[:, model.classes_] = model.predict_proba(self._features)
        return np.asarray(out / out.sum(axis=1, keepdims=True), np.float32)


def _batch(paths: Sequence[Path]) -> NDArray[np.float16]:
    return np.stack([describe(image.read(path)) for path in paths])
