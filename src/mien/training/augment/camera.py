"""Faults of a camera and of what comes after it: few pixels, blur, noise, JPEG."""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mien.training.augment.draws import uniform
from mien.training.augment.policy import Augment


def camera(x: Tensor, policy: Augment) -> Tensor:
    """Make some pictures small, blurred, noisy or JPEG-coded."""
    n, _, height, width = x.shape
    if policy.small > 0 and (chosen := torch.rand(n) < policy.small).any():
        # One scale a batch: the pictures must stay one tensor.
        side = max(8, round(width * float(uniform(1, *policy.small_scale))))
        reduced = F.interpolate(x[chosen], size=(side, side), mode="bilinear", antialias=True)
        x[chosen] = F.interpolate(reduced, size=(height, width), mode="bilinear")
    if policy.blur > 0 and (chosen := torch.rand(n) < policy.blur).any():
        x[chosen] = blurred(x[chosen], uniform(int(chosen.sum()), *policy.blur_sigma))
    if policy.noise > 0 and (chosen := torch.rand(n) < policy.noise).any():
        sigma = uniform(int(chosen.sum()), *policy.noise_sigma).view(-1, 1, 1, 1)
        x[chosen] = x[chosen] + sigma * torch.randn_like(x[chosen])
    if policy.jpeg > 0 and (chosen := torch.rand(n) < policy.jpeg).any():
        quality = int(torch.randint(policy.jpeg_quality[0], policy.jpeg_quality[1] + 1, ()))
        x[chosen] = jpeg(x[chosen], quality)
    return x.clamp(0, 255)


def jpeg(x: Tensor, quality: int) -> Tensor:
    """Code pictures ``(n, c, h, w)`` as JPEG and back."""
    channels = x.shape[1]
    mode = cv2.IMREAD_GRAYSCALE if channels == 1 else cv2.IMREAD_COLOR
    coded = (x + 0.5).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    out = np.empty_like(coded)
    for picture, place in zip(coded, out, strict=True):
        _, buffer = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
        np.copyto(place, np.asarray(cv2.imdecode(buffer, mode)).reshape(picture.shape))
    return torch.from_numpy(out).permute(0, 3, 1, 2).to(x)


def blurred(x: Tensor, sigma: Tensor) -> Tensor:
    """Blur each picture ``(n, c, h, w)`` with a Gaussian of its own sigma ``(n,)``, in two depthwise passes."""
    n, channels, height, width = x.shape
    radius = math.ceil(3 * float(sigma.max()))
    offsets = torch.arange(-radius, radius + 1)
    kernel = torch.exp(-(offsets**2) / (2 * sigma[:, None] ** 2))
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)
    flat = F.pad(x.reshape(1, n * channels, height, width), (radius,) * 4, mode="replicate")
    flat = F.conv2d(flat, kernel[:, None, None, :], groups=n * channels)
    flat = F.conv2d(flat, kernel[:, None, :, None], groups=n * channels)
    return flat.view_as(x)
