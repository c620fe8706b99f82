"""Expression: one trunk on face crops, a head a label set, trained on any mix of labels and votes at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from mien import labels as label_sets
from mien import losses
from mien.curation.table import Table, open_table
from mien.errors import DataError, RecipeError
from mien.imaging.align import TEMPLATES
from mien.models import backbones
from mien.models.heads import Head
from mien.models.network import Network, Normalisation
from mien.training import teachers
from mien.training.augment import Augment
from mien.training.data import CropData, Split, balancing_weights, fold, join, load_pictures, load_split
from mien.training.data import counts as count_rows
from mien.training.distillation import Lesson
from mien.training.job import Inputs, Job
from mien.training.judges import judge
from mien.training.module import Combination, Frozen, HeadsModule, Objective
from mien.training.recipe import Recipe, Section
from mien.training.start import fine_tune
from mien.training.targets import ACTIVATION, Kind, Target


class Crops(Section):
    """Says what the pictures are.

    Attributes:
        size: side of the crops in pixels.
        channels: 1 trains on grey, 3 on RGB.
        template: five-point template that faces met in the wild are aligned to (see `imaging.align`).
        sizes: ``[part of the run, side]`` pairs; training pictures have that side from that part of the run on.
    """

    size: int = Field(48, ge=16, le=1024)
    channels: Literal[1, 3] = 1
    template: str = "fer"
    sizes: tuple[tuple[float, int], ...] = ()


class Model(Section):
    """Says what the network is.

    Attributes:
        backbone: a file of `models/backbones`, or `timm:NAME`.
        options: of the backbone.
        dropout: before each head.
        normalise: `picture` or `half` (see `models.network`).
        side: that the network enlarges (or shrinks) its pictures to; 0 takes crops as they are (see `models.network`).
        freeze: stages of the backbone, from the picture on, that stand still.
        unfreeze: epoch from which they move; 0 is never.
        checkpointing: recompute activations in the backward pass, for memory.
        start: what to fine-tune: a checkpoint, or folder or name of a model; its whole backbone is taken, and the
            heads of the same name and labels.
    """

    backbone: str = "resnet"
    options: dict[str, Any] = Field(default_factory=dict)
    dropout: float = Field(0.0, ge=0, lt=1)
    normalise: Normalisation = "picture"
    side: int = Field(0, ge=0, le=1024)
    freeze: int = Field(0, ge=0)
    unfreeze: int = Field(0, ge=0)
    checkpointing: bool = False
    start: Path | None = None


class HeadRecipe(Section):
    """Says what one head learns.

    Attributes:
        labels: name of its label set.
        target: label, votes, present, values or affect (see `training.targets`).
        loss: a file of `losses`; None takes the usual one of the kind of target.
        options: of the loss.
        weight: of its loss in the sum.
        evidence: name of another head whose probabilities weight this head's features.
    """

    labels: str
    target: Kind = "label"
    loss: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    weight: float = Field(1.0, gt=0)
    evidence: str | None = None


class Sampling(Section):
    """Says which rows an epoch shows.

    Attributes:
        balance: name of a head whose labels are to come up equally often; None shows every row once.
    """

    balance: str | None = None


class Teaching(Section):
    """Says whom the network learns from beside the targets.

    Attributes:
        teachers: checkpoints, and folders or names of models; their mean answer teaches the heads that they share.
        temperature: by which both sides' logits are divided.
        share: of the teachers in a head's loss; the rest is the targets'.
        once: ask them once about the plain pictures and their mirror images, instead of in every step about what the
            student sees; a step then costs nothing more, however many teachers there are.
        unlabelled: table of crops whose training split joins in without labels; the teachers alone speak of them.
    """

    teachers: tuple[str, ...] = ()
    temperature: float = Field(3.0, gt=0)
    share: float = Field(0.7, gt=0, le=1)
    once: bool = False
    unlabelled: Path | None = None

    @model_validator(mode="after")
    def _somebody_teaches(self) -> Self:
        if (self.once or self.unlabelled) and not self.teachers:
            raise ValueError("teaching.once and teaching.unlabelled need teaching.teachers")
        return self


class ExpressionRecipe(Recipe):
    """A recipe for face crops with one or more heads.

    Attributes:
        averaged: checkpoints whose mean a network is (`mien train average`); a run does not look at it.
    """

    crops: Crops = Crops()
    model: Model = Model()
    heads: dict[str, HeadRecipe] = Field(min_length=1)
    combination: Combination = "fixed"
    sampling: Sampling = Sampling()
    augment: Augment = Augment()
    teaching: Teaching = Teaching()
    averaged: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _names_are_heads(self) -> Self:
        named = {"sampling.balance": self.sampling.balance}
        named |= {f"heads.{name}.evidence": head.evidence for name, head in self.heads.items()}
        for key, name in named.items():
            if name is not None and name not in self.heads:
                raise ValueError(f"{key} names the head '{name}', but the heads are {', '.join(self.heads)}")
        for name, head in self.heads.items():
            if head.evidence and (head.evidence == name or self.heads[head.evidence].evidence):
                raise ValueError(f"heads.{name}.evidence must name another head that takes no evidence itself")
        if self.crops.template not in TEMPLATES:
            raise ValueError(f"crops.template must be one of {', '.join(TEMPLATES)}, got '{self.crops.template}'")
        if any(side < 16 for _, side in self.crops.sizes) or [p for p, _ in self.crops.sizes[:1]] not in ([], [0.0]):
            raise ValueError("crops.sizes must begin at part 0.0 of the run, and sides must be at least 16")
        return self


RECIPE = ExpressionRecipe

LOSS: dict[Kind, str] = {
    "label": "cross_entropy",
    "votes": "cross_entropy",
    "present": "bce",
    "values": "smooth_l1",
    "affect": "ccc",
}
"""The usual loss a kind of target."""


def smoothing(recipe: ExpressionRecipe, head: str) -> float:
    """Return the share of a head's targets that its training spreads over all labels: its label smoothing.

    Teachers speak for a part of the targets, which is not smoothed.
    """
    chosen = recipe.heads[head]
    if (chosen.loss or LOSS[chosen.target]) != "cross_entropy":
        return 0.0
    untaught = 1.0 - recipe.teaching.share if recipe.teaching.teachers else 1.0
    return float(chosen.options.get("smoothing", 0.0)) * untaught


def network(recipe: ExpressionRecipe) -> Network:
    """Make the untrained network of a recipe; its heads are in the recipe's order."""
    backbone = backbones.build(recipe.model.backbone, recipe.crops.channels, **recipe.model.options)
    if recipe.model.checkpointing:
        backbone.checkpointing()
    sizes = {name: len(label_sets.get(head.labels)) for name, head in recipe.heads.items()}
    heads = {
        name: Head(
            backbone.width,
            sizes[name],
            recipe.model.dropout,
            ACTIVATION[head.target],
            sizes[head.evidence] if head.evidence else 0,
        )
        for name, head in recipe.heads.items()
    }
    evidence = {name: head.evidence for name, head in recipe.heads.items() if head.evidence}
    return Network(backbone, heads, recipe.crops.channels, recipe.model.normalise, evidence, recipe.model.side)


