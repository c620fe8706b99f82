"""Light and colour: how a scene is lit and how a camera renders it."""

from __future__ import annotations

import torch
from torch import Tensor

from mien.models.network import GREY
from mien.training.augment.draws import log_uniform, uniform
from mien.training.augment.policy import Augment


def light(x: Tensor, policy: Augment) -> Tensor:
    """Change brightness, contrast and gamma."""
    n = len(x)
    gamma, contrast = log_uniform(n, *policy.gamma), log_uniform(n, *policy.contrast)
    shift = 255 * uniform(n, -policy.brightness, policy.brightness)
    x = 255 * (x.clamp(0, 255) / 255).pow(gamma.view(-1, 1, 1, 1))
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return ((x - mean) * contrast.view(-1, 1, 1, 1) + mean + shift.view(-1, 1, 1, 1)).clamp(0, 255)


def colour(x: Tensor, policy: Augment) -> Tensor:
    """Change saturation and hue of RGB pictures ``(n, 3, h, w)``; grey pictures stay as they are.

    The hue turns about the grey axis of the RGB cube, which keeps the mean of the three channels: one matrix a
    picture instead of a way through HSV.
    """
    n, channels = x.shape[:2]
    if channels != 3 or (policy.saturation == (1.0, 1.0) and policy.hue == 0):
        return x
    factor, angle = log_uniform(n, *policy.saturation), torch.deg2rad(uniform(n, -policy.hue, policy.hue))
    cos, sin = torch.cos(angle), torch.sin(angle) / 3**0.5
    same, ahead, behind = (1 + 2 * cos) / 3, (1 - cos) / 3 - sin, (1 - cos) / 3 + sin
    # Rodrigues' rotation about (1, 1, 1): circulant, so three numbers a picture.
    turn = torch.stack([same, ahead, behind, behind, same, ahead, ahead, behind, same], dim=1).view(n, 3, 3)
    x = torch.einsum("nij,njhw->nihw", turn.to(x), x)
    grey = (x * torch.tensor(GREY).view(1, 3, 1, 1).to(x)).sum(dim=1, keepdim=True)
    return (grey + factor.view(-1, 1, 1, 1).to(x) * (x - grey)).clamp(0, 255)
