from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from mien.imaging import boxes as reference
from mien.models import face_decode
from mien.models.face import CHANNELS, STRIDES, FaceNet
from mien.models.face_decode import FaceDetector


def empty_maps(height: int, width: int) -> list[Tensor]:
    maps = [torch.zeros(1, CHANNELS, height // s, width // s) for s in STRIDES]
    for one in maps:
        one[:, 0] = -9.0
    return maps


def detector_of(maps: list[Tensor], copy: list[Tensor] | None = None) -> FaceDetector:
    """A detector whose network answers with given maps whatever it sees, and with others, or nothing, in the copy."""

    class Fixed(torch.nn.Module):
        def forward(self, image: Tensor) -> list[Tensor]:
            if tuple(image.shape[2:]) == (maps[0].shape[2] * 8, maps[0].shape[3] * 8):
                return maps
            return copy or empty_maps(*image.shape[2:])

    detector = FaceDetector(FaceNet())
    detector.net = Fixed()  # type: ignore[assignment]
    return detector


def test_a_cell_decodes_to_offset_size_and_points_in_pixels() -> None:
    maps = empty_maps(96, 128)
    maps[1][0, :, 2, 3] = torch.tensor([4.0, 0.5, -0.25, np.log(2.0), np.log(3.0), *([0.25, -0.5] * 5)])
    boxes, scores, points = detector_of(maps)(torch.zeros(1, 96, 128, 3, dtype=torch.uint8))
    centre = np.array([(3 + 0.5 + 0.5) * 16, (2 + 0.5 - 0.25) * 16])
    np.testing.assert_allclose(
        boxes[0, 0], np.array([[-16.0, -24.0], [16.0, 24.0]]).ravel() + np.tile(centre, 2), rtol=1e-5
    )
    np.testing.assert_allclose(points[0, 0], np.tile(centre + np.array([8.0, -24.0]), (5, 1)), rtol=1e-5)
    assert float(scores[0, 0]) == pytest.approx(1 / (1 + np.exp(-4.0)), abs=1e-6)


def test_only_a_peak_and_near_peaks_of_a_neighbourhood_answer() -> None:
    maps = empty_maps(128, 128)
    maps[0][0, 0, 4, 4:7] = torch.tensor([0.5, 2.0, 1.5])
    maps[0][0, 3:5] = -3.0  # boxes far smaller than a cell: overlap cannot be what suppresses
    _, scores, _ = detector_of(maps)(torch.zeros(1, 128, 128, 3, dtype=torch.uint8))
    expected = 1 / (1 + np.exp([-2.0, -1.5]))
    np.testing.assert_allclose(scores[0, :2], expected, atol=1e-5)
    assert scores.shape == (1, 2)


def test_one_face_seen_on_two_levels_is_answered_once() -> None:
    maps = empty_maps(128, 128)
    maps[0][0, :5, 7, 7] = torch.tensor([2.0, 0.0, 0.0, np.log(5.0), np.log(5.0)])
    maps[1][0, :5, 3, 3] = torch.tensor([1.0, 0.0, 0.0, np.log(2.5), np.log(2.5)])
    _, scores, _ = detector_of(maps)(torch.zeros(1, 128, 128, 3, dtype=torch.uint8))
    assert (scores[0] > 0.1).sum() == 1


def test_suppression_equals_greedy_suppression_box_for_box() -> None:
    rng = np.random.default_rng(3)
    detector = FaceDetector(FaceNet(), overlap=0.45)
    for _ in range(20):
        centre, side = rng.uniform(0, 300, (200, 2)), rng.uniform(10, 90, (200, 2))
        xyxy = np.concatenate([centre - side / 2, centre + side / 2], axis=1).astype(np.float32)
        overlaps = face_decode._overlaps(torch.from_numpy(xyxy)[None])
        kept = detector._kept(*overlaps, torch.ones(1, 200, 1))[0].numpy() > 0.5
        expected = reference.nms(xyxy, np.linspace(1, 0, 200, dtype=np.float32), 0.45)
        assert sorted(expected) == np.flatnonzero(kept).tolist()


def test_a_face_lies_where_the_answers_that_agree_on_it_say_weighted_by_their_scores() -> None:
    maps = empty_maps(128, 128)
    cell = torch.tensor([2.0, 0.0, 0.0, np.log(5.0), np.log(5.0)])
    maps[0][0, :5, 7, 7] = cell  # 40 pixels about (60, 60)
    maps[0][0, :5, 7, 8] = cell + torch.tensor([-0.5, -0.5, 0.0, 0.0, 0.0])  # the same about (64, 60)
    maps[0][0, :5, 9, 7] = cell - torch.tensor([0.2, 0.0, 0.0, 0.0, 0.0])  # about (60, 76): overlaps by 0.43
    boxes, scores, points = detector_of(maps)(torch.zeros(1, 128, 128, 3, dtype=torch.uint8))
    assert (scores[0] > 0.1).sum() == 2
    first, second = 1 / (1 + np.exp([-2.0, -1.5]))
    x = (60 * first + 64 * second) / (first + second)
    np.testing.assert_allclose(boxes[0, 0], [x - 20, 40, x + 20, 80], rtol=1e-4)
    np.testing.assert_allclose(points[0, 0], np.tile([x, 60.0], (5, 1)), rtol=1e-4)
    np.testing.assert_allclose(boxes[0, 1], [40, 56, 80, 96], rtol=1e-4)


def large_face(maps: list[Tensor], stride: int, row: int, column: int, side: float, logit: float) -> None:
    """Put a square face of a side, in pixels of what the maps are of, into one cell."""
    log = float(np.log(side / stride))
    maps[STRIDES.index(stride)][0, :5, row, column] = torch.tensor([logit, 0.0, 0.0, log, log])


def test_a_face_that_fills_the_picture_is_found_in_the_copy_and_its_parts_are_not_faces() -> None:
    maps, copy = empty_maps(640, 640), empty_maps(160, 160)
    large_face(copy, 32, 2, 2, 150.0, 3.0)  # 600 pixels wide in the picture, about (320, 320)
    large_face(maps, 32, 9, 9, 200.0, 2.0)  # its nose and mouth, taken for a face of their own
    large_face(maps, 32, 10, 10, 600.0, 4.0)  # what the network says of a face that it does not see whole
    boxes, scores, points = detector_of(maps, copy)(torch.zeros(1, 640, 640, 3, dtype=torch.uint8))
    assert (scores[0] > 0.1).sum() == 1
    np.testing.assert_allclose(boxes[0, 0], [20.0, 20.0, 620.0, 620.0], rtol=1e-4)
    np.testing.assert_allclose(points[0, 0], np.full((5, 2), 320.0), rtol=1e-4)


def test_the_copy_speaks_of_large_faces_only_and_a_face_before_a_small_one_hides_nothing() -> None:
    maps, copy = empty_maps(640, 640), empty_maps(160, 160)
    large_face(copy, 8, 3, 3, 25.0, 3.0)  # 100 pixels: too small for the copy
    large_face(maps, 16, 20, 20, 180.0, 2.0)
    large_face(maps, 8, 36, 36, 40.0, 1.0)  # within the larger one, whose side is below LARGE
    _, scores, _ = detector_of(maps, copy)(torch.zeros(1, 640, 640, 3, dtype=torch.uint8))
    np.testing.assert_allclose(scores[0, :2], 1 / (1 + np.exp([-2.0, -1.0])), atol=1e-5)
    assert float(scores[0, 2]) < 0.01


def test_a_copy_whose_side_is_no_multiple_of_32_is_filled_up() -> None:
    seen = []

    class Looks(torch.nn.Module):
        def forward(self, image: Tensor) -> list[Tensor]:
            seen.append(image)
            return empty_maps(*image.shape[2:])

    detector = FaceDetector(FaceNet())
    detector.net = Looks()  # type: ignore[assignment]
    detector(torch.full((1, 480, 640, 3), 200, dtype=torch.uint8))
    assert [tuple(x.shape[2:]) for x in seen] == [(480, 640), (128, 160)]
    assert bool((seen[1][..., :120, :] == 200).all())
    assert bool((seen[1][..., 120:, :] == 0).all())


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 320), (256, 256)])
def test_answers_are_sorted_best_first_and_finite(height: int, width: int) -> None:
    torch.manual_seed(1)
    net = FaceNet()
    with torch.no_grad():
        for head in net.heads:
            head.bias[0] = 0.0  # type: ignore[operator, index]
    image = torch.randint(0, 255, (2, height, width, 3), dtype=torch.uint8)
    boxes, scores, points = FaceDetector(net)(image)
    rows = scores.shape[1]
    assert 1 < rows <= 200
    assert (boxes.shape, scores.shape, points.shape) == ((2, rows, 4), (2, rows), (2, rows, 5, 2))
    assert bool((scores.diff(dim=1) <= 0).all())
    assert bool(boxes.isfinite().all())
    assert bool(points.isfinite().all())


