"""How far raters agree, whom to trust, and what they come to together: from triples (item, rater, label).

Krippendorff's alpha is here because the package of that name is under the GPL, Fleiss' kappa and Dawid and Skene's
model because the libraries that have them bring a language toolkit along; a test compares with one of those.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError

Float = NDArray[np.float64]
_TINY = 1e-12


@dataclass(frozen=True)
class Votes:
    """Judgements as a matrix.

    Attributes:
        items: names of the rows.
        raters: names of the columns.
        labels: what the numbers mean.
        given: index of the label that a rater gave an item ``(items, raters)``, -1 for none.
    """

    items: tuple[str, ...]
    raters: tuple[str, ...]
    labels: tuple[str, ...]
    given: NDArray[np.int64]

    def counts(self) -> NDArray[np.int64]:
        """Return how often each item got each label ``(items, labels)``."""
        return np.stack([(self.given == label).sum(axis=1) for label in range(len(self.labels))], axis=1)


def votes(said: Iterable[tuple[str, str, str]], labels: Sequence[str]) -> Votes:
    """Arrange triples (item, rater, label).

    Raises:
        DataError: there are none, or a rater judged an item twice.
    """
    triples = list(said)
    if not triples:
        raise DataError("there are no judgements to compare")
    items = tuple(dict.fromkeys(item for item, _, _ in triples))
    raters = tuple(sorted({rater for _, rater, _ in triples}))
    given = np.full((len(items), len(raters)), -1, np.int64)
    row, column = {k: i for i, k in enumerate(items)}, {k: i for i, k in enumerate(raters)}
    index = {label: i for i, label in enumerate(labels)}
    for item, rater, label in triples:
        at = row[item], column[rater]
        if given[at] >= 0:
            raise DataError(f"'{rater}' judged '{item}' twice")
        given[at] = index[label]
    return Votes(items, raters, tuple(labels), given)


def krippendorff_alpha(found: Votes) -> float | None:
    """Return Krippendorff's alpha for nominal labels; None where no item has two raters, or all said the same.

    Krippendorff (2011), *Computing Krippendorff's Alpha-Reliability*, section C: observed against expected
    disagreement, from the coincidences of labels within items that two or more raters judged.
    """
    counts = found.counts().astype(np.float64)
    counts = counts[counts.sum(axis=1) >= 2]
    raters, totals = counts.sum(axis=1), counts.sum(axis=0)
    n = totals.sum()
    expected = (n**2 - (totals**2).sum()) / (n - 1) if n > 1 else 0.0
    if expected <= 0:
        return None
    observed = ((raters**2 - (counts**2).sum(axis=1)) / (raters - 1)).sum()
    return float(1 - observed / expected)


def fleiss_kappa(found: Votes) -> float | None:
    """Return Fleiss' kappa (1971) over items with the most common number of raters; None where it is not defined."""
    counts = found.counts()
    totals = counts.sum(axis=1)
    sizes = Counter(int(n) for n in totals if n >= 2)
    if not sizes:
        return None
    n = max(sizes, key=lambda size: (sizes[size], size))
    kept = counts[totals == n].astype(np.float64)
    chance = float(((kept.sum(axis=0) / kept.sum()) ** 2).sum())
    observed = float((((kept**2).sum(axis=1) - n) / (n * (n - 1))).mean())
    return None if chance >= 1.0 else (observed - chance) / (1.0 - chance)


@dataclass(frozen=True)
class Consensus:
    """What Dawid and Skene's model (1979) makes of the votes.

    Attributes:
        posterior: probability of each label for each item ``(items, labels)``.
        reliability: probability that a rater is right, by name.
    """

    posterior: Float
    reliability: dict[str, float]


def dawid_skene(found: Votes, iterations: int = 100, tolerance: float = 1e-6) -> Consensus:
    """Weigh each rater by the errors that they make, and the errors by what the others say.

    Expectation-maximisation from the vote shares: errors are a table ``P(said | true)`` a rater, items are posteriors.
    """
    said = np.eye(len(found.labels))[found.given] * (found.given >= 0)[..., None]
    posterior = said.sum(axis=1)
    posterior /= posterior.sum(axis=1, keepdims=True)
    for _ in range(iterations):
        prior = np.clip(posterior.mean(axis=0), _TINY, None)
        errors = np.einsum("ic,irl->rcl", posterior, said)
        errors /= np.clip(errors.sum(axis=2, keepdims=True), _TINY, None)
        logs = np.log(prior) + np.einsum("irl,rcl->ic", said, np.log(np.clip(errors, _TINY, None)))
        after = np.exp(logs - logs.max(axis=1, keepdims=True))
        after /= after.sum(axis=1, keepdims=True)
        moved = float(np.abs(after - posterior).max())
        posterior = after
        if moved < tolerance:
            break
    right = np.einsum("ic,irc->ir", posterior, said)
    judged = (found.given >= 0).sum(axis=0)
    reliability = {rater: float(right[:, i].sum() / judged[i]) for i, rater in enumerate(found.raters)}
    return Consensus(posterior, reliability)
