"""Augmentation: faults of framing, light and camera, drawn anew for every picture, in a few tensor operations a batch.

torchvision's v2 transforms draw one set of numbers a call; on 48-px faces that costs a Python loop a picture, about as
much as all of this together for a batch. So every draw here is a vector ``(n,)``, and torchvision serves where its
choice of changes is the point (`auto`). All draws come from torch's global generator, which the run seeds by step.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mien.imaging.align import TEMPLATES
from mien.training.augment.auto import automatic
from mien.training.augment.camera import camera
from mien.training.augment.cover import Places, cover, erase
from mien.training.augment.frame import frame
from mien.training.augment.light import colour, light
from mien.training.augment.mix import agreement, mix
from mien.training.augment.policy import Augment

__all__ = ["Augment", "agreement", "augment", "mix"]


def augment(images: Tensor, policy: Augment, size: int, points: Places = TEMPLATES["fer"]) -> Tensor:
    """Return changed pictures, values 0..255 in float32.

    Args:
        images: ``uint8 (n, c, h, w)``.
        policy: what may be changed, and how much.
        size: side of the result.
        points: of the crops' template, for covers of eyes and mouth.
    """
    with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
        x = cover(automatic(images, policy).float(), policy, points)
        x = frame(x, policy, size)
        x = colour(light(x, policy), policy)
        x = camera(x, policy)
        return erase(x, policy)
