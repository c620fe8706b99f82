"""Backbones: one family a file, the file name is the key; `timm:NAME` reaches every network of timm.

A backbone module offers `build(channels, **options) -> Backbone`: pictures ``(n, channels, h, w)`` that are already
normalised in, one feature vector ``(n, width)`` a picture out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from mien.errors import RecipeError
from mien.registry import Registry

#: Every family, by file name.
BACKBONES = Registry("mien.models.backbones", "build", "backbone", extra="train")


class Backbone(nn.Module):
    """A trunk: maps pictures ``(n, channels, h, w)`` to features ``(n, width)``.

    Attributes:
        width: number of features.
    """

    width: int

    def forward(self, images: Tensor) -> Tensor:
        """Return features ``(n, width)``."""
        raise NotImplementedError

    def stages(self) -> Iterator[nn.Module]:
        """Yield the parts from the picture to the features, for freezing and layer-wise learning rates."""
        raise NotImplementedError

    def checkpointing(self, on: bool = True) -> None:
        """Recompute activations in the backward pass, to save memory.

        Raises:
            RecipeError: the family cannot.
        """
        raise RecipeError(f"{type(self).__name__} has no gradient checkpointing; set model.checkpointing = false")

    def merge(self) -> None:
        """Fold what only training needs into fewer layers that answer alike; export calls it. Most have nothing."""


def build(name: str, channels: int, **options: Any) -> Backbone:
    """Make a backbone by its key.

    Args:
        name: a file of this folder, or `timm:NAME`.
        channels: of the pictures.
        **options: of the family.

    Raises:
        UnknownNameError: no family of that name.
        RecipeError: an option that the family does not have.
    """
    family, _, variant = name.partition(":")
    if variant:
        options = {"name": variant, **options}
    try:
        found: Backbone = BACKBONES.get(family)(channels, **options)
    except TypeError as error:
        raise RecipeError(f"backbone '{name}' cannot take its options {sorted(options)}: {error}") from error
    return found
