from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from mien.curation.table import Table
from mien.errors import DataError, RecipeError
from mien.training import checkpoint, recipe, run
from mien.training.job import Inputs
from mien.training.recipe import Recipe, parse

# What Lightning says about itself and about runs of two steps is none of a test's business.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*LeafSpec.*:FutureWarning",
    "ignore:.*Checkpoint directory.*exists and is not empty",
    "ignore:The number of training batches.*is smaller than the logging interval",
    "ignore:.*does not have many workers",
)

LEARNS = ["run.epochs=25", "augment={}", "run.monitor='val/expression7_accuracy'"]


def train(plain: dict[str, Any], table: Table, out: Path, *overrides: str, resume: bool = False) -> run.Outcome:
    return run.train(parse(plain, overrides), Inputs(table.path), out, resume=resume, progress=False)


def weights(path: Path) -> dict[str, Tensor]:
    found: dict[str, Tensor] = torch.load(path, weights_only=True)["state_dict"]
    return found


def test_a_run_learns_and_its_checkpoint_holds_all_that_is_needed(
    plain: dict[str, Any], table: Table, tmp_path: Path
) -> None:
    outcome = train(plain, table, tmp_path / "run", *LEARNS)
    assert outcome.metrics["val/expression7_accuracy"] > 0.6
    found = checkpoint.load(outcome.best)
    assert found.recipe == parse(plain, LEARNS)
    assert found.labels["expression7"][0] == "angry"
    assert found.data_digest == table.digest()
    logits = found.network(torch.zeros(2, 3, 16, 16, dtype=torch.uint8))
    assert {name: tuple(value.shape) for name, value in logits.items()} == {"expression": (2, 8), "expression7": (2, 7)}


