"""Framing: crops in the wild are shifted, turned, zoomed and mirrored."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mien.training.augment.draws import log_uniform, uniform
from mien.training.augment.policy import Augment


def frame(x: Tensor, policy: Augment, size: int) -> Tensor:
    """Flip, turn, shift, zoom and stretch about the centre; sample to ``(n, c, size, size)``."""
    n = len(x)
    angle = torch.deg2rad(uniform(n, -policy.rotate, policy.rotate))
    zoom = log_uniform(n, *policy.scale)
    aspect = log_uniform(n, 1 - policy.stretch, 1 / (1 - policy.stretch)).sqrt()
    mirror = torch.where(torch.rand(n) < policy.flip, -1.0, 1.0)
    # Rows of the map from the result to the source, in grid_sample's -1..1 coordinates.
    cos, sin = torch.cos(angle) / zoom, torch.sin(angle) / zoom
    theta = torch.stack(
        [
            torch.stack([cos * aspect * mirror, -sin * aspect, 2 * uniform(n, -policy.shift, policy.shift)], dim=1),
            torch.stack([sin / aspect * mirror, cos / aspect, 2 * uniform(n, -policy.shift, policy.shift)], dim=1),
        ],
        dim=1,
    )
    grid = F.affine_grid(theta, [n, x.shape[1], size, size], align_corners=False)
    # Crops in the wild end in black where the photo ends, but the pictures themselves continue: both are met.
    outside = ("zeros", "border", "reflection")[int(torch.randint(3, ()))]
    return F.grid_sample(x, grid, mode="bilinear", padding_mode=outside, align_corners=False)
