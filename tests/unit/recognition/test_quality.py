import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy.special import expit

from mien import labels, manifest
from mien.errors import ModelError
from mien.imaging import align, image
from mien.imaging.align import TEMPLATES
from mien.manifest import Chance, Curve, Gate
from mien.recognition import quality
from mien.recognition.pipeline import Recognizer
from mien.results import Detections, Scores

FRONT = np.array(TEMPLATES["fer"], np.float32) * 100


@pytest.fixture
def face(photo) -> NDArray[np.uint8]:  # type: ignore[no-untyped-def]
    return align.box_crop(image.read(photo), np.array([170, 60, 290, 180]), 48)


def test_blur_lowers_sharpness_step_by_step(face: NDArray[np.uint8]) -> None:
    values = [quality.sharpness(cv2.GaussianBlur(face, (0, 0), sigma) if sigma else face) for sigma in (0, 1, 2, 4)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 3 * values[-1]


def test_sharpness_does_not_depend_on_light(face: NDArray[np.uint8]) -> None:
    dark = (face * 0.4).astype(np.uint8)
    assert quality.sharpness(dark) == pytest.approx(quality.sharpness(face), rel=0.05)


def test_an_even_crop_has_no_sharpness() -> None:
    assert quality.sharpness(np.full((48, 48, 3), 80, np.uint8)) == 0.0


def test_a_frontal_face_is_not_turned_and_tilting_changes_nothing() -> None:
    angle = np.deg2rad(35)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], np.float32)
    upright, tilted = quality.turn(FRONT[None]), quality.turn((FRONT @ rotation.T)[None])
    assert upright[0] < 0.25
    assert tilted[0] == pytest.approx(upright[0], abs=1e-4)


def test_turn_grows_with_the_yaw_of_a_head() -> None:
    depth = np.array([0, 0, 30, 0, 0], np.float32)
    centred = FRONT - FRONT.mean(axis=0)
    turns = []
    for yaw in (0, 20, 40, 60, 80):
        seen = centred.copy()
        seen[:, 0] = np.cos(np.deg2rad(yaw)) * centred[:, 0] + np.sin(np.deg2rad(yaw)) * depth
        turns.append(float(quality.turn(seen[None])[0]))
    assert turns == sorted(turns)
    assert turns[-1] > 0.9


def measured(size: float, sharp: float, turned: float) -> quality.Quality:
    one = [np.array([v], np.float32) for v in (size, sharp, turned, 120.0, 40.0, 0.5)]
    return quality.Quality(*one)


@pytest.mark.parametrize(
    ("size", "sharp", "turned", "entropy", "confidence", "reason"),
    [
        (100, 0.3, 0.1, 0.5, 0.9, None),
        (10, 0.3, 0.1, 0.5, 0.9, "too small"),
        (100, 0.01, 0.1, 0.5, 0.9, "blurred"),
        (100, 0.3, 0.95, 0.5, 0.9, "turned away"),
        (100, 0.3, float("nan"), 0.5, 0.9, None),
        (100, 0.3, 0.1, 1.9, 0.9, "uncertain"),
        (100, 0.3, 0.1, 0.5, 0.2, "uncertain"),
    ],
)
def test_each_limit_gives_its_reason(
    size: float, sharp: float, turned: float, entropy: float, confidence: float, reason: str | None
) -> None:
    gate = Gate(min_face=16, min_sharpness=0.05, max_turn=0.8, max_entropy=1.5, min_confidence=0.3)
    found = quality.reasons(
        measured(size, sharp, turned), np.array([entropy], np.float32), np.array([confidence], np.float32), gate
    )
    assert found == (reason,)


def test_a_gate_without_limits_never_abstains() -> None:
    worst = quality.reasons(measured(1, 0, 1), np.array([2.0], np.float32), np.array([0.1], np.float32), Gate())
    assert worst == (None,)


def test_a_flat_answer_is_called_uncertain_before_its_quality_is_low() -> None:
    gate = Gate(max_entropy=1.0, min_quality=0.9)
    sure, unsure = np.array([0.2], np.float32), np.array([1.5], np.float32)
    one = np.array([0.9], np.float32)
    assert quality.reasons(measured(100, 0.3, 0.1), unsure, one, gate) == ("uncertain",)
    assert quality.reasons(measured(100, 0.3, 0.1), sure, one, gate) == ("low quality",)


