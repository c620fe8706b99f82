"""Predictions in shards."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from mien.imaging import image
from mien.recognition import bulk
from mien.recognition.pipeline import Recognizer


@pytest.fixture
def pictures(tmp_path: Path, rng: np.random.Generator) -> list[bulk.Picture]:
    """Seven crops; the fourth is damaged."""
    for number in range(7):
        image.write(rng.integers(0, 256, (48, 48, 3), dtype=np.uint8), tmp_path / f"in/{number}.png")
    (tmp_path / "in/3.png").write_bytes(b"no picture")
    return [bulk.Picture(f"{n}.png", str(tmp_path / f"in/{n}.png")) for n in range(7)]


@pytest.fixture
def reading(tiny_expression: Path) -> bulk.Reading:
    return bulk.Reading(detector="none", model=str(tiny_expression))


def test_shards_say_what_the_recognizer_says(
    pictures: list[bulk.Picture], reading: bulk.Reading, tmp_path: Path
) -> None:
    shards = list(bulk.into_shards(pictures, reading, tmp_path / "out", size=3))
    assert [(s.pictures, s.faces, len(s.failed)) for s in shards] == [(3, 3, 0), (3, 2, 1), (1, 1, 0)]
    rows = [row for s in shards for row in pq.read_table(tmp_path / "out" / s.file).to_pylist()]
    assert [row["image"] for row in rows] == [picture.name for picture in pictures]
    recognizer = Recognizer(detector="none", model=reading.model)
    for row, picture in zip(rows, pictures, strict=True):
        if row["error"] is None:
            [expected] = recognizer(picture.path).to_table()
            for name, value in expected.items():
                if name != "image":
                    assert row[name] == (pytest.approx(value, rel=1e-6) if isinstance(value, float) else value)


def test_what_cannot_be_read_is_in_quarantine_with_the_reason(
    pictures: list[bulk.Picture], reading: bulk.Reading, tmp_path: Path
) -> None:
    list(bulk.into_shards(pictures, reading, tmp_path / "out", size=3))
    [line] = (tmp_path / "out" / bulk.QUARANTINE).read_text().splitlines()
    assert json.loads(line) == {"image": "3.png", "error": "not a picture: the format is not known"}
    list(bulk.into_shards(pictures[:3], reading, tmp_path / "out", size=3))
    assert not (tmp_path / "out" / bulk.QUARANTINE).exists()


def test_a_broken_off_run_goes_on_and_ends_the_same(
    pictures: list[bulk.Picture], reading: bulk.Reading, tmp_path: Path
) -> None:
    whole = list(bulk.into_shards(pictures, reading, tmp_path / "whole", size=2))
    broken = bulk.into_shards(pictures, reading, tmp_path / "broken", size=2, workers=1)
    next(broken)
    broken.close()
    first = tmp_path / "broken" / whole[0].file
    made = first.stat().st_mtime_ns
    assert not (tmp_path / "broken" / bulk.INDEX).exists()
    assert list(bulk.into_shards(pictures, reading, tmp_path / "broken", size=2)) == whole
    assert first.stat().st_mtime_ns == made
    for shard in whole:
        assert (tmp_path / "broken" / shard.file).read_bytes() == (tmp_path / "whole" / shard.file).read_bytes()


def test_a_shard_of_other_pictures_or_options_is_made_again(
    pictures: list[bulk.Picture], reading: bulk.Reading, tmp_path: Path
) -> None:
    [before] = bulk.into_shards(pictures[:2], reading, tmp_path / "out")
    [flipped] = bulk.into_shards(pictures[:2], replace(reading, flip=True), tmp_path / "out")
    [others] = bulk.into_shards(pictures[1:3], replace(reading, flip=True), tmp_path / "out")
    assert len({before.sha256, flipped.sha256, others.sha256}) == 3


def test_limits_for_abstention_reach_the_workers(
    pictures: list[bulk.Picture], reading: bulk.Reading, tmp_path: Path
) -> None:
    strict = replace(reading, gate=(("min_confidence", 1.0),))
    [shard] = bulk.into_shards(pictures[:2], strict, tmp_path / "out")
    assert None not in pq.read_table(tmp_path / "out" / shard.file)["abstained"].to_pylist()
