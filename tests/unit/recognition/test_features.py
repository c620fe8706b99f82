from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from mien.errors import ModelError, UnknownNameError
from mien.recognition.features import Features
from mien.runtime import Session


@pytest.fixture
def even(rng: np.random.Generator) -> np.ndarray:
    """Crops that are their own mirror images."""
    half = rng.integers(0, 256, (5, 48, 24, 3), dtype=np.uint8)
    return np.concatenate([half, half[:, :, ::-1]], axis=2)


def test_the_last_matrix_of_a_head_makes_its_answer_of_the_features(tiny_expression: Path, even: np.ndarray) -> None:
    found = Features(tiny_expression).of(list(even))
    graph = onnx.load(tiny_expression / "model.onnx").graph
    weight = next(numpy_helper.to_array(w) for w in graph.initializer if w.name == "expression7_weight")
    logits = found @ weight
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    answers = Session(tiny_expression, precision="fp32").run(even)["expression7"]
    np.testing.assert_allclose(answers, expected, rtol=1e-4, atol=1e-6)


def test_mirror_images_have_the_same_features_and_other_pictures_others(rng: np.random.Generator) -> None:
    features = Features("expression")
    crops = list(rng.integers(0, 256, (3, 48, 48, 3), dtype=np.uint8))
    one, two = features.of(crops), features.of([np.ascontiguousarray(crop[:, ::-1]) for crop in crops])
    assert one.shape == (3, features.width)
    np.testing.assert_allclose(one, two, atol=1e-5)
    assert not np.allclose(one[0], one[1], atol=1e-2)


def test_models_that_do_not_look_at_crops_and_unknown_ones_are_refused() -> None:
    for name in ("face", "landmarks"):
        with pytest.raises(ModelError, match="looks at no crops"):
            Features(name)
    with pytest.raises(UnknownNameError):
        Features("nosuch")
