"""Labels that do not fit their pictures, by confident learning (Northcutt, Jiang and Chuang 2021), with cleanlab.

Confident learning compares a row's label with what a classifier says that has not seen the row. The classifier is a
discriminant over plain picture descriptions under a radial kernel (Nystroem's approximation), trained on the other
folds; copies of a picture stay in one fold. It knows little: where it is sure and people wrote something else, either
the label is wrong or the picture is unusual. The list is for eyes, not for automatic deletion.

On FER-2013, against the strict majority of FER+ voters, 71 % of the first 200 suspects are labelled otherwise (32 % of
all rows are), and for 54 % the voters name the very label that the classifier suggests.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from sklearn.kernel_approximation import Nystroem

FOLDS = 5
AXES, LANDMARKS = 128, 512
#: Rows that are worked on at a time.
CHUNK = 4096


@dataclass(frozen=True)
class Suspect:
    """One row whose label is in doubt.

    Attributes:
        row: number in the table.
        label: what the table says.
        suggested: what the classifier says.
        confidence: the classifier's probability of the table's label.
    """

    row: int
    label: str
    suggested: str
    confidence: float


@dataclass(frozen=True)
class Suspects:
    """The doubtful rows, most suspect first, and how good the classifier was that found them.

    Attributes:
        rows: the suspects.
        judged: rows that were judged.
        accuracy: of the classifier on rows that it had not seen, against the labels as they are.
    """

    rows: tuple[Suspect, ...]
    judged: int
    accuracy: float


def find(
    descriptions: NDArray[np.float16],
    labels: Sequence[str],
    rows: Sequence[int],
    *,
    copies: Sequence[str | None],
    seed: int = 0,
) -> Suspects:
    """Find labels that do not fit.

    Args:
        descriptions: ``(n, d)``, one a row.
        labels: label of each row.
        rows: number of each row in the table.
        copies: rows of one value are copies of a picture and are never both seen and judged.
        seed: fixes the folds.

    Raises:
        DataError: fewer than two labels with rows enough for five folds.
        MissingExtraError: cleanlab is not installed.
    """
    try:
        from cleanlab.filter import find_label_issues
    except ModuleNotFoundError as error:
        raise MissingExtraError("finding label errors", "data") from error
    names, numbers, counts = np.unique(np.asarray(labels, object).astype(str), return_inverse=True, return_counts=True)
    usable = counts[numbers] >= 2 * FOLDS
    if len(set(numbers[usable].tolist())) < 2:
        raise DataError(f"label errors need two labels with at least {2 * FOLDS} rows each; there are too few rows")
    kept = np.flatnonzero(usable)
    names, given = np.unique(names[numbers[kept]], return_inverse=True)
    reduced = _reduced(descriptions, kept, seed)
    probabilities = _out_of_fold(reduced, given, [copies[i] or str(i) for i in kept.tolist()], seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        order = find_label_issues(given, probabilities, return_indices_ranked_by="normalized_margin", n_jobs=1)
    said = probabilities.argmax(axis=1)
    found = tuple(
        Suspect(
            int(rows[kept[i]]), str(names[given[i]]), str(names[said[i]]), round(float(probabilities[i, given[i]]), 4)
        )
        for i in order
    )
    return Suspects(found, len(kept), float((said == given).mean()))


def _reduced(descriptions: NDArray[np.float16], kept: NDArray[np.int64], seed: int) -> NDArray[np.float32]:
    """Return the coordinates of the kept rows on the axes of largest variance ``(n, at most 128)``."""
    from sklearn.decomposition import PCA

    some = kept[np.random.default_rng(seed).permutation(len(kept))[:8192]]
    axes = PCA(min(AXES, len(some), descriptions.shape[1]), random_state=seed)
    axes.fit(descriptions[some].astype(np.float32))
    out = np.empty((len(kept), axes.n_components_), np.float32)
    for at in range(0, len(kept), CHUNK):
        out[at : at + CHUNK] = axes.transform(descriptions[kept[at : at + CHUNK]].astype(np.float32))
    return out


def _out_of_fold(
    reduced: NDArray[np.float32], given: NDArray[np.int64], copies: Sequence[str], seed: int
) -> NDArray[np.float64]:
    """Return each row's probabilities from a classifier that has not seen it ``(n, labels)``."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.model_selection import StratifiedGroupKFold

    kernel = _kernel(reduced, seed)
    out = np.zeros((len(given), int(given.max()) + 1))
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    for seen, unseen in folds.split(np.zeros(len(given)), given, np.asarray(copies, object).astype(str)):
        # Mapped anew in each fold and filled in place: the map of all rows beside that of the seen ones would be the
        # largest thing in the memory of an audit.
        mapped = np.empty((len(seen), kernel.n_components), np.float32)
        for at in range(0, len(seen), CHUNK):
            mapped[at : at + CHUNK] = kernel.transform(reduced[seen[at : at + CHUNK]])
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.05)
        model.fit(mapped, given[seen])
        for at in range(0, len(unseen), CHUNK):
            part = unseen[at : at + CHUNK]
            out[np.ix_(part, model.classes_)] = model.predict_proba(kernel.transform(reduced[part]))
    return out


def _kernel(reduced: NDArray[np.float32], seed: int) -> Nystroem:
    """Fit the map to the kernel's approximate coordinates, at most 512; labels play no part in it.

    The kernel's width is the median distance of a few hundred rows (Gretton et al. 2012, section 8).
    """
    from sklearn.kernel_approximation import Nystroem
    from sklearn.metrics import pairwise_distances

    some = np.random.default_rng(seed).permutation(len(reduced))[:8192]
    distances = pairwise_distances(reduced[some[:400]])
    width = float(np.median(distances[distances > 0])) if (distances > 0).any() else 1.0
    kernel = Nystroem(gamma=0.5 / width**2, n_components=min(LANDMARKS, len(some)), random_state=seed)
    return kernel.fit(reduced[some])
