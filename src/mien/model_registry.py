"""Model folders in an MLflow registry: logged as a run's artifacts, found again as `models:/NAME/VERSION`.

The folder is stored as it is, so that what comes back is, byte for byte, what was logged. Which server holds it is
MLflow's own setting (`MLFLOW_TRACKING_URI`).
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mien import manifest
from mien.errors import MissingExtraError, ModelError
from mien.manifest import MANIFEST

SCHEME = "models:/"
EXPERIMENT = "mien models"


def publish(folder: Path, name: str) -> str:
    """Log a model folder with its figures and register it as the next version of a name.

    Args:
        folder: of the model; its digests are checked first.
        name: of the registered model; made when it is new.

    Returns:
        the address of the new version, ``models:/NAME/VERSION``.

    Raises:
        ModelError: the folder is damaged, or the server refuses.
        MissingExtraError: MLflow is not installed.
    """
    made = manifest.read(folder)
    manifest.verify(folder, made)
    with _server() as mlflow:
        client = mlflow.MlflowClient()
        mlflow.set_experiment(EXPERIMENT)
        with mlflow.start_run(run_name=f"{made.name} {made.version}") as run:
            mlflow.log_params({"task": made.task, "licence": made.licence[:250], "mien": made.mien})
            mlflow.log_metrics(
                {f"{m.protocol}/{m.head}/{m.precision}/{m.name}".replace(",", ""): m.value for m in made.metrics}
            )
            mlflow.log_artifacts(str(folder), "model")
        if not any(model.name == name for model in client.search_registered_models(f"name = '{name}'")):
            client.create_registered_model(name, description=made.description)
        digest = made.graphs[made.default].sha256
        version = client.create_model_version(
            name, f"{run.info.artifact_uri}/model", run.info.run_id, tags={"sha256": digest}
        )
    return f"{SCHEME}{name}/{version.version}"


def download(uri: str, target: Path) -> Path:
    """Fetch a registered model folder into a new folder below `target` and return it.

    Args:
        uri: ``models:/NAME/VERSION``, or ``models:/NAME@ALIAS``.
        target: an existing folder.

    Raises:
        ModelError: no such model, the server does not answer, or what it holds is no model folder.
        MissingExtraError: MLflow is not installed.
    """
    with _server() as mlflow, tempfile.TemporaryDirectory(dir=target) as raw:
        got = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=raw))
        found = next((path.parent for path in sorted(got.rglob(MANIFEST))), None)
        if found is None:
            raise ModelError(f"{uri} is not a model folder: it has no {MANIFEST}; publish with: mien models push")
        kept = Path(tempfile.mkdtemp(dir=target))
        shutil.copytree(found, kept, dirs_exist_ok=True)
    return kept


@contextmanager
def _server() -> Iterator[Any]:
    """Give MLflow, and turn what it raises into one line."""
    try:
        # It reports its use to its makers otherwise.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        import mlflow
    except ModuleNotFoundError as error:
        raise MissingExtraError("a model registry", "track") from error
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    try:
        yield mlflow
    except (mlflow.exceptions.MlflowException, OSError) as error:
        where = mlflow.get_tracking_uri()
        raise ModelError(f"the model registry at {where} refuses: {str(error).strip().splitlines()[0]}") from error
