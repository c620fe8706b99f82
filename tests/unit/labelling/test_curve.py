"""What a learning curve says: gains against SciPy's t-test, and the curve as data."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from mien.labelling import curve
from mien.labelling.loop import FIGURES, Plan, Point


def points(values: np.ndarray) -> list[Point]:
    """Points of values ``(2 arms, seeds, rounds)``, the same for each figure."""
    return [
        Point(arm, seed, number, 100 + 50 * number, dict.fromkeys(FIGURES, float(values[a, seed, number])))
        for a, arm in enumerate(("margin", "random"))
        for seed in range(values.shape[1])
        for number in range(values.shape[2])
    ]


def test_the_gain_and_its_interval_are_those_of_a_paired_t_test(rng: np.random.Generator) -> None:
    values = rng.random((2, 4, 3))
    found = curve.summarise(points(values), Plan(seeds=(0, 1, 2, 3)), {"title": "made"})["gain"]["accuracy"]
    each = (values[0] - values[1])[:, 1:].mean(axis=1)
    expected = ttest_1samp(each, 0.0).confidence_interval(0.95)
    assert found["mean"] == pytest.approx(each.mean(), abs=1e-5)
    assert found["interval"] == pytest.approx([expected.low, expected.high], abs=2e-5)
    assert found["last"] == pytest.approx((values[0] - values[1])[:, -1].mean(), abs=1e-5)


def test_one_seed_has_a_gain_and_no_interval(rng: np.random.Generator) -> None:
    found = curve.summarise(points(rng.random((2, 1, 2))), Plan(seeds=(0,)), {"title": "made"})
    assert "interval" not in found["gain"]["accuracy"]
    json.dumps(found)


def test_one_arm_alone_gains_nothing_and_is_drawn(rng: np.random.Generator) -> None:
    alone = [point for point in points(rng.random((2, 2, 2))) if point.arm == "margin"]
    found = curve.summarise(alone, Plan(against=None), {"title": "made <b>"})
    assert "gain" not in found
    drawing = curve.svg(found, "accuracy")
    assert drawing.count("<polyline") == 1
    assert "made &lt;b&gt;" in drawing
