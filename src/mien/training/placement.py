"""Where a run's processes come from: this one alone, ones that Lightning starts, torchrun's, or workers of Ray Train.

The recipe stays the same: `run.batch_size` counts pictures over all processes, and each takes its share of a batch.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

import torch

from mien.training.recipe import Recipe


def trainer_options(recipe: Recipe, *, ray: bool = False) -> dict[str, Any]:
    """Return how Lightning's trainer is to be placed.

    Args:
        recipe: names the kind and number of processors for a run that starts its own processes. Under torchrun, its
            environment says how many there are.
        ray: this is a worker of Ray Train.
    """
    # Batch normalisation sees the whole batch where torch can do that, which is on GPUs.
    shared = recipe.run.accelerator != "cpu" and torch.cuda.is_available()
    own: dict[str, Any] = {"accelerator": recipe.run.accelerator, "sync_batchnorm": shared}
    if ray:
        there: Any = importlib.import_module("ray.train.lightning")
        return own | {
            "devices": "auto",
            "strategy": there.RayDDPStrategy(find_unused_parameters=_still(recipe)),
            "plugins": [there.RayLightningEnvironment()],
        }
    if "TORCHELASTIC_RUN_ID" in os.environ:
        devices, nodes = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["GROUP_WORLD_SIZE"])
    else:
        devices, nodes = recipe.run.devices, 1
    # Stages that stand still get no gradient, which DDP must be told.
    shared_by = "ddp_find_unused_parameters_true" if _still(recipe) else "ddp"
    return own | {
        "devices": devices,
        "num_nodes": nodes,
        "strategy": "auto" if devices * nodes == 1 else shared_by,
    }


def first() -> bool:
    """Say whether this process is the one that speaks for all."""
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0"))) == 0


def _still(recipe: Recipe) -> bool:
    return bool(recipe.model_dump().get("model", {}).get("freeze"))
