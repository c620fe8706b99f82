from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from mien import labels
from mien.errors import DataError
from mien.recognition import circumplex
from mien.results import Scores

AFFECT = labels.get("affect2")


def affect(*points: tuple[float, float]) -> Scores:
    return Scores(AFFECT, np.array(points, np.float32).reshape(-1, 2))


def test_scores_are_the_posterior_of_normal_densities_and_an_even_one(rng: np.random.Generator) -> None:
    points = rng.uniform(-1, 1, (40, 2)).astype(np.float32)
    found = circumplex.derive(Scores(AFFECT, points))
    spread = circumplex.SPREAD**2 * np.eye(2)
    density = np.stack(
        [
            multivariate_normal(circumplex.PLACES[name], spread).pdf(points)
            if name in circumplex.PLACES
            else np.full(40, 0.25)
            for name in labels.get("social8")
        ],
        axis=1,
    )
    np.testing.assert_allclose(found.values, density / density.sum(axis=1, keepdims=True), rtol=1e-4)
    assert found.derived == circumplex.METHOD


def test_each_place_is_called_by_its_own_word() -> None:
    found = circumplex.derive(affect(*circumplex.PLACES.values()))
    assert found.label == list(circumplex.PLACES)


def test_anger_and_fear_share_what_two_numbers_cannot_tell_apart() -> None:
    scores = circumplex.derive(affect((-0.57, 0.6))).values[0]
    order = labels.get("social8")
    angry, fear = scores[order.index("angry")], scores[order.index("fear")]
    assert abs(angry - fear) < 0.03
    assert max(angry, fear) < 0.45


def test_other_label_sets_are_refused() -> None:
    with pytest.raises(DataError, match="derived from valence and arousal, not from 'ekman7'"):
        circumplex.derive(Scores(labels.get("ekman7"), np.zeros((1, 7), np.float32)))


def test_no_picture_gives_no_scores() -> None:
    assert circumplex.derive(affect()).values.shape == (0, 8)
