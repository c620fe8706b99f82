"""Heads whose outputs stand by themselves are scored through the path that users get, against scikit-learn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import pearsonr
from sklearn import metrics as reference
from tests.fixtures.models import tiny_expression, tiny_outputs
from tests.fixtures.tables import spots

from mien import labels, manifest
from mien.curation.table import Table
from mien.errors import DataError, UnknownNameError
from mien.evaluation import multilabel, outputs, protocols, report_outputs, scoring
from mien.evaluation.outputs import OutputEvaluation
from mien.evaluation.scoring import Answered, Source
from mien.imaging import image as imaging
from mien.recognition.expression import ExpressionModel


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    return spots(tmp_path_factory.mktemp("spots"), train=14, val=112)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_outputs(tmp_path_factory.mktemp("models") / "outputs")


@pytest.fixture(scope="module")
def answered(table: Table, model: Path) -> Answered:
    return scoring.answer(ExpressionModel(model), source(table))


def source(table: Table) -> Source:
    columns = table.read(split="val").to_pydict(maps_as_pydicts="strict")
    return Source(columns, table.root, "made", "0" * 64, "val")


def by_hand(table: Table, model: Path, head: str) -> NDArray[np.float32]:
    names = table.read(split="val").to_pydict()["image"]
    return ExpressionModel(model).predict(np.stack([imaging.read(table.root / name) for name in names]))[head].values


def test_action_units_agree_with_scikit_learn(answered: Answered, table: Table, model: Path) -> None:
    found = outputs.evaluate(answered, "present", "units", draws=50)
    said = by_hand(table, model, "units").astype(np.float64)
    truth = np.array([row["rafau18"] for row in answered.source.columns["other_votes"]]) > 0
    assert found.figures["map"].value == pytest.approx(reference.average_precision_score(truth, said), abs=1e-9)
    assert found.figures["macro_auc"].value == pytest.approx(reference.roc_auc_score(truth, said), abs=1e-9)
    assert found.outputs.tuned == "halves"
    assert found.outputs.thresholds is not None
    answers = said >= found.outputs.thresholds
    assert found.figures["f1_macro"].value == pytest.approx(reference.f1_score(truth, answers, average="macro"))
    assert found.figures["f1_micro"].value == pytest.approx(reference.f1_score(truth, answers, average="micro"))
    assert found.figures["hamming"].value == pytest.approx(reference.hamming_loss(truth, answers))
    always = reference.f1_score(truth, np.ones_like(truth), average="macro")
    assert found.figures["f1_macro_prevalence"].value == pytest.approx(always)
    assert [f.value for f in found.per_output["prevalence"]] == pytest.approx(truth.mean(axis=0).tolist())
    figure = found.figures["map"]
    assert figure.low < figure.value < figure.high


def test_thresholds_of_the_model_are_used_where_it_has_them(table: Table, model: Path, tmp_path: Path) -> None:
    folder = tiny_outputs(tmp_path / "own")
    made = manifest.read(folder)
    units = made.head("units").model_copy(update={"thresholds": {"AU1": 0.9, "AU12": 0.1}})
    manifest.write(made.model_copy(update={"heads": (units, made.head("affect"))}), folder)
    found = outputs.evaluate(scoring.answer(ExpressionModel(folder), source(table)), "present", "units", draws=20)
    record = found.to_dict()
    assert record["tuned"] == "model"
    assert record["thresholds"]["AU1"] == pytest.approx(0.9)
    assert record["thresholds"]["AU4"] == 0.5


def test_thresholds_of_halves_are_not_fitted_on_the_rows_that_they_judge(answered: Answered) -> None:
    found = outputs.evaluate(answered, "present", "units", draws=0).outputs
    assert found.thresholds is not None
    flattering = multilabel.tune(found.truth > 0.5, found.values)
    once = np.ones((1, len(found)))
    best = multilabel.metrics(found.truth > 0.5, found.values, flattering, once)["f1_macro"][0]
    honest = multilabel.metrics(found.truth > 0.5, found.values, found.thresholds, once)["f1_macro"][0]
    assert honest < best
    assert len(np.unique(found.thresholds, axis=0)) == 2


def test_valence_and_arousal_agree_with_scipy(answered: Answered, table: Table, model: Path) -> None:
    found = outputs.evaluate(answered, "affect", "affect", draws=50)
    said = by_hand(table, model, "affect").astype(np.float64)
    columns = answered.source.columns
    for i, name in enumerate(("valence", "arousal")):
        truth = np.array(columns[name], np.float64)
        each = {key: figures[i].value for key, figures in found.per_output.items()}
        assert each["pcc"] == pytest.approx(pearsonr(truth, said[:, i])[0], abs=1e-9)
        assert each["rmse"] == pytest.approx(np.sqrt(reference.mean_squared_error(truth, said[:, i])))
        assert each["mae"] == pytest.approx(reference.mean_absolute_error(truth, said[:, i]))
        assert each["rmse_of_mean"] == pytest.approx(truth.std())
        moments = truth.var() + said[:, i].var() + (truth.mean() - said[:, i].mean()) ** 2
        assert each["ccc"] == pytest.approx(2 * np.cov(truth, said[:, i], ddof=0)[0, 1] / moments)
    assert found.figures["ccc"].value == pytest.approx(np.mean([f.value for f in found.per_output["ccc"]]))


def test_strengths_are_scored_as_values(table: Table, answered: Answered) -> None:
    truth = protocols.OUTPUTS["strength"].truth(answered.source.columns, labels.get("rafau18"))
    assert truth.shape == (112, 18)
    assert set(np.unique(truth)) == {0.0, 1.0}


def test_a_protocol_is_chosen_by_the_kind_of_the_head(table: Table, model: Path, tmp_path: Path) -> None:
    columns, made = source(table).columns, manifest.read(model)
    assert protocols.choose(None, made, columns) == ("present", "units")
    assert protocols.choose(None, made, columns, "affect") == ("affect", "affect")
    assert protocols.choose("affect", made, columns) == ("affect", "affect")
    one = manifest.read(tiny_expression(tmp_path / "one"))
    assert protocols.choose(None, one, columns) == ("ferplus-majority", None)
    assert protocols.choose(None, one, dict(columns) | {"votes_set": [None]}) == ("hard", None)
    with pytest.raises(DataError, match="judges heads of the kind 'multi'; 'one' has expression"):
        protocols.choose("present", one, columns)
    with pytest.raises(UnknownNameError, match="present"):
        protocols.choose("presnt", one, columns)
    with pytest.raises(UnknownNameError, match="affect, units"):
        protocols.choose(None, made, columns, "expression")


def test_votes_over_any_set_give_labels_and_distributions(table: Table) -> None:
    columns: dict[str, Any] = {
        "votes_set": ["ekman7", "ekman7", "ekman7", None],
        "votes": [[3, 1, 0, 0, 0, 0, 0], [2, 2, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0], None],
        "other_votes": [None] * 4,
    }
    got = protocols.get("votes").targets(columns)
    assert got.target.tolist() == [0, -1, -1, -1]
    assert got.distribution is not None
    assert got.distribution[0].tolist() == [0.75, 0.25, 0, 0, 0, 0, 0]
    mixed = columns | {"votes_set": ["ekman7", "raf7", "ekman7", None]}
    with pytest.raises(DataError, match="one label set; this table has ekman7, raf7"):
        protocols.get("votes").targets(mixed)
    several: dict[str, Any] = {"votes_set": ["social8"], "votes": [[1.0] * 8], "other_votes": [None]}
    with pytest.raises(DataError, match="use the protocol 'present'"):
        protocols.get("votes").targets(several)


def test_votes_of_another_length_are_refused(table: Table, answered: Answered) -> None:
    columns = dict(source(table).columns)
    columns["other_votes"] = [{"rafau18": [1.0]}, *columns["other_votes"][1:]]
    with pytest.raises(DataError, match="row 0: 1 votes for the 18 labels"):
        protocols.OUTPUTS["present"].truth(columns, labels.get("rafau18"))


def test_a_table_without_what_is_judged_is_refused(table: Table, model: Path) -> None:
    bare = dict(source(table).columns) | {"valence": [None] * 112}
    with pytest.raises(DataError, match="no row of the table has valence and arousal"):
        protocols.OUTPUTS["affect"].truth(bare, labels.get("affect2"))
    with pytest.raises(DataError, match="no row of the table has votes or strengths over 'social8'"):
        protocols.OUTPUTS["present"].truth(bare, labels.get("social8"))


def test_a_label_that_always_holds_has_no_area_and_no_figure_breaks(table: Table, model: Path) -> None:
    rows = source(table)
    columns = dict(rows.columns)
    columns["other_votes"] = [{"rafau18": [1.0] * 9 + [0.0] * 9} for _ in columns["other_votes"]]
    changed = Source(columns, rows.root, "made", "0", "val")
    found = outputs.evaluate(scoring.answer(ExpressionModel(model), changed), "present", "units", draws=20)
    record = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert record["metrics"]["macro_auc"]["value"] is None
    assert record["per_output"]["AU26"]["ap"]["value"] is None
    assert record["per_output"]["AU1"]["f1_prevalence"]["value"] == 1.0


def test_a_model_differs_from_itself_by_nothing_and_from_another_by_something(
    answered: Answered, table: Table, tmp_path: Path
) -> None:
    one = outputs.evaluate(answered, "affect", "affect", draws=0)
    other = tiny_outputs(tmp_path / "other", seed=3)
    two = outputs.evaluate(scoring.answer(ExpressionModel(other), source(table)), "affect", "affect", draws=0)
    same = outputs.compare(one, one, draws=50)
    assert all(figure.value == figure.low == figure.high == 0 for figure in same.values())
    apart = outputs.compare(one, two, draws=50)["ccc"]
    assert apart.value == pytest.approx(two.figures["ccc"].value - one.figures["ccc"].value)
    assert apart.low < apart.high
    units = outputs.evaluate(answered, "present", "units", draws=0)
    with pytest.raises(DataError, match="same rows"):
        outputs.compare(one, units)


@pytest.mark.parametrize(("protocol", "head"), [("present", "units"), ("affect", "affect")])
def test_the_report_shows_every_output_and_the_hardest_pictures(protocol: str, head: str, answered: Answered) -> None:
    found: OutputEvaluation = outputs.evaluate(answered, protocol, head, draws=20)
    page = report_outputs.render(found, found.to_dict() | {"leakage": {"rows": 0}})
    for label in found.outputs.labels:
        assert f">{label}<" in page
    assert page.count("data:image/png;base64,") == 24
    bare = report_outputs.render(found, found.to_dict() | {"leakage": {"rows": 0}}, pictures=False)
    assert "data:image" not in bare
    worst = int(np.argmax(found.outputs.error))
    assert found.source.columns["image"][found.rows[worst]].rsplit("/", 1)[-1] in page


def test_figures_become_metrics_of_the_manifest(answered: Answered) -> None:
    found = outputs.evaluate(answered, "affect", "affect", draws=20)
    got = {m.name: m for m in found.metrics()}
    assert set(got) == {"ccc", "pcc", "rmse", "mae"}
    assert got["ccc"].head == "affect"
    assert got["ccc"].protocol == "affect"
    assert got["ccc"].n == 112
