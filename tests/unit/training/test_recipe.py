from __future__ import annotations

from pathlib import Path

import pytest

from mien.errors import RecipeError, UnknownNameError
from mien.training import recipe as recipes

ROOT = Path(__file__).resolve().parents[3]
RECIPES = sorted([*(ROOT / "recipes").glob("*.toml"), *(ROOT / "recipes" / "tried").glob("*.toml")])


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_published_recipe_is_valid_and_survives_a_checkpoint(path: Path) -> None:
    found = recipes.load(path)
    assert recipes.parse(found.model_dump(mode="json")) == found


def test_overrides_are_read_as_toml_and_as_text(recipe_file: Path) -> None:
    found = recipes.load(
        recipe_file, ["optim.lr=3e-4", "optim.name=adamw", "run.epochs=3", "heads.e.options={smoothing=0.1}"]
    )
    assert (found.optim.lr, found.optim.name, found.run.epochs) == (3e-4, "adamw", 3)
    assert found.model_dump()["heads"]["e"]["options"] == {"smoothing": 0.1}


def test_an_empty_override_takes_out_what_may_be_missing(recipe_file: Path) -> None:
    assert recipes.load(recipe_file, ["model.start=best.ckpt"]).model_dump()["model"]["start"] == Path("best.ckpt")
    assert recipes.load(recipe_file, ["model.start=best.ckpt", "model.start="]).model_dump()["model"]["start"] is None


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("optim.lr=", r"recipe key 'optim.lr': input should be a valid number"),
        ("optim.lrr=1", r"no recipe key 'optim.lrr'. Did you mean 'optim.lr'\?"),
        ("heads.e.lable='x'", r"no recipe key 'heads.e.lable'. Did you mean 'heads.e.labels'\?"),
        ("augmnt.flip=1", r"no recipe key 'augmnt'. Did you mean 'augment'\?"),
        ("optim.lr=0", "recipe key 'optim.lr': input should be greater than 0"),
        ("run.epochs='many'", "recipe key 'run.epochs'"),
        ("optim.lr.x=1", "'lr' is a value, not a section"),
        ("optim.lr", "write key=value"),
        ("sampling.balance='nobody'", "names the head 'nobody'"),
        ("heads.e.evidence='e'", "must name another head"),
        ("crops.sizes=[[0.5, 16]]", "must begin at part 0.0"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_what_was_expected(recipe_file: Path, override: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        recipes.load(recipe_file, [override])


def test_sam_and_accumulation_do_not_go_together(recipe_file: Path) -> None:
    with pytest.raises(RecipeError, match="cannot accumulate"):
        recipes.load(recipe_file, ["optim.sam=0.05", "optim.accumulate=2"])


def test_files_that_are_no_recipe_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="cannot read the recipe"):
        recipes.load(tmp_path / "none.toml")
    bad = tmp_path / "bad.toml"
    bad.write_text("task = ", encoding="utf-8")
    with pytest.raises(RecipeError, match="is not TOML"):
        recipes.load(bad)
    bad.write_text("name = 'x'", encoding="utf-8")
    with pytest.raises(RecipeError, match="needs a task, one of: detection, expression"):
        recipes.load(bad)
    bad.write_text("task = 'expresion'", encoding="utf-8")
    with pytest.raises(UnknownNameError, match="Did you mean 'expression'"):
        recipes.load(bad)


def test_a_recipe_cannot_be_changed(recipe_file: Path) -> None:
    found = recipes.load(recipe_file)
    with pytest.raises(ValueError, match="frozen"):
        found.name = "other"  # type: ignore[misc]