def load_splits(recipe: ExpressionRecipe, table: Table, limit: int | None = None) -> tuple[Split, Split]:
    """Read the splits `train` and `val` of a table, with the targets of the recipe's heads.

    Raises:
        DataError: a split is empty, or a head has no targets in it.
    """
    targets = {name: Target(head.labels, head.target) for name, head in recipe.heads.items()}
    train, val = (
        load_split(table, split, targets, size=recipe.crops.size, channels=recipe.crops.channels, limit=limit)
        for split in ("train", "val")
    )
    return train, val


def build(recipe: ExpressionRecipe, inputs: Inputs) -> Job:
    """Read the table, make the network, and tie them together.

    Raises:
        RecipeError: no table was given.
        DataError: the table does not hold what the heads need.
    """
    if inputs.table is None:
        raise RecipeError("the task 'expression' needs a table: give --table DIR, made by mien data import")
    table = open_table(inputs.table)
    train, val = load_splits(recipe, table, inputs.limit)
    if inputs.fold is not None:
        train, val = fold(train, next(iter(recipe.heads)), inputs.fold, recipe.seed)
    return assemble(recipe, train, val, table.digest(), inputs.limit)


def assemble(recipe: ExpressionRecipe, train: Split, val: Split, data_digest: str, limit: int | None = None) -> Job:
    """Make the job of a recipe from splits in memory.

    Args:
        recipe: what to make.
        train: rows to learn from.
        val: rows to judge on.
        data_digest: of the table that the rows came from.
        limit: pictures without labels at most; None is all.

    Raises:
        DataError: a label of a head has no training row.
    """
    model = network(recipe)
    labels = {name: label_sets.get(head.labels).labels for name, head in recipe.heads.items()}
    labelled = len(train)
    summary = {}
    if recipe.model.start:
        kept = fine_tune(model, recipe.model.start, labels, lambda: _sample(train.images))
        summary["fine-tunes"] = f"{recipe.model.start} (heads: {', '.join(kept) or 'none'})"
    model = model.to(memory_format=torch.channels_last)
    objectives = {name: _objective(name, head, train) for name, head in recipe.heads.items()}
    balance = recipe.sampling.balance
    lesson, train = _lesson(recipe, train, labels, limit)
    parameters = sum(p.numel() for p in model.parameters())
    rows = f"{labelled:,}" + (f" and {len(train) - labelled:,} without labels" if len(train) > labelled else "")
    summary = {"train rows": rows, "val rows": f"{len(val):,}"} | summary
    return Job(
        module=HeadsModule(
            model,
            objectives,
            recipe,
            recipe.augment,
            recipe.crops.sizes or ((0.0, recipe.crops.size),),
            combination=recipe.combination,
            frozen=Frozen(recipe.model.freeze, recipe.model.unfreeze),
            lesson=lesson,
            points=TEMPLATES[recipe.crops.template],
        ),
        data=CropData(
            train, val, recipe.run.batch_size, recipe.seed, balancing_weights(train.hard[balance]) if balance else None
        ),
        labels=labels,
        data_digest=data_digest,
        summary={"parameters": f"{parameters:,}"} | summary,
    )


