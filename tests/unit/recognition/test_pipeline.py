from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import mien
from mien.errors import ImageError
from mien.imaging import image
from mien.manifest import Gate
from mien.results import Faces


@pytest.fixture(scope="module")
def recognizer() -> mien.Recognizer:
    return mien.load(workers=2, batch=3)


@pytest.fixture
def portrait(photo: Path) -> NDArray[np.uint8]:
    return image.read(photo)


def variants(portrait: NDArray[np.uint8], count: int) -> list[NDArray[np.uint8]]:
    """Copies of the portrait at different sizes and places, some without a face."""
    out = []
    for i in range(count):
        side = 256 + 32 * (i % 5)
        small = cv2.resize(portrait, (side, side), interpolation=cv2.INTER_AREA)
        canvas = np.full((480, 640, 3), 30 + i, np.uint8)
        x = (17 * i) % (640 - side)
        canvas[: min(side, 480), x : x + side] = small[:480]
        out.append(canvas if i % 7 != 6 else np.full((480, 640, 3), 128, np.uint8))
    return out


def same(a: Faces, b: Faces) -> None:
    assert a.label == b.label
    assert a.abstained == b.abstained
    np.testing.assert_allclose(a.xyxy, b.xyxy, atol=1e-3)
    np.testing.assert_allclose(a.points, b.points, atol=1e-3)
    for name in a.heads:
        np.testing.assert_allclose(a.heads[name].values, b.heads[name].values, atol=1e-5)


def test_a_stream_equals_one_by_one(recognizer: mien.Recognizer, portrait: NDArray[np.uint8]) -> None:
    pictures = variants(portrait, 11)
    streamed = list(recognizer(pictures, color="rgb"))
    assert [len(faces) for faces in streamed] == [0 if i % 7 == 6 else 1 for i in range(11)]
    for picture, faces in zip(pictures, streamed, strict=True):
        same(faces, recognizer(picture, color="rgb"))


def test_path_bytes_pil_and_array_agree(recognizer: mien.Recognizer, photo: Path) -> None:
    first = recognizer(photo)
    assert first.image == str(photo)
    with Image.open(photo) as picture:
        sources: list[Any] = [photo.read_bytes(), image.read(photo), picture]
        for source in sources:
            other = recognizer(source, color="rgb" if isinstance(source, np.ndarray) else None)
            assert other.label == first.label
            assert np.abs(other.xyxy - first.xyxy).max() < 1
            assert np.abs(other.scores - first.scores).max() < 0.05


def test_a_folder_is_streamed_and_bad_pictures_are_named(
    recognizer: mien.Recognizer, photo: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(photo.read_bytes())
    (tmp_path / "b.png").write_bytes(b"nonsense")
    (tmp_path / "c.jpg").write_bytes(photo.read_bytes())
    found = recognizer(tmp_path)
    assert isinstance(found, Iterator)
    good, bad, again = found
    assert bad.error == "not a picture: the format is not known"
    assert (good.error, again.error, len(bad)) == (None, None, 0)
    same(good, again)


def test_one_bad_picture_alone_raises(recognizer: mien.Recognizer, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such file"):
        recognizer(tmp_path / "none.jpg")


def test_no_face_is_an_empty_result(recognizer: mien.Recognizer) -> None:
    faces = recognizer(np.full((240, 320, 3), 128, np.uint8), color="rgb")
    assert (len(faces), faces.error, faces.label, faces.width, faces.height) == (0, None, [], 320, 240)


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (3, 5), (2000, 40)])
def test_odd_shapes_are_read(recognizer: mien.Recognizer, shape: tuple[int, int]) -> None:
    faces = recognizer(np.full((*shape, 3), 90, np.uint8), color="rgb")
    assert (faces.height, faces.width, len(faces)) == (*shape, 0)


def test_a_far_face_is_refused_as_too_small_and_a_soft_one_as_blurred(portrait: NDArray[np.uint8]) -> None:
    gated = mien.load(gate=Gate(min_face=40, min_sharpness=0.1))
    near = gated(portrait, color="rgb")
    far = gated(cv2.resize(portrait, (140, 140), interpolation=cv2.INTER_AREA), color="rgb")
    soft = gated(cv2.GaussianBlur(portrait, (0, 0), 5), color="rgb")
    assert near.abstained == (None,)
    assert far.abstained == ("too small",)
    assert soft.abstained == ("blurred",)


def test_a_crop_is_read_whole(portrait: NDArray[np.uint8]) -> None:
    x1, y1, x2, y2 = mien.load()(portrait, color="rgb").xyxy[0].astype(int)
    face = portrait[y1:y2, x1:x2]
    faces = mien.load(detector="none")(face, color="rgb")
    assert faces.xyxy.tolist() == [[0, 0, x2 - x1, y2 - y1]]
    assert np.isnan(faces.points).all()
    assert faces.label == ["happiness"]


def test_memory_stays_flat_over_a_long_stream(portrait: NDArray[np.uint8]) -> None:
    psutil = pytest.importorskip("psutil")
    recognizer = mien.load(workers=2)
    data = image.encode(cv2.resize(portrait, (160, 160)), "jpg")
    stream = recognizer.stream(data for _ in range(600))
    for _ in range(100):
        next(stream)
    before = psutil.Process().memory_info().rss
    for _ in stream:
        pass
    assert psutil.Process().memory_info().rss - before < 30e6
