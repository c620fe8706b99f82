"""Weights & Biases: offline files in the run's folder, for ``wandb sync``; online where `WANDB_MODE` is ``online``."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import numpy as np
from lightning.pytorch.loggers import WandbLogger
from numpy.typing import NDArray

PROJECT = "mien"


class WeightsAndBiases:
    """Keeps a run in the format of Weights & Biases.

    Args:
        name: of the run.
        folder: of the run; the files go into ``wandb`` in it.
        identity: run id to go on with.
    """

    def __init__(self, name: str, folder: Path, identity: str | None) -> None:
        offline = os.environ.get("WANDB_MODE", "offline") != "online"
        if offline:
            os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        self._image, self._id = wandb.Image, identity or uuid.uuid4().hex[:8]
        self.logger = WandbLogger(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=name,
            save_dir=folder,
            id=self._id,
            resume=None if offline else "allow",
            offline=offline,
            settings=wandb.Settings(silent=True, console="off", x_disable_stats=True),
        )

    def identity(self) -> str:
        """Return the run id."""
        return self._id

    def picture(self, name: str, pixels: NDArray[np.uint8], epoch: int) -> None:
        """Keep a picture under its name, at the epoch's step."""
        self.logger.log_image(name, [pixels], caption=[f"epoch {epoch}"])

    def close(self) -> None:
        """Finish the run's files."""
        self.logger.experiment.finish()


build = WeightsAndBiases
