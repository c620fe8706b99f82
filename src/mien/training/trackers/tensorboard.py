"""TensorBoard: event files in the run's folder; look at them with ``tensorboard --logdir runs``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

# Lightning's logger would take another writer in its place, which keeps no pictures.
import tensorboard  # type: ignore[import-untyped]  # noqa: F401
from lightning.pytorch.loggers import TensorBoardLogger
from numpy.typing import NDArray


class TensorBoard:
    """Keeps a run as event files.

    Args:
        name: of the run.
        folder: of the run; the files go into ``tensorboard`` in it.
        identity: not needed: a resumed run adds files to the same folder.
    """

    def __init__(self, name: str, folder: Path, identity: str | None) -> None:
        self.name = name
        self.logger = TensorBoardLogger(folder, name="tensorboard", version="", default_hp_metric=False)

    def identity(self) -> str:
        """Return the run's name."""
        return self.name

    def picture(self, name: str, pixels: NDArray[np.uint8], epoch: int) -> None:
        """Keep a picture under its name, one an epoch."""
        self.logger.experiment.add_image(name, pixels, epoch, dataformats="HWC")

    def close(self) -> None:
        """Write what is still in memory."""
        self.logger.experiment.flush()


build = TensorBoard
