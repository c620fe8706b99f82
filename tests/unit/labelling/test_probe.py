"""The quick learner of a loop: it learns what edges show, rules nothing out, and says what it cannot learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from mien import labels
from mien.curation.descriptor import describe
from mien.curation.table import Table, write_table
from mien.errors import DataError
from mien.imaging import image
from mien.labelling.learners.probe import PENALTY, Probe

EKMAN = labels.get("ekman7")


def stripes(rng: np.random.Generator, *, upright: bool) -> np.ndarray:
    """A noisy picture of stripes."""
    wave = (np.arange(48) // int(rng.integers(3, 6)) % 2 * 120).astype(np.uint8)
    grey = np.broadcast_to(wave if upright else wave[:, None], (48, 48))
    return (grey[..., None] + rng.integers(0, 100, (48, 48, 3))).astype(np.uint8)


@pytest.fixture
def table(tmp_path: Path, rng: np.random.Generator) -> Table:
    """Sixty pictures, upright stripes happy and level ones sad; the first forty are labelled, the last twenty val."""
    rows = []
    for i in range(60):
        image.write(stripes(rng, upright=i % 2 == 0), tmp_path / f"images/{i}.png")
        label = "happy" if i % 2 == 0 else "sad"
        rows.append(
            {
                "image": f"images/{i}.png", "source": "made", "split": "val" if i >= 40 else "train",
                "label": label, "label_set": "ekman7",
            }
        )  # fmt: skip
    return write_table(tmp_path / "table.parquet", rows)


def learn(probe: Probe, table: Table) -> tuple[np.ndarray, np.ndarray]:
    paths = [table.root / f"images/{i}.png" for i in range(60)]
    return probe.learn(table.path, table.root, 0, pool=paths[:40], val=paths[40:])


def test_it_reads_pictures_that_it_has_not_seen(table: Table) -> None:
    pool, val = learn(Probe(EKMAN), table)
    assert pool.shape == (40, 7)
    assert val.shape == (20, 7)
    np.testing.assert_allclose(val.sum(axis=1), 1.0, rtol=1e-5)
    said = [EKMAN.labels[i] for i in val.argmax(axis=1)]
    assert said == ["happy", "sad"] * 10
    assert (val > 0).all(), "a label that nobody has given yet is not ruled out"


def test_its_answers_are_those_of_a_regression_on_all_axes(table: Table) -> None:
    # With fewer pictures than axes, projecting loses nothing, so the regression on descriptions alone must agree.
    _, val = learn(Probe(EKMAN), table)
    raw = np.stack([describe(image.read(table.root / f"images/{i}.png")) for i in range(60)]).astype(np.float64)
    centred = raw - raw[:40].mean(axis=0)
    spread = np.linalg.svd(centred[:40], full_matrices=False)[1] / np.sqrt(40)
    scaled = centred / spread.mean()
    model = LogisticRegression(C=PENALTY, tol=1e-6, max_iter=1000).fit(scaled[:40], [i % 2 for i in range(40)])
    expected = model.predict_proba(scaled[40:])
    np.testing.assert_allclose(val[:, [EKMAN.index("happy"), EKMAN.index("sad")]], expected, atol=2e-3)


def test_labels_of_val_are_never_learned(table: Table, tmp_path: Path) -> None:
    before = learn(Probe(EKMAN), table)[1]
    rows = [dict(row) for row in table.rows()]
    for row in rows[40:]:
        row["label"] = "angry"
    np.testing.assert_array_equal(learn(Probe(EKMAN), write_table(tmp_path / "other.parquet", rows))[1], before)


def test_faces_of_one_label_teach_nothing(table: Table, tmp_path: Path) -> None:
    rows = [{**row, "label": "happy"} for row in table.rows()]
    with pytest.raises(DataError, match="fewer than two labels; give a larger --start"):
        learn(Probe(EKMAN), write_table(tmp_path / "same.parquet", rows))


def test_sets_of_several_labels_a_face_need_a_recipe() -> None:
    several = next(s for name in labels.names() if (s := labels.get(name)).multi)
    with pytest.raises(DataError, match="give a recipe"):
        Probe(several)
