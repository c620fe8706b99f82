"""Optimisers and schedules by name: torch's own and timm's Muon, with weight decay kept off norms and biases."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau

from mien.errors import UnknownNameError
from mien.training.recipe import Optim, Schedule
from mien.training.sam import SAM

OPTIMISERS = ("adamw", "muon", "radam", "sgd")
LEAST_WIDTH = 16
"""Channels that a layer has on both sides when Muon moves its weights; narrower ones, such as the first (three colours)
and the last (a few outputs), learn by AdamW, as Muon's author advises (kellerjordan.github.io/posts/muon)."""
SCHEDULES = ("constant", "cosine", "onecycle", "plateau", "polynomial", "step")


def groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Split parameters into those that decay (two or more dimensions) and those that do not."""
    parameters = list(module.parameters())
    return [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]


def parameter_groups(module: nn.Module, stages: Iterable[nn.Module], recipe: Optim) -> list[dict[str, Any]]:
    """Return groups with weight decay and layer-wise learning rates.

    The last stage before the heads learns at ``lr * layer_decay``, the one before it at ``lr * layer_decay ** 2``, and
    so on (Clark et al. 2020). What is in no stage (heads, loss weights) learns at the full rate.

    Args:
        module: holds every parameter.
        stages: parts of the backbone from the picture to the features.
        recipe: learning rate, decay and layer decay.
    """
    if recipe.layer_decay == 1.0:
        return groups(module, recipe.weight_decay)
    parts = list(stages)
    out: list[dict[str, Any]] = []
    placed: set[int] = set()
    for depth, stage in enumerate(reversed(parts), start=1):
        rate = recipe.lr * recipe.layer_decay**depth
        out += [{**group, "lr": rate} for group in groups(stage, recipe.weight_decay)]
        placed |= {id(p) for p in stage.parameters()}
    rest = nn.ParameterList([p for p in module.parameters() if id(p) not in placed])
    return groups(rest, recipe.weight_decay) + out


def optimiser(parameters: Iterable[dict[str, Any]], recipe: Optim) -> Optimizer:
    """Make the optimiser that a recipe names.

    Raises:
        UnknownNameError: no optimiser of that name.
    """
    chosen = [group for group in parameters if group["params"]]
    betas = (recipe.momentum, 0.999)
    if recipe.name == "sgd":
        base: Optimizer = torch.optim.SGD(chosen, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.momentum > 0)
    elif recipe.name == "adamw":
        base = torch.optim.AdamW(chosen, lr=recipe.lr, betas=betas)
    elif recipe.name == "radam":
        base = torch.optim.RAdam(chosen, lr=recipe.lr, betas=betas, decoupled_weight_decay=True)
    elif recipe.name == "muon":
        from timm.optim.muon import Muon

        base = Muon(
            _routed(chosen),
            lr=recipe.lr,
            momentum=recipe.momentum,
            nesterov=True,
            adjust_lr_fn="match_rms_adamw",
            betas=betas,
        )
    else:
        raise UnknownNameError("optimiser", recipe.name, OPTIMISERS)
    return SAM(base, recipe.sam) if recipe.sam else base


def _routed(chosen: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Part each group into what Muon moves and what AdamW moves."""

    def wide(weight: nn.Parameter) -> bool:
        return weight.ndim >= 2 and min(weight.shape[:2]) >= LEAST_WIDTH

    parted = [
        {**group, "params": [p for p in group["params"] if wide(p) is own], "use_fallback": not own}
        for group in chosen
        for own in (True, False)
    ]
    return [group for group in parted if group["params"]]


def factor(recipe: Schedule) -> Callable[[float], float]:
    """Return the learning rate as a part of its highest, as a function of the part of the run that is done.

    Warm-up comes first for every schedule; what follows runs over the rest. `onecycle` is the cosine form of
    Smith and Topin (2018): a cosine rise from 1/25 over the warm-up, then a cosine fall. `plateau` is constant
    here; the scheduler watches the validation figure. With several cycles, each goes through the whole course.
    """
    name, warmup, floor, cycles = recipe.name, recipe.warmup, recipe.floor, recipe.cycles
    if name not in SCHEDULES:
        raise UnknownNameError("schedule", name, SCHEDULES)

    def value(progress: float) -> float:
        progress = progress if cycles == 1 else min(progress, 1 - 1e-9) * cycles % 1.0
        if progress < warmup:
            done = progress / warmup
            return 1 / 25 + (1 - 1 / 25) * (1 - math.cos(math.pi * done)) / 2 if name == "onecycle" else done
        done = min((progress - warmup) / (1 - warmup), 1.0)
        if name in ("cosine", "onecycle"):
            return floor + (1 - floor) * (1 + math.cos(math.pi * done)) / 2
        if name == "polynomial":
            return floor + (1 - floor) * math.pow(1 - done, recipe.power)
        if name == "step":
            return max(floor, recipe.gamma ** sum(progress >= m for m in recipe.milestones))
        return 1.0

    return value


def scheduler(optimizer: Optimizer, recipe: Schedule, steps: int, monitor: str) -> dict[str, Any]:
    """Return Lightning's scheduler entry for a run of `steps` optimiser steps."""
    curve = factor(recipe)
    if recipe.name == "plateau":
        plateau = ReduceLROnPlateau(
            optimizer, mode="min" if monitor.endswith("loss") else "max", factor=recipe.gamma, patience=recipe.patience
        )
        return {"scheduler": plateau, "interval": "epoch", "monitor": monitor}
    # Step k is taken with the rate of the middle of its share of the run, so that the first is not zero.
    chosen: LRScheduler = LambdaLR(optimizer, lambda step: curve(min((step + 0.5) / steps, 1.0)))
    return {"scheduler": chosen, "interval": "step"}
