"""Several models become one folder whose graph combines them as plain numpy does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import special, stats
from tests.fixtures.models import tiny_expression
from tests.fixtures.patterns import tiny_faces

from mien import manifest
from mien.curation.table import Table
from mien.errors import ModelError, UnknownNameError
from mien.evaluation import calibration
from mien.export import blending, ensemble
from mien.imaging import image as imaging
from mien.recognition.expression import ExpressionModel


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    return tiny_faces(tmp_path_factory.mktemp("ensemble") / "faces", train=0, val=60)


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    home = tmp_path_factory.mktemp("members")
    return [tiny_expression(home / f"m{seed}", seed=seed) for seed in range(3)]


@pytest.fixture(scope="module")
def crops(table: Table) -> np.ndarray:
    names = table.read(["image"], split="val").to_pydict()["image"]
    return np.stack([imaging.read(table.root / name) for name in names])


def answers(members: list[Path], crops: np.ndarray, head: str) -> np.ndarray:
    return np.stack([ExpressionModel(m).predict(crops)[head].values for m in members]).astype(np.float64)


@pytest.mark.parametrize("how", ["mean", "weighted", "vote", "stacking"])
def test_the_folder_answers_as_its_members_combined_by_numpy(
    how: str, members: list[Path], table: Table, crops: np.ndarray, tmp_path: Path
) -> None:
    made = ensemble.export(members, table, tmp_path / "out", how=how)
    manifest.verify(tmp_path / "out", made.manifest)
    got = ExpressionModel(tmp_path / "out").predict(crops)
    for head in made.manifest.heads:
        single = answers(members, crops, head.name)
        if how == "vote":
            best = stats.mode(single.argmax(axis=2), axis=0)
            clear = best.count >= 2
            np.testing.assert_array_equal(got[head.name].class_id[clear], best.mode[clear])
            np.testing.assert_array_equal(got[head.name].class_id[~clear], single.mean(axis=0).argmax(axis=1)[~clear])
            continue
        weights = np.array(made.manifest.recipe["weights"][head.name])
        if how == "stacking":
            logits = (
                np.concatenate(list(np.log(np.maximum(single, 1e-7))), axis=1) @ weights
                + made.manifest.recipe["bias"][head.name]
            )
            expected = special.softmax(logits / head.temperature, axis=1)
            np.testing.assert_allclose(got[head.name].values, expected, atol=1e-3)
            continue
        assert weights.sum() == pytest.approx(1, abs=1e-5)
        if how == "mean":
            np.testing.assert_allclose(weights, 1 / 3, atol=1e-6)
        expected = calibration.sharpen(np.average(single, axis=0, weights=weights), head.temperature)
        np.testing.assert_allclose(got[head.name].values, expected, atol=1e-4)
        assert head.conformal_90 is not None
    assert len(made.worth["expression7"]) == 4


def test_what_is_learnt_is_measured_across_halves_and_said_in_the_manifest(
    members: list[Path], table: Table, tmp_path: Path
) -> None:
    made = ensemble.export(members, table, tmp_path / "out", how="stacking", name="three").manifest
    assert any("learnt on one half" in metric.protocol for metric in made.metrics)
    assert [member["name"] for member in made.recipe["members"]] == ["m0", "m1", "m2"]
    assert "three" in (tmp_path / "out" / "card.md").read_text()


def test_members_of_other_sides_get_the_common_crop_resized(table: Table, crops: np.ndarray, tmp_path: Path) -> None:
    large, small = tiny_expression(tmp_path / "l", seed=1), tiny_expression(tmp_path / "s", seed=2, size=24)
    made = ensemble.export([large, small], table, tmp_path / "out").manifest
    assert made.crop is not None
    assert made.crop.size == 48
    halved = crops.reshape(len(crops), 24, 2, 24, 2, 3).mean(axis=(2, 4))
    single = np.stack(
        [
            ExpressionModel(large).predict(crops)["expression7"].values,
            ExpressionModel(small).predict(np.rint(halved).astype(np.uint8))["expression7"].values,
        ]
    )
    expected = calibration.sharpen(single.mean(axis=0), made.head("expression7").temperature)
    # Antialiasing weights the neighbours a little otherwise than a plain mean of four.
    np.testing.assert_allclose(
        ExpressionModel(tmp_path / "out").predict(crops)["expression7"].values, expected, atol=0.02
    )


def test_weights_find_the_member_that_knows_and_stacking_undoes_a_member_that_mixes_up_labels() -> None:
    rng = np.random.default_rng(0)
    target = rng.integers(4, size=400)
    truth = np.eye(4)[target]
    good = special.softmax(3 * truth + rng.normal(0, 1, (400, 4)), axis=1)
    noise = special.softmax(rng.normal(0, 1, (400, 4)), axis=1)
    found = blending.learn("weighted", np.stack([good, noise]), truth, kind="single")
    assert found.weights[0] > 0.8

    turned = np.roll(good, 1, axis=1)
    mixed = np.stack([turned, turned])
    right = {
        how: (blending.crossed(how, mixed, truth, kind="single").argmax(axis=1) == target).mean()
        for how in ("mean", "stacking")
    }
    assert right["stacking"] > 0.8
    assert right["mean"] < 0.2


def test_weights_of_values_and_of_several_labels_are_those_of_the_smallest_error() -> None:
    rng = np.random.default_rng(1)
    truth = rng.uniform(-1, 1, (300, 2))
    first, second = truth + rng.normal(0, 0.1, truth.shape), truth + rng.normal(0, 0.2, truth.shape)
    weights = blending.learn("weighted", np.stack([first, second]), truth, kind="value").weights
    # Least squares of two independent errors: by their inverse variances.
    assert weights[0] == pytest.approx(0.8, abs=0.04)
    held = (truth > 0).astype(float)
    sure, doubtful = np.clip(held, 0.05, 0.95), np.full(held.shape, 0.5)
    assert blending.learn("weighted", np.stack([sure, doubtful]), held, kind="multi").weights[0] > 0.95


def test_members_that_do_not_fit_together_are_named(members: list[Path], table: Table, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"no way to combine named 'weigted'\. Did you mean 'weighted'"):
        ensemble.export(members, table, tmp_path / "o", how="weigted")
    with pytest.raises(ModelError, match="at least two members, got 1"):
        ensemble.export(members[:1], table, tmp_path / "o")
    other = tiny_expression(tmp_path / "other", sets=("mikels8",))
    with pytest.raises(ModelError, match="share no head of the same labels"):
        ensemble.export([members[0], other], table, tmp_path / "o")
    with pytest.raises(ModelError, match="an ensemble is made of expression models"):
        ensemble.export([members[0], Path("face")], table, tmp_path / "o")
    described = manifest.read(members[1])
    assert described.crop is not None
    framed = described.model_copy(update={"crop": described.crop.model_copy(update={"margin": 0.4})})
    strange = tiny_expression(tmp_path / "strange", seed=1)
    manifest.write(framed.model_copy(update={"name": "strange", "graphs": manifest.read(strange).graphs}), strange)
    with pytest.raises(ModelError, match="members must be framed alike"):
        ensemble.export([members[0], strange], table, tmp_path / "o")
    assert not (tmp_path / "o" / "model.json").exists()