def test_as_many_rows_are_answered_as_the_picture_with_most_cells_that_say_something_has() -> None:
    maps = [one.repeat(2, 1, 1, 1) for one in empty_maps(128, 128)]
    for row, column in ((1, 1), (1, 9), (9, 1)):
        maps[0][1, 0, row, column] = face_decode.LOWEST + 0.1
    maps[0][0, 0, 5, 5] = face_decode.LOWEST - 0.1
    boxes, scores, _ = detector_of(maps, [one.repeat(2, 1, 1, 1) for one in empty_maps(32, 32)])(
        torch.zeros(2, 128, 128, 3, dtype=torch.uint8)
    )
    assert boxes.shape == (2, 3, 4)
    assert bool((scores[1] > 0.04).all())
    nothing = detector_of(empty_maps(64, 64))(torch.zeros(1, 64, 64, 3, dtype=torch.uint8))
    assert [tuple(one.shape) for one in nothing] == [(1, 1, 4), (1, 1), (1, 1, 5, 2)]
    assert float(nothing[1].max()) < 0.01


def test_the_stem_takes_over_the_scaling_of_pixels() -> None:
    torch.manual_seed(2)
    net = FaceNet().eval()
    image = torch.randint(0, 255, (1, 64, 96, 3), dtype=torch.uint8)
    expected = net(image.permute(0, 3, 1, 2).float() / 255)
    deployed = FaceDetector(net).net(image.permute(0, 3, 1, 2).float())
    for ours, theirs in zip(deployed, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_cells_are_listed_in_the_order_of_the_flattened_maps() -> None:
    maps = [torch.zeros(1, CHANNELS, 64 // s, 96 // s) for s in STRIDES]
    for one, stride in zip(maps, STRIDES, strict=True):
        for row in range(one.shape[2]):
            for column in range(one.shape[3]):
                one[0, :3, row, column] = torch.tensor([(column + 0.5) * stride, (row + 0.5) * stride, stride])
    torch.testing.assert_close(face_decode.flatten(maps)[0, :, :3], face_decode.grid(maps))