def test_a_killed_and_resumed_run_ends_with_the_weights_of_an_unbroken_one(
    plain: dict[str, Any], table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(plain, table, tmp_path / "whole", "run.epochs=3")

    class Killed(BaseException):
        pass

    from mien.training.callbacks import FiniteLoss

    original = FiniteLoss.on_train_batch_end

    def dies(self: FiniteLoss, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        original(self, trainer, module, outputs, batch, batch_idx)
        if trainer.current_epoch == 2 and batch_idx == 1:
            raise Killed

    monkeypatch.setattr(FiniteLoss, "on_train_batch_end", dies)
    with pytest.raises(Killed):
        train(plain, table, tmp_path / "broken", "run.epochs=3")
    monkeypatch.undo()
    torch.manual_seed(999)
    train(plain, table, tmp_path / "broken", "run.epochs=3", resume=True)
    whole, broken = (weights(tmp_path / name / "last.ckpt") for name in ("whole", "broken"))
    assert whole.keys() == broken.keys()
    for name, value in whole.items():
        torch.testing.assert_close(broken[name], value, rtol=0, atol=0, msg=name)


def test_the_equal_average_is_the_mean_of_the_weights_at_the_ends_of_the_epochs_that_count(
    plain: dict[str, Any], table: Table, tmp_path: Path
) -> None:
    ends: list[dict[str, Tensor]] = []

    class Ends(Callback):
        def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:
            if trainer.is_last_batch:
                ends.append({name: value.clone() for name, value in pl_module.state_dict().items()})

    settings = ["run.epochs=4", "run.swa=0.5"]
    given = parse(plain, settings)
    run.train(given, Inputs(table.path), tmp_path / "whole", progress=False, callbacks=[Ends()])
    last = weights(tmp_path / "whole" / "last.ckpt")
    for name, value in last.items():
        if value.is_floating_point():
            torch.testing.assert_close(value, (ends[2][name] + ends[3][name]) / 2, msg=name)

    train(plain, table, tmp_path / "early", *settings, "run.epochs=2", "run.swa=0.9")
    early = weights(tmp_path / "early" / "last.ckpt")
    raw = torch.load(tmp_path / "early" / "last.ckpt", weights_only=True)["current_model_state"]
    for name, value in early.items():
        torch.testing.assert_close(value, raw[name], msg=name)


def test_a_folder_with_a_run_is_not_overwritten_nor_resumed_with_another_recipe(
    plain: dict[str, Any], table: Table, tmp_path: Path
) -> None:
    train(plain, table, tmp_path, "run.epochs=1")
    with pytest.raises(RecipeError, match="already holds a run"):
        train(plain, table, tmp_path, "run.epochs=1")
    with pytest.raises(RecipeError, match="differs in: optim"):
        train(plain, table, tmp_path, "run.epochs=1", "optim.lr=0.01", resume=True)


def test_a_loss_that_is_no_number_stops_the_run_with_advice_and_keeps_the_checkpoint(
    plain: dict[str, Any], table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mien.training.module import HeadsModule

    step = HeadsModule.training_step

    def spoilt(self: HeadsModule, batch: Any, batch_idx: int) -> Tensor:
        return step(self, batch, batch_idx) * (float("nan") if self.current_epoch == 1 else 1.0)

    monkeypatch.setattr(HeadsModule, "training_step", spoilt)
    with pytest.raises(RecipeError, match=r"the loss became nan in epoch 1.*optim\.clip"):
        train(plain, table, tmp_path)
    assert all(value.isfinite().all() for value in weights(tmp_path / "last.ckpt").values())


@pytest.mark.parametrize(
    "overrides",
    [
        ["optim.sam=0.05", "optim.clip=1.0"],
        ["optim.name=adamw", "optim.lr=1e-3", "optim.layer_decay=0.7", "optim.accumulate=2"],
        ["combination='learned'", "sampling.balance='expression7'", "run.precision='bf16-mixed'"],
        ["model.freeze=1", "model.unfreeze=1", "model.checkpointing=true", "schedule.name=plateau"],
        ["augment.cutmix=1.0", "crops.sizes=[[0.0, 16], [0.5, 24]]", "run.ema=0", "run.patience=1"],
    ],
    ids=["sam", "layers", "learned", "freeze", "cutmix"],
)
def test_every_option_trains(plain: dict[str, Any], table: Table, tmp_path: Path, overrides: list[str]) -> None:
    outcome = train(plain, table, tmp_path, *overrides)
    assert all(value.isfinite().all() for value in weights(outcome.best).values())
    assert outcome.epochs >= 1


def test_all_kinds_of_heads_train_together_and_evidence_reaches_the_emotion_head(
    plain: dict[str, Any], table: Table, tmp_path: Path
) -> None:
    mixed = copy.deepcopy(plain)
    mixed["heads"] = {
        "units": {"labels": "rafau18", "target": "present", "loss": "asymmetric"},
        "expression7": {"labels": "ekman7", "loss": "focal", "evidence": "units", "options": {"weights": "effective"}},
        "intensity": {"labels": "rafau18", "target": "values"},
        "feeling": {"labels": "affect2", "target": "affect"},
    }
    outcome = train(mixed, table, tmp_path)
    assert {"val/units_f1", "val/units_map", "val/intensity_ccc", "val/feeling_ccc"} <= outcome.metrics.keys()
    network = checkpoint.load(outcome.best).network
    pictures = torch.rand(4, 1, 16, 16) * 255
    before = network(pictures)["expression7"]
    network.heads["units"].linear.bias += 5.0  # type: ignore[operator, union-attr, index]
    assert not torch.allclose(network(pictures)["expression7"], before)


def test_frozen_stages_do_not_move_until_they_are_let_go(plain: dict[str, Any], table: Table, tmp_path: Path) -> None:
    prepared = run.prepare(parse(plain), Inputs(table.path)).module.network
    first = {name: value.clone() for name, value in prepared.backbone.stem.state_dict().items()}  # type: ignore[union-attr]
    train(plain, table, tmp_path / "still", "model.freeze=1", "run.ema=0")
    train(plain, table, tmp_path / "free", "run.ema=0")
    still, free = (
        checkpoint.load(tmp_path / name / "last.ckpt").network.backbone.stem.state_dict()  # type: ignore[union-attr]
        for name in ("still", "free")
    )
    for name, value in first.items():
        torch.testing.assert_close(still[name], value, rtol=0, atol=0)
    assert not torch.equal(free["0.0.weight"], first["0.0.weight"])


def test_data_that_do_not_fit_are_named(plain: dict[str, Any], table: Table, tmp_path: Path) -> None:
    def prepare(*overrides: str) -> None:
        run.prepare(parse(plain, overrides), Inputs(table.path))

    with pytest.raises(RecipeError, match="needs a table"):
        run.prepare(parse(plain), Inputs())
    with pytest.raises(DataError, match=r"16x16, the recipe wants crops of 32x32"):
        prepare("crops.size=32")
    with pytest.raises(DataError, match="no row has label of the label set 'raf7'"):
        prepare("heads.expression7.labels=raf7")
    with pytest.raises(DataError, match="no table at"):
        run.prepare(parse(plain), Inputs(tmp_path / "nowhere"))


def test_a_class_that_training_rows_lack_is_named(plain: dict[str, Any], table: Table, tmp_path: Path) -> None:
    from mien.curation.table import write_table

    rows = [row for row in table.rows() if not (row["split"] == "train" and row["label"] in ("fear", "sad"))]
    write_table(tmp_path / "table.parquet", rows)
    (tmp_path / "images").symlink_to(table.root / "images")
    with pytest.raises(DataError, match="no row labelled fear, sad for the head 'expression7'"):
        run.prepare(parse(plain), Inputs(tmp_path))


def test_an_empty_split_is_named(plain: dict[str, Any], table: Table, tmp_path: Path) -> None:
    from mien.curation.table import write_table

    write_table(tmp_path / "table.parquet", [row for row in table.rows() if row["split"] == "train"])
    (tmp_path / "images").symlink_to(table.root / "images")
    with pytest.raises(DataError, match="no rows in split 'val'"):
        run.prepare(parse(plain), Inputs(tmp_path))


def test_pretrained_weights_that_cannot_be_had_and_unknown_networks_are_said(
    plain: dict[str, Any], table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RecipeError, match=r"timm has no network named 'resnet5O'\. Near: .*resnet50"):
        run.prepare(parse(plain, ["model.backbone='timm:resnet5O'"]), Inputs(table.path))
    with pytest.raises(RecipeError, match="cannot take its options"):
        run.prepare(parse(plain, ["model.options={depth=3}"]), Inputs(table.path))


def test_a_timm_network_trains_on_colour(plain: dict[str, Any], table: Table, tmp_path: Path) -> None:
    chosen: Recipe = recipe.parse(
        plain,
        [
            "model.backbone='timm:test_resnet.r160_in1k'",
            "model.options={}",
            "crops.channels=3",
            "optim.layer_decay=0.8",
        ],
    )
    outcome = run.train(chosen, Inputs(table.path, limit=28), tmp_path, progress=False)
    assert outcome.best.exists()


def test_a_student_that_is_its_teacher_has_nothing_to_learn_and_another_one_has(
    plain: dict[str, Any], table: Table, tmp_path: Path
) -> None:
    teacher = train(plain, table, tmp_path / "teacher", "run.epochs=1").best
    taught = [f"teaching.teachers=['{teacher}']", "teaching.share=1.0", "run.epochs=1", "seed=8"]
    module = run.prepare(parse(plain, taught), Inputs(table.path)).module
    student: Any = module.network
    pictures = torch.rand(16, 1, 16, 16) * 255
    apart = module.lesson.losses(pictures, student.eval()(pictures), {})  # type: ignore[union-attr, operator]
    student.load_state_dict(checkpoint.load(teacher).network.state_dict())
    same = module.lesson.losses(pictures, student(pictures), {})  # type: ignore[union-attr, operator]
    assert apart.keys() == same.keys() == {"expression", "expression7"}
    for name, value in same.items():
        assert value.item() == pytest.approx(0.0, abs=1e-5)
        assert apart[name].item() > 1e-3
    assert train(plain, table, tmp_path / "student", *taught).best.exists()


def test_teachers_that_are_asked_once_speak_of_every_row_and_of_pictures_without_labels(
    plain: dict[str, Any], table: Table, tmp_path: Path
) -> None:
    teacher = train(plain, table, tmp_path / "teacher", "run.epochs=1").best
    once = [f"teaching.teachers=['{teacher}']", "teaching.once=true", f"teaching.unlabelled='{table.path}'"]
    job = run.prepare(parse(plain, once), Inputs(table.path))
    split: Any = job.data.train  # type: ignore[union-attr]
    labelled = len(split) // 2
    assert job.summary["train rows"] == f"{labelled} and {labelled} without labels"
    few = run.prepare(parse(plain, once), Inputs(table.path, limit=labelled // 2)).summary["train rows"]
    assert few == f"{labelled // 2} and {labelled // 2} without labels"
    assert bool(split.targets["expression7"][labelled:].isnan().all())
    assert bool((split.hard["expression7"][labelled:] == -1).all())
    network: Any = checkpoint.load(teacher).network
    with torch.no_grad():
        first, second = (network(view)["expression7"].softmax(1) for view in (split.images, split.images.flip(-1)))
    torch.testing.assert_close(split.taught["expression7"], (first + second) / 2, atol=0.02, rtol=0.02)
    torch.testing.assert_close(split.taught["expression7"][:labelled], split.taught["expression7"][labelled:])
    assert job.module.lesson.teacher is None  # type: ignore[union-attr]
    outcome = train(plain, table, tmp_path / "student", *once, "run.epochs=4", "teaching.share=1.0")
    assert outcome.best.exists()


def test_pictures_without_labels_need_somebody_who_speaks_of_them(plain: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match=r"need teaching\.teachers"):
        parse(plain, ["teaching.unlabelled='somewhere'"])


def test_folders_teach_too_and_teachers_of_other_labels_are_refused(
    plain: dict[str, Any], table: Table, tiny_expression: Path
) -> None:
    from mien.training import teachers

    folder = teachers.FolderTeacher(tiny_expression)
    answers = folder(torch.rand(4, 1, 16, 16) * 255)
    assert {name: value.shape[1] for name, value in answers.items()} == {n: len(v) for n, v in folder.labels.items()}
    for value in answers.values():
        torch.testing.assert_close(value.sum(dim=1), torch.ones(4))
    with pytest.raises(RecipeError, match="none of the student's: other"):
        teachers.load([tiny_expression], {"other": ("a", "b")})
    head = next(iter(folder.labels))
    with pytest.raises(RecipeError, match=f"other labels than the student in the head '{head}'"):
        teachers.load([tiny_expression], {head: ("a", "b")})
