from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.fixtures.models import tiny_model

from mien import labels, manifest
from mien.errors import ModelError
from mien.manifest import Crop, Head
from mien.recognition import circumplex, scene


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model of valence and arousal for whole pictures."""
    head = Head(name="affect", label_set="affect2", labels=labels.get("affect2").labels, kind="value")
    made = tiny_model(tmp_path / "scene", (head,), size=32)
    changes = {"task": "scene", "crop": Crop(kind="whole", size=32)}
    manifest.write(manifest.read(made).model_copy(update=changes), made)
    return made


@pytest.fixture
def picture(rng: np.random.Generator) -> NDArray[np.uint8]:
    return rng.integers(0, 256, (40, 90, 3), dtype=np.uint8)


def test_emotions_are_derived_from_values(folder: Path, picture: NDArray[np.uint8]) -> None:
    model = scene.SceneModel(folder)
    heads = model.read(picture)
    expected = circumplex.derive(heads["affect"])
    np.testing.assert_allclose(model(picture).values, expected.values)
    assert model(picture).derived == circumplex.METHOD


def test_a_model_that_scores_emotions_is_taken_at_its_word(tmp_path: Path, picture: NDArray[np.uint8]) -> None:
    head = Head(name="emotion", label_set="social8", labels=labels.get("social8").labels)
    made = tiny_model(tmp_path / "own", (head,), size=32)
    changes = {"task": "scene", "crop": Crop(kind="whole", size=32)}
    manifest.write(manifest.read(made).model_copy(update=changes), made)
    found = scene.SceneModel(made)(picture)
    assert found.derived is None
    assert found.labels.name == "social8"


def test_a_model_for_faces_is_refused(tiny_expression: Path) -> None:
    with pytest.raises(ModelError, match="not for whole pictures"):
        scene.SceneModel(tiny_expression)
