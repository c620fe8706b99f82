from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from tests.fixtures.layouts import LAYOUTS, picture

from mien.curation import duplicates, neighbours
from mien.curation.duplicates import find, resolve
from mien.curation.importing import import_dataset
from mien.curation.split import assign
from mien.curation.table import Table, write_table
from mien.errors import DataError, UnknownNameError
from mien.imaging import image as imaging


@pytest.fixture
def copies(tmp_path: Path, photo: Path) -> Table:
    """Two splits with a picture in both, one twice with another label, one recompressed, one mirrored."""
    raw = tmp_path / "raw"
    pixels = imaging.read(photo)[40:300, 120:380]
    imaging.write(pixels, raw / "train/happy/photo.png")
    (raw / "val/happy").mkdir(parents=True)
    (raw / "val/happy/packed.jpg").write_bytes(imaging.encode(pixels, "jpg", quality=70))
    imaging.write(np.ascontiguousarray(pixels[:, ::-1]), raw / "val/sad/mirrored.png")
    for name in ("train/happy/a.png", "val/happy/a_again.png"):
        picture(raw / name, 7)
    for name in ("train/happy/b.png", "train/sad/b_again.png"):
        picture(raw / name, 8)
    for at in range(20):
        picture(raw / f"train/sad/{at}.png", 100 + at)
    made = import_dataset("folder", raw, tmp_path / "table").table
    assert made is not None
    return made


def names(table: Table, groups: tuple[tuple[int, ...], ...]) -> set[frozenset[str]]:
    images = [row["image"].rpartition("/")[2] for row in table.rows(["image"])]
    return {frozenset(images[i] for i in group) for group in groups}


def test_exact_copies_are_those_of_equal_bytes(copies: Table) -> None:
    found = find(copies)
    assert names(copies, found.groups) == {frozenset({"a.png", "a_again.png"}), frozenset({"b.png", "b_again.png"})}
    figures = found.figures()
    assert figures["groups_within"] == {"train": 1}
    assert figures["groups_across"] == {"train + val": 1}
    assert (figures["groups_with_conflicting_labels"], figures["surplus_rows"]) == (1, 2)


def test_perceptual_copies_include_recompressed_ones(copies: Table) -> None:
    assert frozenset({"photo.png", "packed.jpg"}) in names(copies, find(copies, "perceptual").groups)


def test_neighbours_include_mirrored_ones(copies: Table) -> None:
    found = find(copies, "neighbours")
    assert frozenset({"photo.png", "packed.jpg", "mirrored.png"}) in names(copies, found.groups)
    assert len(found.groups) == 3, "pictures of other noise are no copies"


@pytest.mark.parametrize("distance", [0, 1, 4, 7])
def test_close_hashes_are_those_that_a_comparison_of_all_pairs_finds(rng: np.random.Generator, distance: int) -> None:
    base = rng.integers(0, 2**63, 60, dtype=np.uint64)
    flips = np.array(
        [sum(1 << int(b) for b in rng.choice(64, int(rng.integers(0, 9)), replace=False)) for _ in base], np.uint64
    )
    hashes = np.concatenate([base, base ^ flips])
    every = {
        (i, j) for i in range(120) for j in range(i + 1, 120) if int(hashes[i] ^ hashes[j]).bit_count() <= distance
    }
    found = {(min(a, b), max(a, b)) for a, b in duplicates._close(hashes, distance)}
    joined, expected = (duplicates._components(120, sorted(pairs)) for pairs in (found, every))
    assert joined == expected
    assert found <= every


def test_grouping_keeps_copies_in_one_split(copies: Table, tmp_path: Path) -> None:
    grouped = resolve(copies, find(copies, "perceptual"), copies.root / "grouped.parquet", action="group")
    got = assign(grouped, {"train": 0.6, "val": 0.4}, ties=("group",))
    where = dict(zip((row["image"].rpartition("/")[2] for row in grouped.rows()), got.splits, strict=True))
    assert where["photo.png"] == where["packed.jpg"]
    assert where["a.png"] == where["a_again.png"]


