from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien.curation.table import Table
from mien.errors import RecipeError
from mien.training import ablation, ablation_report
from mien.training.ablation import Plan
from mien.training.job import Inputs

ROOT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*LeafSpec.*:FutureWarning",
    "ignore:.*Checkpoint directory.*exists and is not empty",
    "ignore:The number of training batches.*is smaller than the logging interval",
    "ignore:.*does not have many workers",
)


@pytest.fixture
def plan(plain: dict[str, Any]) -> Plan:
    plain["run"] |= {"epochs": 1}
    return Plan(
        title="Two of them",
        note="Made data.",
        base=plain,
        variants={"no augmentation": ("augment={}",), "Votes only": ('heads={e={labels="ferplus8", target="votes"}}',)},
    )


def last(plan: Plan, table: Table, out: Path, seeds: int) -> dict[str, Any]:
    *_, record = ablation.ablate(plan, Inputs(table.path), out, seeds, progress=False)
    return record


@pytest.mark.parametrize("path", sorted((ROOT / "recipes/ablation").glob("*.toml")), ids=lambda p: p.stem)
def test_every_variant_of_every_published_plan_is_a_recipe_of_its_own(path: Path) -> None:
    made = ablation.recipes(ablation.read(path), 2)
    assert len({recipe.model_dump_json() for recipe in made.values()}) == len(made)


def test_variants_share_seeds_and_differ_in_their_overrides_alone(plan: Plan) -> None:
    made = ablation.recipes(plan, 2, ["optim.lr=0.5"])
    assert list(made) == [(name, seed) for seed in (3, 4) for name in ("base", "no augmentation", "Votes only")]
    assert {recipe.optim.lr for recipe in made.values()} == {0.5}
    base, other = (made[name, 4].model_dump() for name in ("base", "no augmentation"))
    assert {key for key in base if base[key] != other[key]} == {"augment"}


def test_done_runs_are_kept_and_new_variants_and_seeds_are_added(plan: Plan, table: Table, tmp_path: Path) -> None:
    found = last(plan, table, tmp_path, 1)
    assert [run["variant"] for run in found["runs"]] == ["base", "no augmentation", "Votes only"]
    assert all(run["seconds"] > 0 and run["parameters"] > 1000 for run in found["runs"])
    kept = tmp_path / "no-augmentation" / "seed-3" / "best.ckpt"
    before = kept.stat().st_mtime_ns
    more = plan.model_copy(update={"variants": {**plan.variants, "AdamW": ("optim.name=adamw", "optim.lr=1e-3")}})
    again = last(more, table, tmp_path, 2)
    assert again["runs"][:3] == found["runs"]
    assert len(again["runs"]) == 8
    assert kept.stat().st_mtime_ns == before

    rows = ablation_report.compare(again)
    assert [row.variant for row in rows] == ["base", "no augmentation", "Votes only", "AdamW"]
    assert not set(rows[2].changes), "the head that is left has another name than the base's"
    text = ablation_report.markdown(again)
    assert "| AdamW |" in text
    assert "`augment={}`" in text

    with pytest.raises(RecipeError, match="another recipe or on other data"):
        last(plan.model_copy(update={"variants": {"no augmentation": ("augment={flip=1.0}",)}}), table, tmp_path, 1)


def made(values: dict[str, list[float]]) -> dict[str, Any]:
    """A record of runs with one figure."""
    runs = [
        {"variant": name, "seed": seed, "metrics": {"e_accuracy": value, "loss": 1.0}, "parameters": 9, "seconds": 2.0}
        for name, column in values.items()
        for seed, value in enumerate(column)
    ]
    for run in runs:
        run["seconds"] += (run["variant"] == "slow") * 1.0 + run["seed"]
    variants = {name: ["optim.lr=1"] for name in values if name != "base"}
    data = {"name": "made", "digest": "", "limit": None}
    return {"title": "t", "note": "n", "data": data, "epochs": 3, "cost": "wall", "variants": variants, "runs": runs}


def test_changes_are_those_of_runs_with_the_same_seed() -> None:
    rng = np.random.default_rng(1)
    base, slow, other = (rng.random(3) for _ in range(3))
    record = made({"base": base.tolist(), "slow": slow.tolist(), "other": other.tolist()})
    rows = {row.variant: row for row in ablation_report.compare(record)}
    found = rows["slow"].changes["e_accuracy"]
    assert found.mean == pytest.approx(np.mean(slow - base))
    assert found.sd == pytest.approx(np.std(slow - base, ddof=1))
    assert rows["slow"].cost == pytest.approx(1.5)
    pooled = np.sqrt((np.var(slow - base, ddof=1) + np.var(other - base, ddof=1)) / 2)
    assert ablation_report.noise(list(rows.values()), "e_accuracy") == pytest.approx(pooled)


def test_one_seed_gives_a_change_without_a_spread_and_says_nothing_about_noise() -> None:
    text = ablation_report.markdown(made({"base": [0.5], "x": [0.52]}))
    assert "| x | +2.0 | 9 |" in text
    assert "standard errors" not in text
    assert "1 seed a variant" in text
    assert ablation_report.picture(made({"base": [0.5], "x": [0.52]})).startswith("<svg")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "recipe key 'title' is missing"),
        ("task = 'expression'", r"is a recipe; an ablation has the recipe under"),
        ("title = ", "is not TOML"),
        ("title = 't'\nbasis = 1\n[base]\n[variants]\na = []", r"no recipe key 'basis'\. Did you mean 'base'"),
    ],
)
def test_files_that_are_no_plan_are_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match=said):
        ablation.read(path)
    with pytest.raises(RecipeError, match="cannot read"):
        ablation.read(tmp_path / "none.toml")


def test_a_variant_that_is_no_recipe_is_named(plan: Plan, tmp_path: Path) -> None:
    wrong = plan.model_copy(update={"variants": {"typo": ("optim.lrr=1",)}})
    with pytest.raises(RecipeError, match=r"variant 'typo': no recipe key 'optim\.lrr'"):
        ablation.recipes(wrong, 1)
    for names in ({"A b": (), "a-b": ()}, {"base": ()}):
        with pytest.raises(RecipeError, match="variants need names"):
            ablation.recipes(plan.model_copy(update={"variants": names}), 1)
    with pytest.raises(RecipeError, match="needs a table"):
        next(ablation.ablate(plan, Inputs(), tmp_path))


@pytest.mark.parametrize("name", ["ablation", "backbones"])
def test_the_published_page_follows_from_the_published_record(name: str) -> None:
    folder = ROOT / "docs/results"
    record = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    assert (folder / f"{name}.md").read_text(encoding="utf-8") == ablation_report.markdown(record, f"{name}.svg")
    assert (folder / f"{name}.svg").read_text(encoding="utf-8") == ablation_report.picture(record)