CHANCE = Chance(
    bias=0.5,
    curves={
        "sharpness": Curve(knots=(0.1, 0.3), values=(-2.0, 1.0)),
        "turn": Curve(knots=(0.0, 1.0), values=(1.0, -3.0)),
    },
    labels={"happiness": 0.25},
)


def test_what_is_not_known_adds_nothing_even_to_a_curve_of_one_knot() -> None:
    flat = Chance(bias=0.0, curves={"turn": Curve(knots=(0.0,), values=(3.0,))})
    assert quality.chance(flat, {"turn": np.array([np.nan, 0.5], np.float32)}, ["a", "a"]) == pytest.approx(
        expit([0.0, 3.0])
    )


def test_a_chance_is_the_logistic_of_the_sum_of_its_curves() -> None:
    known = {"sharpness": np.array([0.2, 0.0, 9.0], np.float32), "turn": np.array([0.5, np.nan, 0.0], np.float32)}
    got = quality.chance(CHANCE, known, ["happiness", "fear", "fear"])
    total = np.array([0.5 + 0.25 - 0.5 - 1.0, 0.5 - 2.0, 0.5 + 1.0 + 1.0])
    np.testing.assert_allclose(got, expit(total), atol=1e-6)


def test_a_signal_of_a_later_version_asks_for_an_update() -> None:
    later = Chance(bias=0.0, curves={"gloss": Curve(knots=(0.0,), values=(1.0,))})
    with pytest.raises(ModelError, match="'gloss', which this mien does not measure"):
        quality.chance(later, {"turn": np.zeros(1, np.float32)}, ["fear"])


@pytest.mark.parametrize(("knots", "values"), [((0.2, 0.1), (1.0, 2.0)), ((0.1, 0.2), (1.0,))])
def test_a_curve_has_one_value_a_knot_and_knots_that_increase(
    knots: tuple[float, ...], values: tuple[float, ...]
) -> None:
    with pytest.raises(ValidationError, match="knot"):
        Curve(knots=knots, values=values)


def test_signals_of_a_crop_say_nothing_of_size_turn_and_detection(face: NDArray[np.uint8]) -> None:
    found = Detections(np.array([[0, 0, 64, 64]], np.float32), np.array([0.5], np.float32), FRONT[None])
    scores = Scores(labels.get("ekman7"), np.array([[0.7, 0.2, 0.1, 0, 0, 0, 0]], np.float32))
    given = quality.measure(found, face[None])
    met = quality.signals(given, found, scores)
    assert set(met) == set(quality.SIGNALS)
    assert met["size"][0] == 6.0
    assert met["found"][0] == pytest.approx(0.0, abs=1e-6)
    assert met["certainty"][0] == pytest.approx(np.log(0.7 / 0.3), abs=1e-5)
    grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)
    assert met["light"][0] == pytest.approx(grey.mean(), rel=1e-4)
    assert met["contrast"][0] == pytest.approx(grey.std(), rel=1e-4)
    whole = quality.signals(given, found, scores, whole=True)
    assert [name for name in quality.SIGNALS if np.isnan(whole[name][0])] == ["size", "turn", "found"]


def test_the_recognizer_scores_quality_as_its_model_says(
    tiny_expression: Path, tmp_path: Path, noise: NDArray[np.uint8]
) -> None:
    folder = Path(shutil.copytree(tiny_expression, tmp_path / "fitted"))
    plain = Recognizer(model=tiny_expression, detector="none").read([noise])[0]
    changed = {"quality": CHANCE, "gate": Gate(min_quality=0.999)}
    manifest.write(manifest.read(folder).model_copy(update=changed), folder)
    got = Recognizer(model=folder, detector="none").read([noise])[0]
    crop = align.whole(noise, 48)
    sharp = np.array([quality.sharpness(crop)], np.float32)
    expected = quality.chance(CHANCE, {"sharpness": sharp, "turn": np.array([np.nan], np.float32)}, got.label)
    assert got.quality[0] == pytest.approx(expected[0], abs=1e-6)
    assert got.quality[0] != pytest.approx(plain.quality[0], abs=1e-3)
    assert got.abstained == ("low quality",)


def test_faces_without_points_are_measured_too(face: NDArray[np.uint8]) -> None:
    found = Detections(
        np.array([[0, 0, 40, 60]], np.float32), np.ones(1, np.float32), np.full((1, 5, 2), np.nan, np.float32)
    )
    result = quality.measure(found, face[None])
    assert result.size[0] == 40
    assert np.isnan(result.turn[0])
    assert 0 < result.score[0] < 1
    assert quality.measure(Detections.empty(), face[None][:0]).score.shape == (0,)
