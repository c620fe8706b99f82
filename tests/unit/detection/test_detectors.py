from __future__ import annotations

import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mien import detection, hub
from mien.errors import ModelError, UnknownNameError
from mien.imaging import boxes
from mien.imaging import image as imaging


def test_none_answers_with_the_whole_picture(noise: NDArray[np.uint8]) -> None:
    detector = detection.load("none", threads=1, precision="int8")
    assert detector.whole_picture
    (found,) = detector.detect([noise])
    assert found.xyxy.tolist() == [[0, 0, noise.shape[1], noise.shape[0]]]
    assert np.isnan(found.points).all()


def test_an_unknown_detector_names_the_near_one() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'yunet'"):
        detection.load("yunett")


def test_a_model_that_finds_faces_is_a_detector_by_folder_and_by_name(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own-faces"
    shutil.copytree(hub.assets() / "face", own)
    monkeypatch.setenv("MIEN_MODELS", str(tmp_path))
    image = imaging.read(photo)
    (expected,) = detection.load("mien").detect([image])
    assert len(expected) == 1
    for name in (own, str(own), "own-faces"):
        (found,) = detection.load(name).detect([image])
        np.testing.assert_array_equal(found.xyxy, expected.xyxy)


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=re.escape(str(tmp_path))):
        detection.load(tmp_path)


def test_a_model_with_another_model_is_refused() -> None:
    face = hub.assets() / "face"
    with pytest.raises(ModelError, match="is the detector's model itself"):
        detection.load(face, model=face)
    assert detection.load(face, model=None)


def test_a_detector_that_is_given_stays_the_one_it_is() -> None:
    own = detection.load("none")
    assert detection.given(own) is own


def test_a_model_for_expression_is_no_detector(tiny_expression: Path) -> None:
    with pytest.raises(ModelError, match="not a detector"):
        detection.load(tiny_expression)
    with pytest.raises(ModelError, match="not a detector"):
        detection.load("mien", model=tiny_expression)


#: The face of the example photo, so that what is cut out does not depend on the detector.
PORTRAIT = (179.6, 54.5, 273.7, 178.1)


@pytest.mark.parametrize("side", [60, 160, 400, 1200])
@pytest.mark.parametrize("room", [0.0, 0.15, 0.6])
def test_a_face_that_fills_the_picture_is_found_once_at_every_size(photo: Path, side: int, room: float) -> None:
    image = imaging.read(photo)
    detector = detection.load("mien")
    (whole,) = detector.detect([image])
    x1, y1, x2, y2 = PORTRAIT
    more = room * max(x2 - x1, y2 - y1)
    left, top = (int(max(v - more, 0)) for v in (x1, y1))
    crop = image[top : int(y2 + more), left : int(x2 + more)]
    scale = side / max(crop.shape[:2])
    shown = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    (found,) = detector.detect([np.ascontiguousarray(shown)])
    assert len(found) == 1
    expected = (whole.xyxy[0] - [left, top, left, top]) * scale
    assert boxes.iou(found.xyxy, expected[None].astype(np.float32))[0, 0] > 0.6
    points = (whole.points[0] - [left, top]) * scale
    assert np.abs(found.points[0] - points).max() < 0.12 * (y2 - y1) * scale


def test_yunet_agrees_with_opencvs_own_decoding(shared: Path, photo: Path) -> None:
    image = imaging.read(photo)
    detector = detection.load("yunet", model=shared / "models/yunet_n_dynamic.onnx")
    (found,) = detector.detect([image], side=640)
    small = cv2.resize(image, (640, 640))
    theirs = cv2.FaceDetectorYN.create(str(shared / "models/yunet_n_640_640.onnx"), "", (640, 640), 0.6, 0.45)
    _, rows = theirs.detect(np.ascontiguousarray(small[..., ::-1]))
    scale = image.shape[0] / 640
    assert len(found) == len(rows) == 1
    xywh = rows[0, :4] * scale
    np.testing.assert_allclose(found.xyxy[0], [*xywh[:2], *(xywh[:2] + xywh[2:])], atol=1.5)
    np.testing.assert_allclose(found.points[0], rows[0, 4:14].reshape(5, 2) * scale, atol=1.5)
    assert found.confidence[0] == pytest.approx(rows[0, 14], abs=0.01)
