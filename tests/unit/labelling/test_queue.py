"""Choosing what to ask about: strategies against independent formulas, shares, speed, and never val or test."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cleanlab.rank import get_label_quality_scores
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.stats import entropy as scipy_entropy

from mien import labels
from mien.curation.table import Table, write_table
from mien.errors import DataError, UnknownNameError
from mien.imaging import image
from mien.labelling import acquisition, queue
from mien.labelling.items import item_of
from mien.labelling.scoring import Ensemble
from mien.labelling.selection import build

EKMAN = labels.get("ekman7")
Float = NDArray[np.float32]


@pytest.fixture
def members(rng: np.random.Generator) -> Float:
    return rng.dirichlet(np.ones(7), (3, 200)).astype(np.float32)


UNKNOWN = np.full(200, -1, np.int64)


def test_entropy_and_disagreement_agree_with_scipy(members: Float) -> None:
    mean = members.mean(axis=0)
    np.testing.assert_allclose(acquisition.entropy(members, UNKNOWN), scipy_entropy(mean, axis=1), rtol=1e-5)
    inner = np.mean([scipy_entropy(m, axis=1) for m in members], axis=0)
    expected = scipy_entropy(mean, axis=1) - inner
    np.testing.assert_allclose(acquisition.disagreement(members, UNKNOWN), expected, atol=1e-5)


def test_models_that_agree_have_nothing_to_disagree_about(members: Float) -> None:
    same = np.repeat(members[:1], 3, axis=0)
    np.testing.assert_allclose(acquisition.disagreement(same, UNKNOWN), 0.0, atol=1e-6)
    with pytest.raises(DataError, match="several models"):
        acquisition.disagreement(members[:1], UNKNOWN)


def test_margin_and_least_confidence_follow_the_sorted_probabilities(members: Float) -> None:
    ranked = np.sort(members.mean(axis=0), axis=1)[:, ::-1]
    np.testing.assert_allclose(acquisition.margin(members, UNKNOWN), 1 - (ranked[:, 0] - ranked[:, 1]), rtol=1e-5)
    np.testing.assert_allclose(acquisition.least_confidence(members, UNKNOWN), 1 - ranked[:, 0], rtol=1e-5)


def test_label_error_orders_as_cleanlab_does(rng: np.random.Generator) -> None:
    known = rng.integers(0, 5, 300)
    p = rng.dirichlet(np.ones(5), 300).astype(np.float32)
    p[np.arange(300), known] += 1.0
    p /= p.sum(axis=1, keepdims=True)
    theirs = get_label_quality_scores(known, p, method="normalized_margin")
    ours = acquisition.label_error(p[None], known)
    np.testing.assert_allclose(ours, 1.0 - theirs, atol=1e-5)
    with pytest.raises(DataError, match="no face of the pool has one"):
        acquisition.label_error(p[None], np.full(300, -1))


def test_coreset_takes_the_farthest_each_time(rng: np.random.Generator) -> None:
    features = rng.normal(size=(60, 4)).astype(np.float32)
    chosen = features[:2]
    picked = acquisition.coreset(features[2:], 10, chosen)
    covered = chosen
    for at in picked:
        distances = cdist(features[2:], covered).min(axis=1)
        assert distances[at] == pytest.approx(distances.max(), rel=1e-4)
        covered = np.concatenate([covered, features[2:][at : at + 1]])
    assert len(set(picked.tolist())) == 10


@pytest.mark.parametrize("by", ["entropy", "margin", "least_confidence", "disagreement", "random", "coreset"])
def test_a_queue_keeps_its_budget_names_nothing_twice_and_can_be_made_again(by: str, members: Float) -> None:
    first, values = queue.choose(by, members, 50, seed=3)
    again, _ = queue.choose(by, members, 50, seed=3)
    assert first.tolist() == again.tolist()
    assert len(set(first.tolist())) == len(values) == 50
    if by not in ("random", "coreset"):
        assert (np.diff(values) <= 1e-6).all()


def test_chance_depends_on_the_seed(members: Float) -> None:
    assert (
        queue.choose("random", members, 50, seed=1)[0].tolist()
        != queue.choose("random", members, 50, seed=2)[0].tolist()
    )


def test_strata_get_equal_shares_and_what_one_lacks_goes_to_others(members: Float) -> None:
    strata = ["rare"] * 4 + ["a"] * 96 + ["b"] * 100
    picked, _ = queue.choose("entropy", members, 60, strata=strata, seed=0)
    counts = {name: sum(strata[i] == name for i in picked) for name in set(strata)}
    assert counts == {"rare": 4, "a": 28, "b": 28}


def test_a_queue_over_100_000_scores_takes_less_than_five_seconds(rng: np.random.Generator) -> None:
    members = rng.dirichlet(np.ones(8), (1, 100_000)).astype(np.float32)
    strata = [str(i) for i in members[0].argmax(axis=1)]
    for by in ("entropy", "margin", "coreset"):
        # Processor time: other work on the machine is not ours.
        start = time.process_time()
        queue.choose(by, members, 1000, strata=None if by == "coreset" else strata)
        assert time.process_time() - start < 5.0


def test_unknown_strategies_are_named(members: Float) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'entropy'"):
        queue.choose("entropie", members, 5)


def make(folder: Path, rng: np.random.Generator) -> Table:
    rows: list[dict[str, Any]] = []
    for i in range(30):
        image.write(rng.integers(0, 256, (48, 48, 3), dtype=np.uint8), folder / f"images/{i}.png")
        split = ("train", "val", "test")[i % 3] if i < 24 else None
        rows.append({"image": f"images/{i}.png", "source": "made", "split": split})
    for i in (0, 3):
        rows[i] |= {"label": "sad", "label_set": "ekman7"}
    rows[6]["ignore"] = True
    return write_table(folder / "table.parquet", rows)


def test_val_and_test_rows_are_never_queued(tmp_path: Path, rng: np.random.Generator, tiny_expression: Path) -> None:
    table = make(tmp_path, rng)
    ensemble = Ensemble([str(tiny_expression)], EKMAN)
    found = build(table, tmp_path / "q.parquet", ensemble, by="entropy", budget=100)
    rows = list(table.rows())
    assert {rows[row["row"]]["split"] for row in found.rows} == {"train", None}
    assert {row["key"] for row in found.rows}.isdisjoint({"images/0.png", "images/3.png", "images/6.png"})
    assert len(found) == 8 - 3 + 6
    assert [item.key for item in found.items()] == [row["key"] for row in found.rows]
    again = queue.read(tmp_path / "q.parquet")
    assert again.rows == found.rows
    assert again.facts["by"] == "entropy"
    labelled = build(table, tmp_path / "e.parquet", ensemble, by="label_error", budget=9, pool="labelled")
    assert {row["key"] for row in labelled.rows} == {"images/0.png", "images/3.png"}


def test_coreset_covers_what_the_model_sees(tmp_path: Path, rng: np.random.Generator, tiny_expression: Path) -> None:
    rows: list[dict[str, Any]] = []
    flat = rng.integers(0, 256, (3, 48, 48, 3), dtype=np.uint8)
    for i in range(30):  # three pictures, ten copies of each
        image.write(flat[i % 3], tmp_path / f"images/{i}.png")
        rows.append({"image": f"images/{i}.png", "source": "made", "split": "train"})
    table = write_table(tmp_path / "table.parquet", rows)
    ensemble = Ensemble([str(tiny_expression)], EKMAN)
    seen = ensemble.features(item_of(row, tmp_path) for row in table.rows())
    assert len(seen) == 30
    np.testing.assert_allclose(seen[:3], seen[3:6], atol=1e-4)
    found = build(table, tmp_path / "q.parquet", ensemble, by="coreset", budget=3)
    assert {int(Path(row["image"]).stem) % 3 for row in found.rows} == {0, 1, 2}, "a copy covers its copies"


def test_a_table_without_rows_to_ask_about_says_so(tmp_path: Path, tiny_expression: Path) -> None:
    table = write_table(tmp_path / "table.parquet", [{"image": "a.png", "source": "x", "split": "val"}])
    with pytest.raises(DataError, match="no unlabelled rows over 'ekman7' in its train split"):
        build(table, tmp_path / "q.parquet", Ensemble([str(tiny_expression)], EKMAN), by="margin", budget=1)


def test_what_is_no_queue_is_refused(tmp_path: Path) -> None:
    table = write_table(tmp_path / "table.parquet", [{"image": "a.png", "source": "x"}])
    with pytest.raises(DataError, match="is no queue"):
        queue.read(table.path)
    with pytest.raises(DataError, match="is no queue"):
        queue.read(tmp_path / "none.parquet")
