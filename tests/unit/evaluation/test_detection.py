from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mien.datasets.faces import Photo
from mien.evaluation.compare import compare_detectors
from mien.evaluation.detection import curve, evaluate_detector, match, point_errors, report
from mien.results import Detections

POINTS = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)


def photo(xyxy: Sequence[Sequence[float]], ignore: Sequence[bool] | None = None, name: str = "a.png") -> Photo:
    boxes = np.array(xyxy, np.float32).reshape(-1, 4)
    points = boxes[:, None, :2] + POINTS * (boxes[:, None, 2:] - boxes[:, None, :2])
    flags = np.zeros(len(boxes), bool) if ignore is None else np.array(ignore)
    return Photo(name, Path(name), 400, 300, "made", boxes, points, flags, np.ones(len(boxes), bool))


def detections(xyxy: Sequence[Sequence[float]], scores: Sequence[float]) -> Detections:
    boxes = np.array(xyxy, np.float32).reshape(-1, 4)
    points = boxes[:, None, :2] + POINTS * (boxes[:, None, 2:] - boxes[:, None, :2])
    return Detections(boxes, np.array(scores, np.float32), points.astype(np.float32))


def plain_average_precision(photos: Sequence[Photo], found: Sequence[Detections]) -> float:
    """VOC 2010 average precision, written out: every photo, no ignored regions, no sizes."""
    ranked = sorted(
        ((float(d.confidence[k]), p, d.xyxy[k]) for p, d in enumerate(found) for k in range(len(d))),
        key=lambda entry: -entry[0],
    )
    used: set[tuple[int, int]] = set()
    outcome = []
    for _, p, box in ranked:
        best, at = 0.0, -1
        for k, face in enumerate(photos[p].xyxy):
            if (p, k) in used:
                continue
            low, high = np.maximum(box[:2], face[:2]), np.minimum(box[2:], face[2:])
            both = float(np.maximum(high - low, 0).prod())
            overlap = both / float((box[2:] - box[:2]).prod() + (face[2:] - face[:2]).prod() - both)
            if overlap > best:
                best, at = overlap, k
        outcome.append(best >= 0.5)
        if best >= 0.5:
            used.add((p, at))
    total = sum(len(p.xyxy) for p in photos)
    area, recall = 0.0, 0.0
    for k, hit in enumerate(outcome):
        if hit:
            step = sum(outcome[: k + 1]) / total - recall
            recall += step
            area += step * max(sum(outcome[: j + 1]) / (j + 1) for j in range(k, len(outcome)))
    return area


def random_set(rng: np.random.Generator) -> tuple[list[Photo], list[Detections]]:
    photos, found = [], []
    for number in range(12):
        low = rng.uniform(0, 250, (rng.integers(0, 5), 2))
        faces = np.concatenate([low, low + rng.uniform(40, 90, low.shape)], axis=1)
        photos.append(photo(faces.tolist(), name=str(number)))
        moved = faces + rng.normal(0, 9, faces.shape)
        spare = rng.uniform(0, 200, (rng.integers(0, 3), 2))
        boxes = np.concatenate([moved, np.concatenate([spare, spare + 50], axis=1)])
        scores = np.sort(rng.uniform(0.1, 1, len(boxes)))[::-1]
        found.append(detections(rng.permutation(boxes).tolist(), scores.tolist()))
    return photos, found


def test_average_precision_equals_an_independent_computation() -> None:
    rng = np.random.default_rng(1)
    for _ in range(10):
        photos, found = random_set(rng)
        figure = report(photos, found, 640, threshold=0.5, draws=0).sizes[0].ap
        assert figure.value == pytest.approx(plain_average_precision(photos, found), abs=1e-9)


def test_the_interval_holds_the_figure_and_weights_equal_repeated_photos() -> None:
    rng = np.random.default_rng(2)
    photos, found = random_set(rng)
    figure = report(photos, found, 640, threshold=0.5, draws=200).sizes[0].ap
    assert figure.low <= figure.value <= figure.high
    line = curve(photos, found, 16)
    weights = np.array([[2.0, 0.0, 1.0, *([1.0] * 9)]])
    again = [photos[0], photos[0], *photos[2:]], [found[0], found[0], *found[2:]]
    repeated = curve(*again, 16).average_precision(np.ones((1, len(again[0]))))
    np.testing.assert_allclose(line.average_precision(weights), repeated, atol=1e-9)


def test_a_second_box_on_a_face_is_a_false_alarm() -> None:
    counted, hit, faces = match(photo([[0, 0, 50, 50]]), detections([[0, 0, 50, 50], [1, 1, 51, 51]], [0.9, 0.8]), 16)
    assert (counted.tolist(), hit.tolist(), faces) == ([True, True], [True, False], 1)


@pytest.mark.parametrize("box", [[100, 100, 150, 150], [110, 110, 135, 140]])
def test_what_lies_in_an_ignored_region_does_not_count(box: list[float]) -> None:
    truth = photo([[0, 0, 50, 50], [100, 100, 150, 150]], [False, True])
    counted, hit, faces = match(truth, detections([box], [0.9]), 16)
    assert (counted.tolist(), hit.tolist(), faces) == ([False], [False], 1)


