from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mien.datasets.faces import Photo
from mien.evaluation.detection import find
from mien.evaluation.detection_conditions import CONDITIONS, TURN, conditions, groups
from mien.results import Detections

BOXES = np.array([[100, 60, 140, 110], [300, 200, 318, 220]], np.float32)


@pytest.fixture
def photo(tmp_path: Path) -> Photo:
    """A black picture with two white faces, 50 and 20 pixels high."""
    image = np.zeros((300, 400, 3), np.uint8)
    for x1, y1, x2, y2 in BOXES.astype(int):
        image[y1:y2, x1:x2] = 255
    Image.fromarray(image).save(tmp_path / "a.png")
    points = np.full((2, 5, 2), np.nan, np.float32)
    return Photo("a.png", tmp_path / "a.png", 400, 300, "made", BOXES, points, np.zeros(2, bool), np.ones(2, bool))


class Bright:
    """Finds what is brighter than everything else, as a detector."""

    whole_picture = False

    def detect(self, images: Sequence[NDArray[np.uint8]], side: int | None = None) -> list[Detections]:
        return [self._one(image) for image in images]

    def _one(self, image: NDArray[np.uint8]) -> Detections:
        grey = image.mean(axis=2)
        _, _, stats, _ = cv2.connectedComponentsWithStats((grey > 0.6 * grey.max()).astype(np.uint8))
        x, y, w, h = stats[1:, :4].T.astype(np.float32)
        empty = Detections.empty()
        return Detections(
            xyxy=np.stack([x, y, x + w, y + h], 1),
            confidence=np.ones(len(x), np.float32),
            points=np.full((len(x), *empty.points.shape[1:]), np.nan, np.float32),
        )


def test_faces_count_in_the_group_of_their_height_and_source(photo: Photo) -> None:
    rows = {(row.kind, row.name): row for row in groups([photo], find(Bright(), [photo], 640), threshold=0.5)}
    assert rows["source", "made"].faces == 2
    assert rows["source", "made"].ap.value == pytest.approx(1.0)
    assert (rows["height", "16 to 24 px"].faces, rows["height", "32 to 64 px"].faces) == (1, 1)
    assert rows["height", "16 to 24 px"].recall == rows["height", "32 to 64 px"].recall == 1.0
    assert np.isnan(rows["height", "from 128 px"].recall)


def test_boxes_follow_a_picture_that_is_turned(photo: Photo) -> None:
    image = np.asarray(Image.open(photo.path))
    turned, truth = CONDITIONS[f"turned by {TURN:.0f}°"](image, photo, np.random.default_rng(0))
    found = Bright()._one(turned)
    middles = (found.xyxy[:, :2] + found.xyxy[:, 2:]) / 2
    expected = (truth.xyxy[:, :2] + truth.xyxy[:, 2:]) / 2
    for middle in expected:
        assert np.linalg.norm(middles - middle, axis=1).min() < 1.5
    np.testing.assert_allclose(truth.xyxy[:, 2:] - truth.xyxy[:, :2], BOXES[:, 2:] - BOXES[:, :2], rtol=1e-5)


def test_a_face_that_is_turned_out_of_the_picture_does_not_count(photo: Photo) -> None:
    corner = replace(
        photo, xyxy=np.array([[0, 0, 20, 20]], np.float32), points=photo.points[:1], ignore=photo.ignore[:1]
    )
    change = CONDITIONS[f"turned by {TURN:.0f}°"]
    image = np.zeros((300, 400, 3), np.uint8)
    gone = [bool(change(image, corner, np.random.default_rng(seed))[1].ignore[0]) for seed in range(8)]
    assert any(gone)


def test_a_mask_covers_the_lower_part_of_each_box_only(photo: Photo) -> None:
    image = np.asarray(Image.open(photo.path))
    covered, _ = CONDITIONS["lower half of the face covered"](image, photo, np.random.default_rng(0))
    assert (covered[60:87, 100:140] == 255).all()
    assert (covered[89:109, 101:139] < 255).all()
    assert (covered[:50] == image[:50]).all()


def test_each_condition_is_scored_and_the_worse_photo_is_what_the_detector_sees(photo: Photo) -> None:
    class Keeping(Bright):
        def __init__(self) -> None:
            self.seen: list[NDArray[np.uint8]] = []

        def detect(self, images: Sequence[NDArray[np.uint8]], side: int | None = None) -> list[Detections]:
            self.seen += images
            return super().detect(images, side)

    detector = Keeping()
    rows = {row.name: row for row in conditions(detector, [photo], 640, threshold=0.5)}
    assert rows.keys() == CONDITIONS.keys()
    assert rows["grey"].recall == rows["dark"].recall == 1.0
    original = np.asarray(Image.open(photo.path))
    same = [name for name, seen in zip(rows, detector.seen, strict=True) if np.array_equal(seen, original)]
    assert same == ["grey"]  # the picture is grey as it is
