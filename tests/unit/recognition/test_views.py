from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.errors import UnknownNameError
from mien.recognition import views
from mien.recognition.expression import ExpressionModel


@pytest.fixture
def crops(rng: np.random.Generator) -> np.ndarray:
    coarse = rng.integers(0, 256, (6, 6, 6, 3), dtype=np.uint8)
    return np.stack([cv2.resize(c, (48, 48), interpolation=cv2.INTER_LINEAR) for c in coarse])


@pytest.mark.parametrize(("name", "count"), [("one", 1), ("flip", 2), ("five", 5), ("ten", 10)])
def test_the_answer_is_the_mean_over_the_looks(name: str, count: int, crops: np.ndarray, tiny_expression: Path) -> None:
    looks = views.of(crops, name)
    assert len(looks) == count
    assert all(look.shape == crops.shape for look in looks)
    one = ExpressionModel(tiny_expression)
    got = ExpressionModel(tiny_expression, views=name).predict(crops)["expression"]
    singles = np.stack([one.predict(look)["expression"].values for look in looks])
    np.testing.assert_allclose(got.values, singles.mean(axis=0), atol=1e-6)
    if count < 5:
        assert got.spread is None
        return
    assert got.spread is not None
    best = got.values.argmax(axis=1)
    np.testing.assert_allclose(got.spread, singles[:, np.arange(6), best].std(axis=0), atol=1e-6)
    assert got[2:4].spread is not None
    assert "spread" in got.to_dict(0)


def test_corner_looks_show_the_corners_and_mirrored_crops_give_the_same_ten_looks(crops: np.ndarray) -> None:
    corners = views.of(crops, "five")
    np.testing.assert_array_equal(corners[3][0], cv2.resize(crops[0, 4:, 4:], (48, 48)))
    # In the order left upper, right upper, left lower, right lower, middle, each before its mirror image.
    turned = views.of(np.ascontiguousarray(crops[:, :, ::-1]), "ten")
    for at, other in enumerate((3, 2, 1, 0, 7, 6, 5, 4, 9, 8)):
        off = np.abs(views.of(crops, "ten")[at].astype(int) - turned[other].astype(int))
        assert off.max() <= 1


def test_no_spread_where_every_look_is_the_same(tiny_expression: Path) -> None:
    flat = np.full((3, 48, 48, 3), 90, np.uint8)
    spread = ExpressionModel(tiny_expression, views="ten").predict(flat)["expression"].spread
    assert spread is not None
    np.testing.assert_allclose(spread, 0, atol=1e-6)


def test_nothing_to_look_at_is_an_empty_answer_and_unknown_looks_are_named(tiny_expression: Path) -> None:
    empty = np.zeros((0, 48, 48, 3), np.uint8)
    assert len(ExpressionModel(tiny_expression, views="five").predict(empty)["expression"]) == 0
    with pytest.raises(UnknownNameError, match=r"no way to look named 'fife'\. Did you mean 'five'"):
        ExpressionModel(tiny_expression, views="fife")
