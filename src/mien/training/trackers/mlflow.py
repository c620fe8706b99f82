"""MLflow: a SQLite file beside the run's folder, or the server that `MLFLOW_TRACKING_URI` names."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from filelock import FileLock
from lightning.pytorch.loggers import MLFlowLogger
from numpy.typing import NDArray

EXPERIMENT = "mien"


class MLflow:
    """Keeps a run in an MLflow tracking store.

    Args:
        name: of the run.
        folder: of the run; without a server, the store is ``mlflow.db`` in the folder that holds it, so that runs
            which lie side by side are compared in one place.
        identity: run id to go on with.
    """

    def __init__(self, name: str, folder: Path, identity: str | None) -> None:
        # It reports its use to its makers otherwise; read when the library is imported, which the logger does.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        home = folder.resolve().parent
        server = os.environ.get("MLFLOW_TRACKING_URI")
        # Two runs that begin at the same time would both make the store's tables, and one would fail.
        with FileLock(home / ".mlflow.lock"):
            self.logger = MLFlowLogger(
                experiment_name=os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT),
                run_name=name,
                tracking_uri=server or f"sqlite:///{home / 'mlflow.db'}",
                artifact_location=None if server else (home / "mlartifacts").as_uri(),
                run_id=identity,
            )
            self.identity()

    def identity(self) -> str:
        """Return the run id."""
        return str(self.logger.run_id)

    def picture(self, name: str, pixels: NDArray[np.uint8], epoch: int) -> None:
        """Keep a picture among the run's images, one a step."""
        self.logger.experiment.log_image(self.identity(), pixels, key=name, step=epoch)

    def close(self) -> None:
        """Nothing: the trainer has ended the run through its logger."""


build = MLflow
