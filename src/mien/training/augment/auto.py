"""Automatic augmentation: torchvision's RandAugment and TrivialAugment, drawn for every picture by itself."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

from mien.training.augment.policy import Augment


def automatic(images: Tensor, policy: Augment) -> Tensor:
    """Return changed pictures ``uint8 (n, c, h, w)``.

    torchvision draws once a call, so each picture is a call: 0.1 ms of processor for 48 grey pixels a side with
    `trivial`, 0.2 ms with `rand`, a few percent of a step of the shipped model's recipe.
    """
    if policy.auto is None or policy.auto_chance == 0:
        return images
    bilinear = InterpolationMode.BILINEAR
    change = (
        v2.TrivialAugmentWide(interpolation=bilinear)
        if policy.auto == "trivial"
        else v2.RandAugment(policy.auto_ops, policy.auto_magnitude, interpolation=bilinear)
    )
    chosen = (torch.rand(len(images)) < policy.auto_chance).tolist()
    pairs = zip(images, chosen, strict=True)
    return torch.stack([change(picture) if taken else picture for picture, taken in pairs])
