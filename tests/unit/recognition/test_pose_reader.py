from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.imaging import image
from mien.labels import get
from mien.results import Detections, Faces, Scores

pytest.importorskip("mediapipe", reason="needs the extra 'mediapipe'")

from mien.detection.mediapipe import Landmarker, Landmarks
from mien.recognition.pose_reader import PoseReader

BOX = (178.0, 66.0, 272.0, 186.0)


def faces(*boxes: tuple[float, float, float, float], ids: list[int] | None = None) -> Faces:
    n = len(boxes)
    found = Detections(
        np.array(boxes, np.float32).reshape(n, 4), np.ones(n, np.float32), np.full((n, 5, 2), np.nan, np.float32)
    )
    scores = Scores(get("ekman7"), np.full((n, 7), 1 / 7, np.float32))
    numbers = None if ids is None else np.array(ids, np.int64)
    return Faces(found, {"h": scores}, "h", np.ones(n, np.float32), (None,) * n, 640, 480, tracker_id=numbers)


@pytest.fixture(scope="module")
def landmarker(shared: Path) -> Landmarker:
    return Landmarker(shared / "models" / "face_landmarker.task", faces=1)


def test_a_portrait_faces_the_camera_with_open_eyes_and_a_wall_has_no_measures(
    photo: Path, landmarker: Landmarker
) -> None:
    measured = PoseReader(landmarker).add(image.read(photo), faces(BOX, (400, 20, 470, 90)))
    assert abs(measured.columns["yaw"][0]) < 15
    assert abs(measured.columns["pitch"][0]) < 15
    assert min(measured.columns["left_eye"][0], measured.columns["right_eye"][0]) > 0.2
    assert np.isnan(measured.columns["yaw"][1])
    assert measured.abstained == (None, None)
    record = measured.to_dict()["faces"]
    assert record[1]["yaw"] is None
    assert record[0]["yaw"] == pytest.approx(float(measured.columns["yaw"][0]), abs=1e-4)
    assert {"pitch", "mouth"} <= set(measured.to_table()[0])


def test_roll_follows_a_turned_picture(photo: Path, landmarker: Landmarker) -> None:
    pixels = image.read(photo)
    centre = ((BOX[0] + BOX[2]) / 2, (BOX[1] + BOX[3]) / 2)
    turned = cv2.warpAffine(pixels, cv2.getRotationMatrix2D(centre, -20, 1), (512, 512))  # 20 degrees clockwise
    reader = PoseReader(landmarker)
    upright, tipped = (float(reader.add(p, faces(BOX)).columns["roll"][0]) for p in (pixels, turned))
    assert tipped - upright == pytest.approx(20, abs=3)


class Seen:
    """Plays a landmarker whose faces were measured before: the last stage alone is under test."""

    def __init__(self, found: list[Landmarks]) -> None:
        self.found = found

    def read(self, images: list[np.ndarray]) -> list[Landmarks]:
        return [self.found.pop(0) for _ in images]


def test_blinks_are_counted_for_each_person_and_closed_eyes_are_a_reason(photo: Path, landmarker: Landmarker) -> None:
    (seen,) = landmarker.read([image.read(photo)])
    open_eyes = seen[:1]
    shut = seen.points[:1].copy()
    for top, bottom in ((160, 144), (158, 153), (385, 380), (387, 373)):  # each upper lid onto its lower one
        shut[:, top] = shut[:, bottom]
    closed = Landmarks(shut, open_eyes.blendshapes, open_eyes.matrix)
    frames = [[open_eyes, open_eyes], [closed, open_eyes], [open_eyes, open_eyes]]
    reader = PoseReader(Seen([face for frame in frames for face in frame]))  # type: ignore[arg-type]
    results = [
        reader.add(np.zeros((480, 640, 3), np.uint8), faces(BOX, BOX, ids=[1, 2]), k / 10) for k in range(len(frames))
    ]
    assert [list(result.columns["blinks"]) for result in results] == [[0, 0], [0, 0], [1, 0]]
    assert results[1].abstained == ("eyes closed", None)


def test_who_is_gone_is_forgotten() -> None:
    reader = PoseReader(Seen([Landmarks.empty()] * 200), patience=0.5)  # type: ignore[arg-type]
    for k in range(200):
        reader.add(np.zeros((64, 64, 3), np.uint8), faces(BOX, ids=[k]), k * 1.0)
    assert len(reader._blinks) == 1
