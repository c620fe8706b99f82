"""The fitted chance keeps its word on made answers whose chance is known, and limits stand where they should."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit
from tests.fixtures.models import tiny_expression as make_model
from tests.fixtures.patterns import tiny_faces

from mien import detection, manifest
from mien.datasets.faces import Photo
from mien.errors import DataError
from mien.evaluation import quality, quality_sample, quality_study, report_quality, scoring, selective
from mien.evaluation.quality_sample import Sample
from mien.evaluation.scoring import Evaluation, Source
from mien.imaging import image as imaging
from mien.manifest import Gate
from mien.recognition import quality as measured
from mien.recognition.expression import ExpressionModel


def made(rng: np.random.Generator, n: int = 6000) -> tuple[Sample, NDArray[np.float64]]:
    """Make answers that are right with a known chance: it falls with blur and doubt, and 'fear' is hard."""
    signals = {name: rng.normal(0, 1, n).astype(np.float32) for name in measured.SIGNALS}
    signals["sharpness"] = rng.uniform(0, 0.5, n).astype(np.float32)
    signals["entropy"] = rng.uniform(0, 2, n).astype(np.float32)
    signals["size"] = rng.uniform(3, 6, n).astype(np.float32)
    fear = rng.random(n) < 0.3
    blurred = 12 * np.minimum(signals["sharpness"] - 0.2, 0.1)
    chance = expit(1.0 + blurred - signals["entropy"] + 1.0 - 1.5 * fear)
    whole = rng.random(n) < 0.5
    for name in ("size", "turn", "found"):
        signals[name][whole] = np.nan
    kinds = rng.choice(["clean", "blur", "low resolution"], n)
    sample = Sample(
        signals,
        np.where(fear, "fear", "happy").tolist(),
        rng.random(n) < chance,
        rng.random(n).astype(np.float32),
        kinds,
        whole,
        np.arange(n),
    )
    return sample, chance


def test_the_fitted_chance_is_near_the_true_one(rng: np.random.Generator) -> None:
    sample, _ = made(rng)
    other, chance = made(rng)
    model = quality.fit(sample)
    got = measured.chance(model, other.signals, other.answers)
    assert np.abs(got - chance).mean() < 0.03
    assert model.labels["fear"] < model.labels["happy"]
    curve = model.curves["sharpness"]
    assert np.interp(0.05, curve.knots, curve.values) < np.interp(0.4, curve.knots, curve.values) - 1.0


def test_what_is_not_known_adds_nothing_on_average(rng: np.random.Generator) -> None:
    sample, _ = made(rng)
    for name, curve in quality.fit(sample).curves.items():
        known = sample.signals[name][~np.isnan(sample.signals[name])]
        assert np.interp(known, curve.knots, curve.values).mean() == pytest.approx(0.0, abs=0.01)


def test_measuring_finds_the_gain_of_every_order(rng: np.random.Generator) -> None:
    sample, _ = made(rng)
    got = quality.measure(sample, Gate(), draws=50)["mixed"]
    orders = got["orders"]
    assert orders["quality"]["area"] < orders["entropy"]["area"] < orders["rule"]["area"]
    gain = orders["quality"]["gain_at_70"]
    assert gain["low"] < gain["value"] < gain["high"]
    assert gain["value"] == pytest.approx(
        orders["quality"]["risk_at"]["1.00"] - orders["quality"]["risk_at"]["0.70"], abs=1e-4
    )
    assert orders["quality"]["risk_at"]["1.00"] == pytest.approx(1 - sample.right.mean(), abs=1e-4)
    assert got["ece"] < 0.03
    assert got["abstaining"]["wrong_of_answered"] < got["abstaining"]["wrong_of_all"] - 0.05


def test_risks_without_weights_are_those_of_the_risk_coverage_curve(rng: np.random.Generator) -> None:
    doubt, right = rng.random(500), rng.random(500) < 0.7
    curve = selective.risk_coverage(doubt, right)
    got = quality._risks(doubt, (~right).astype(float), np.ones((1, 500)), (0.5, 0.7, 1.0))[0]
    assert got == pytest.approx([curve.at(0.5), curve.at(0.7), curve.at(1.0)])


def test_weights_make_what_is_no_face_a_tenth(rng: np.random.Generator) -> None:
    sample, _ = made(rng, 400)
    sample.kind[:30] = "no face"
    w = quality.weights(sample)
    assert w[:30].sum() / w.sum() == pytest.approx(0.1)


def test_limits_stand_where_answers_become_wrong_more_often_than_right(rng: np.random.Generator) -> None:
    sample, _ = made(rng)
    sharp, size = sample.signals["sharpness"], np.nan_to_num(sample.signals["size"], nan=6.0)
    right = np.where(
        rng.random(len(sample)) < 0.9, (sharp > 0.12) & (size > np.log2(14)), rng.random(len(sample)) < 0.5
    )
    made_so = Sample(sample.signals, sample.answers, right, sample.simple, sample.kind, sample.whole, sample.group)
    gate = quality.limits(made_so, quality.fit(made_so), Gate(max_entropy=1.1))
    assert gate.max_entropy == 1.1
    assert gate.min_sharpness == pytest.approx(0.12, abs=0.02)
    assert gate.min_face == pytest.approx(14, abs=1.5)
    assert gate.min_quality == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("right", [True, False])
def test_answers_of_one_kind_teach_nothing(right: bool, rng: np.random.Generator) -> None:
    sample, _ = made(rng, 300)
    sample.right[:] = right
    with pytest.raises(DataError, match="right ones and wrong ones; got 300"):
        quality.fit(sample)
    with pytest.raises(DataError, match="at least 200"):
        quality.fit(sample[np.arange(100)])


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    folder = tmp_path_factory.mktemp("quality")
    table = tiny_faces(folder / "faces", train=5, val=150)
    model = ExpressionModel(make_model(folder / "model"))
    columns = table.read(split="val").to_pydict(maps_as_pydicts="strict")
    said = model.predict(np.stack([imaging.read(table.root / name) for name in columns["image"]]))[
        "expression"
    ].class_id
    columns["votes"] = [np.eye(8)[(c + (i % 3 == 0)) % 8] * 9 for i, c in enumerate(said)]  # two of three are right
    return scoring.evaluate(model, Source(columns, table.root, "made", "0" * 64, "val"), "ferplus-majority", draws=10)


def test_every_row_is_read_clean_and_spoilt_as_a_crop_and_as_met(found: Evaluation) -> None:
    got = quality_sample.faces(found, detection.load("none"))
    assert len(got) == 150 * 3 * 2
    assert (got.kind == "clean").sum() == 300
    assert got.whole.sum() == 450
    crops = got[(got.kind == "clean") & got.whole]
    assert crops.right.tolist() == found.answers.correct[crops.group].tolist()
    assert np.isnan(crops.signals["size"]).all()
    met = got[~got.whole]
    assert set(np.round(2 ** met.signals["size"][met.kind == "clean"])) == {48}
    assert 2 ** met.signals["size"][met.kind == "low resolution"].min() < 12


def test_what_is_no_face_touches_no_face_and_is_always_wrong(
    found: Evaluation, tmp_path: Path, rng: np.random.Generator
) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), rng.integers(0, 255, (200, 300, 3), dtype=np.uint8))
    whole = np.array([[0, 0, 300, 200]], np.float32)
    none = np.zeros((0, 5, 2), np.float32)

    def photo(name: str, boxes: NDArray[np.float32]) -> Photo:
        return Photo(
            name, tmp_path / name, 300, 200, "made", boxes, none, np.zeros(len(boxes), bool), np.ones(len(boxes), bool)
        )

    model = found.answered.model
    got = quality_sample.no_faces(model, detection.load("none"), [photo("a.png", np.zeros((0, 4), np.float32))])
    assert got is not None
    assert got.kind.tolist() == ["no face", "no face"]
    assert not got.right.any()
    assert (
        quality_sample.no_faces(model, detection.load("none"), [photo("a.png", whole), photo("gone.png", whole)])
        is None
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"flip": True}, "leave --flip and --views away"),
        ({"split": "test"}, "fitted on the split 'val', not on 'test'"),
        ({"head": "expression7"}, "for the primary head 'expression'"),
    ],
)
def test_a_study_refuses_what_would_flatter(change: dict[str, object], says: str, found: Evaluation) -> None:
    source = found.source
    columns, split = source.columns, str(change.get("split", "val"))
    model = ExpressionModel(found.answered.model.session.folder, flip=bool(change.get("flip")))
    protocol = "hard" if "head" in change else "ferplus-majority"
    other = scoring.evaluate(model, Source(columns, source.root, "made", "0", split), protocol, draws=10)
    with pytest.raises(DataError, match=says):
        quality_study.study(other)


def test_a_study_is_plain_json_and_a_section_of_the_report(found: Evaluation) -> None:
    study = quality_study.study(found, draws=20)
    record = study.to_dict()
    assert set(record["populations"]) == {"clean", "mixed"}
    assert manifest.Chance.model_validate(record["chance"]) == study.chance
    page = report_quality.section(record)
    assert page.count("<svg") == 2
    assert "min_quality" in page