def test_faces_below_the_height_count_neither_way() -> None:
    truth = photo([[0, 0, 20, 20], [100, 100, 160, 160]])
    found = detections([[0, 0, 20, 20], [100, 100, 160, 160], [200, 200, 210, 210], [300, 200, 350, 250]], [0.9] * 4)
    counted, hit, faces = match(truth, found, 32)
    assert counted.tolist() == [False, True, False, True]
    assert hit.tolist() == [False, True, False, False]
    assert faces == 1


def test_recall_at_one_false_alarm_a_photo_stops_there() -> None:
    truth = photo([[0, 0, 50, 50], [100, 100, 150, 150]])
    boxes = [[200, 0, 250, 50], [0, 0, 50, 50], [200, 200, 250, 250], [100, 100, 150, 150]]
    size = report([truth], [detections(boxes, [0.9, 0.8, 0.7, 0.6])], 640, threshold=0.75, draws=0).sizes[0]
    assert size.recall_one_alarm == 0.5
    assert size.recall == 0.5


def test_point_error_is_the_mean_distance_in_face_sides() -> None:
    truth = photo([[0, 0, 100, 100], [200, 0, 230, 30]])
    found = detections([[0, 0, 100, 100], [200, 0, 230, 30]], [0.9, 0.9])
    moved = Detections(found.xyxy, found.confidence, found.points + np.array([3, 4], np.float32))
    np.testing.assert_allclose(point_errors([truth], [moved], 0.5), [0.05], atol=1e-6)
    assert len(point_errors([truth], [moved], 0.95)) == 0


def test_clean_counts_photos_without_faces_only_and_above_the_threshold() -> None:
    photos = [photo([], name="0"), photo([], name="1"), photo([[0, 0, 50, 50]], [True], name="2")]
    found = [detections([[0, 0, 40, 40]], [0.3]), detections([[0, 0, 40, 40]], [0.6]), Detections.empty()]
    measured = report(photos, found, 640, threshold=0.5, draws=0)
    assert measured.faceless == 2
    assert measured.clean == 0.5
    assert np.isnan(measured.sizes[0].ap.value)


def test_a_figure_that_nothing_gave_is_not_recorded() -> None:
    photos = [photo([[0, 0, 50, 50]], name="0")]
    assert {m.name for m in report(photos, [Detections.empty()], 640, threshold=0.5, draws=0).metrics("fp32")} == {
        "ap16", "ap32", "recall16", "recall32",
    }  # fmt: skip


def test_a_detector_is_given_the_pictures_in_order(tmp_path: Path) -> None:
    photos = []
    for number in range(40):
        image = np.zeros((60, 80, 3), np.uint8)
        image[10 : 11 + number] = 255
        path = tmp_path / f"{number}.png"
        cv2.imwrite(str(path), image)
        photos.append(Photo(path.name, path, 80, 60, "made", *empty()))

    class Counting:
        whole_picture = False

        def detect(self, images: Sequence[NDArray[np.uint8]], side: int | None = None) -> list[Detections]:
            assert side == 320
            rows = [int((image[:, 0, 0] == 255).sum()) for image in images]
            return [detections([[0, 0, 40, 40]], [row / 100]) for row in rows]

    measured = evaluate_detector(Counting(), photos, 320, threshold=0.205, draws=0)
    assert measured.clean == 0.5
    assert measured.alarms == 0.5


def empty() -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]:
    none = np.zeros(0, bool)
    return np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32), none, none


def test_a_part_of_a_curve_is_the_curve_of_that_part() -> None:
    photos, found = random_set(np.random.default_rng(3))
    chosen = np.arange(12) % 3 == 1
    part = curve(photos, found, 16).of(chosen)
    alone = curve(photos[1::3], found[1::3], 16)
    assert len(part.scores) > 5
    for name in ("scores", "hits", "photo", "faces"):
        np.testing.assert_array_equal(getattr(part, name), getattr(alone, name))


def test_detectors_are_compared_on_the_same_photos_and_by_source() -> None:
    rng = np.random.default_rng(4)
    photos, worse = random_set(rng)
    photos = [replace(one, source="odd" if number % 2 else "even") for number, one in enumerate(photos)]
    perfect = [detections(one.xyxy.tolist(), [0.9] * len(one.xyxy)) for one in photos]
    rows = {(row.source, row.min_height): row for row in compare_detectors(photos, worse, perfect, draws=200)}
    assert set(rows) == {(source, height) for source in (None, "even", "odd") for height in (16.0, 32.0)}
    for source in (None, "even", "odd"):
        at = [i for i, one in enumerate(photos) if source in (None, one.source)]
        own = plain_average_precision([photos[i] for i in at], [worse[i] for i in at])
        row = rows[source, 16.0]
        assert row.difference.value == pytest.approx(1 - own, abs=1e-9)
        assert 0 < row.difference.low <= row.difference.value <= row.difference.high
        assert (row.photos, row.faces) == (len(at), sum(len(photos[i].xyxy) for i in at))


def test_a_detector_against_itself_differs_by_nothing() -> None:
    """The photos are resampled in pairs: two separate draws would spread around zero."""
    photos, found = random_set(np.random.default_rng(5))
    for row in compare_detectors(photos, found, found, draws=200):
        assert row.difference.to_dict() == {"value": 0.0, "low": 0.0, "high": 0.0}