def test_dropping_keeps_the_row_that_measures(copies: Table) -> None:
    kept = resolve(copies, find(copies), copies.root / "d.parquet", action="drop")
    left = {row["image"].rpartition("/")[2] for row in kept.rows()}
    assert "a_again.png" in left
    assert "a.png" not in left
    assert {"b.png", "b_again.png"} & left == {"b.png"}
    without = resolve(copies, find(copies), copies.root / "e.parquet", action="drop", drop_conflicts=True)
    assert len(without) == len(kept) - 1


def test_faces_of_one_photo_are_no_copies_of_each_other(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    source, _ = LAYOUTS["wider"](tmp_path / "raw")
    table = import_dataset("wider", source, tmp_path / "table").table
    assert table is not None
    assert find(table, "neighbours").groups == ()


def test_copies_of_the_shared_data_are_the_equal_rows_of_its_csv(shared: Path, tmp_path: Path) -> None:
    import lzma
    from collections import defaultdict
    from itertools import islice

    with lzma.open(shared / "data/fer2013/fer2013.csv.xz", "rt") as stream:
        lines = list(islice(stream, 2501))
    (tmp_path / "part.csv").write_text("".join(lines))
    rows = defaultdict(list)
    for at, line in enumerate(lines[1:]):
        rows[line.split(",")[1].strip().strip('"')].append(at)
    expected = sorted(tuple(found) for found in rows.values() if len(found) > 1)
    table = import_dataset("fer2013", tmp_path / "part.csv", tmp_path / "table").table
    assert table is not None
    assert sorted(find(table).groups) == expected
    assert expected


def test_what_makes_no_sense_is_refused(copies: Table, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="exact"):
        find(copies, "exakt")
    with pytest.raises(DataError, match="outside 0 to 7"):
        find(copies, "perceptual", distance=8)
    with pytest.raises(UnknownNameError, match="no model named 'nosuch'"):
        find(copies, "embedding", model="nosuch")
    with pytest.raises(UnknownNameError, match="group"):
        resolve(copies, find(copies), tmp_path / "x.parquet", action="delete")
    bare = write_table(tmp_path / "n.parquet", [{"image": "a.png", "source": "made"}])
    with pytest.raises(DataError, match="has no sha256"):
        find(bare)


def test_thumbnails_do_not_mind_light_and_an_even_picture_is_like_nothing(photo: Path) -> None:
    thumbnail = neighbours.thumbnail
    pixels = imaging.read(photo)
    darker = np.asarray(cv2.convertScaleAbs(pixels, alpha=0.5, beta=20), np.uint8)
    assert float(thumbnail(pixels) @ thumbnail(darker)) > 0.99
    assert not thumbnail(np.full((20, 20, 3), 90, np.uint8)).any()


def test_the_bound_loses_no_neighbour_against_comparing_every_pair(rng: np.random.Generator) -> None:
    side, count = neighbours.SIDE, neighbours.CHUNK + 300  # two blocks
    made = rng.normal(size=(count, side, side)).astype(np.float32)
    made[100:200] = made[:100] + 0.15 * made[200:300]
    made[600:700] = made[:100, :, ::-1] + 0.175 * made[300:400]
    vectors = made.reshape(count, -1) - made.reshape(count, -1).mean(axis=1, keepdims=True)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    mirrored = vectors.reshape(count, side, side)[:, :, ::-1].reshape(count, -1)
    near = np.maximum(vectors @ vectors.T, vectors @ mirrored.T) >= 0.985
    graph = csr_matrix(near)
    expected = connected_components(graph, directed=False)[1]
    links = neighbours.links(vectors, 0.985)
    got = np.arange(count)
    for first, other in links:
        assert first < other
        got[other] = first
    pairs = set(zip(expected.tolist(), got.tolist(), strict=True))
    assert len(pairs) == len(set(expected)) == len(set(got)) == count - len(links)
    assert 100 < len(links) < 200, "some of the pairs made lie below the limit"
