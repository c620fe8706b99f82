"""A checkpoint as others use it: the trained network with what the run wrote beside it; nothing is unpickled."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mien.errors import ModelError
from mien.training.recipe import TASKS, Recipe, parse

_PREFIX = "network."


@dataclass(frozen=True)
class Checkpoint:
    """A trained network and its origin.

    Attributes:
        path: of the file.
        recipe: that it was trained with.
        labels: labels a head, in the order of the outputs.
        data_digest: digest of what it was trained on.
        epoch: epochs done when it was written.
        metrics: validation figures at that moment.
        network: in evaluation mode, with the averaged weights where the run kept an average.
    """

    path: Path
    recipe: Recipe
    labels: Mapping[str, tuple[str, ...]]
    data_digest: str
    epoch: int
    metrics: Mapping[str, float]
    network: nn.Module


def meant(path: Path) -> bool:
    """Say whether a path means a checkpoint file, and not the folder or the name of a model."""
    return path.is_file() or path.suffix == ".ckpt"


def load(path: Path) -> Checkpoint:
    """Load a checkpoint of `mien train` on the CPU.

    Raises:
        ModelError: no such file, no checkpoint of mien, or one whose weights do not fit its recipe.
        RecipeError: its recipe is of another version of mien.
    """
    try:
        saved: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        facts = saved["mien"]
        state = {key.removeprefix(_PREFIX): v for key, v in saved["state_dict"].items() if key.startswith(_PREFIX)}
    except OSError as error:
        raise ModelError(f"cannot read the checkpoint '{path}': {error.strerror or error}") from error
    except (KeyError, TypeError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ModelError(f"'{path}' is no checkpoint of mien; one is written by: mien train") from error
    recipe = parse(facts["recipe"])
    network: nn.Module = TASKS.module(recipe.task).network(recipe)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ModelError(
            f"the weights in '{path}' do not fit its recipe: {str(error).splitlines()[-1].strip()}"
        ) from error
    return Checkpoint(
        path=Path(path),
        recipe=recipe,
        labels={head: tuple(labels) for head, labels in facts["labels"].items()},
        data_digest=facts["data_digest"],
        epoch=facts["epoch"],
        metrics=facts["metrics"],
        network=network.eval().requires_grad_(False),
    )
