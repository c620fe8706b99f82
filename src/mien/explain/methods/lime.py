"""LIME: fit a local linear model to answers with random tiles hidden (Ribeiro, Singh and Guestrin 2016).

The published package has had no release for years; the method is a weighted ridge regression, which scikit-learn has.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from mien.explain.methods._hiding import Float, explained, tiles
from mien.explain.subject import Subject

NEEDS = "answers"
SAYS = "a linear model of the answer over tiles that are shown or hidden, fitted near the whole picture"


def explain(
    subject: Subject,
    crops: NDArray[np.uint8],
    targets: NDArray[np.int64],
    *,
    samples: int = 1000,
    count: int = 8,
    width: float = 0.25,
    ridge: float = 1.0,
    seed: int = 0,
) -> Float:
    """Return maps ``(n, size, size)``: each tile's coefficient.

    Args:
        subject: what is explained.
        crops: ``uint8 (n, size, size, 3)``.
        targets: label of each ``(n,)``.
        samples: pictures with hidden tiles for each crop.
        count: tiles a side.
        width: of the kernel ``exp(-(distance / width)^2)`` on the cosine distance from the whole picture.
        ridge: strength of the penalty.
        seed: of the samples.
    """
    size, parts = crops.shape[1], count * count
    where = tiles(size, count)
    shown = (np.random.default_rng(seed).random((samples, parts)) < 0.5).astype(np.float32)
    shown[0] = 1.0
    distance = 1.0 - np.sqrt(shown.mean(axis=1))  # the cosine of a 0/1 vector with the vector of ones
    weight = np.exp(-((distance / width) ** 2))

    def draw(answers: Float) -> Float:
        fitted = Ridge(alpha=ridge).fit(shown, answers, sample_weight=weight)
        return np.asarray(fitted.coef_, np.float32)[where]

    return explained(subject, crops, targets, shown[:, where], draw)