def _lesson(
    recipe: ExpressionRecipe, train: Split, labels: Mapping[str, tuple[str, ...]], limit: int | None
) -> tuple[Lesson | None, Split]:
    """Load the teachers, and add to the training split what they are to speak of and have said already."""
    teaching = recipe.teaching
    if not teaching.teachers:
        return None, train
    teacher = teachers.load([Path(path) for path in teaching.teachers], labels)
    if teaching.unlabelled:
        table = open_table(teaching.unlabelled)
        size, channels = recipe.crops.size, recipe.crops.channels
        train = join(train, load_pictures(table, "train", size=size, channels=channels, limit=limit))
    if teaching.once:
        train = replace(train, taught=teachers.ask(teacher, train.images))
    return Lesson(None if teaching.once else teacher, teaching.temperature, teaching.share), train


def _sample(images: Tensor, most: int = 4096) -> list[Tensor]:
    """Return pictures spread evenly over a split, in batches."""
    rows = torch.linspace(0, len(images) - 1, min(most, len(images))).long()
    return list(torch.split(images[rows], 512))


def _objective(name: str, head: HeadRecipe, train: Split) -> Objective:
    labels = label_sets.get(head.labels)
    counts = None
    if head.target in ("label", "votes", "present"):
        counts = count_rows(train.targets[name])
        absent = [label for label, count in zip(labels, counts, strict=True) if count == 0]
        if absent and head.target == "label":
            raise DataError(
                f"the training split has no row labelled {', '.join(absent)} for the head '{name}'; add some, or "
                "relabel to a smaller set: mien data relabel"
            )
    loss = losses.build(head.loss or LOSS[head.target], len(labels), counts=counts, **head.options)
    return Objective(loss, head.weight, judge(head.target, len(labels)))
