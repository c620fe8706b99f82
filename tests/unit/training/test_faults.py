"""A machine that is too small ends a run with one sentence, and what was reached stays."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from mien.curation.table import Table
from mien.errors import MienError, RecipeError
from mien.training import checkpoint, run
from mien.training.faults import explained
from mien.training.job import Inputs
from mien.training.module import HeadsModule
from mien.training.recipe import parse

pytestmark = pytest.mark.filterwarnings("ignore")
ROOM = 30_000


class FullFromSecondEpoch(Callback):
    """Lets no file grow beyond `ROOM` bytes from the second epoch on, as the system refuses it."""

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch == 1:
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, hard))


@pytest.fixture
def limits() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_named_and_the_last_checkpoint_is_whole(
    plain: dict[str, Any], table: Table, tmp_path: Path, limits: None
) -> None:
    recipe = parse(plain, ["run.epochs=3"])
    with pytest.raises(MienError, match=r"no room left on the disk.*last\.ckpt' is kept.*--resume"):
        run.train(recipe, Inputs(table.path), tmp_path, progress=False, callbacks=[FullFromSecondEpoch()])
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    last = tmp_path / "last.ckpt"
    assert last.stat().st_size > ROOM
    assert checkpoint.load(last).epoch == 0
    assert run.train(recipe, Inputs(table.path), tmp_path, resume=True, progress=False).epochs == 3


def test_memory_that_runs_out_names_the_settings_that_help(
    plain: dict[str, Any], table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = HeadsModule.training_step

    def hungry(self: HeadsModule, batch: Any, batch_idx: int) -> Any:
        torch.empty(2**46)
        return step(self, batch, batch_idx)

    monkeypatch.setattr(HeadsModule, "training_step", hungry)
    with pytest.raises(RecipeError, match=r"memory ran out; lower run\.batch_size.*crops\.size.*model\.checkpointing"):
        run.train(parse(plain), Inputs(table.path), tmp_path, progress=False)


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory")])
def test_memory_of_the_machine_and_of_a_gpu_are_told_alike(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="memory ran out"), explained(tmp_path):
        raise error


def test_other_errors_pass_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"), explained(tmp_path):
        torch.zeros(2, 3) @ torch.zeros(2, 3)
    with pytest.raises(FileNotFoundError), explained(tmp_path):
        (tmp_path / "absent").read_text()
