"""Trackers: where a run's figures, settings and pictures are kept beside the csv logs that every run writes.

A file here is a tracker: it offers `build(name, folder, identity)`, and its name is what `run.trackers` and `--tracker`
say. All of them write on this machine
unless their own settings name a server.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from lightning.pytorch.loggers import Logger
from numpy.typing import NDArray

from mien.training.recipe import TRACKERS

USUAL = "mlflow"
_IDENTITIES = "trackers.json"


class Tracker(Protocol):
    """Keeps one run: figures through Lightning's logger, pictures by itself."""

    logger: Logger

    def identity(self) -> str:
        """Return the name under which the run goes on when it is resumed."""

    def picture(self, name: str, pixels: NDArray[np.uint8], epoch: int) -> None:
        """Keep an RGB picture ``uint8 (H, W, 3)`` of an epoch."""

    def close(self) -> None:
        """End the run's record."""


def usual() -> tuple[str, ...]:
    """Return the trackers of a run that names none: MLflow where it is installed."""
    return (USUAL,) if importlib.util.find_spec(USUAL) else ()


def start(names: Sequence[str], run: str, folder: Path) -> dict[str, Tracker]:
    """Open trackers for a run; one that kept this folder's run before goes on with it.

    Args:
        names: of trackers; the same twice counts once.
        run: name of the run.
        folder: of the run.

    Raises:
        UnknownNameError: no such tracker.
        MissingExtraError: its library is not installed.
    """
    path = folder / _IDENTITIES
    known: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {name: TRACKERS.get(name)(run, folder, known.get(name)) for name in dict.fromkeys(names)}


def remember(trackers: dict[str, Tracker], folder: Path) -> None:
    """Write down under which names a run is kept, for `start`."""
    names = {name: tracker.identity() for name, tracker in trackers.items()}
    (folder / _IDENTITIES).write_text(json.dumps(names, indent=2) + "\n", encoding="utf-8")
