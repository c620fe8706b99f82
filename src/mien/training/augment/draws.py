"""Numbers drawn a picture, from torch's global generator, which the run seeds by step."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def uniform(n: int, low: float, high: float) -> Tensor:
    """Draw ``(n,)`` evenly."""
    return torch.rand(n) * (high - low) + low


def log_uniform(n: int, low: float, high: float) -> Tensor:
    """Draw ``(n,)`` evenly on a log scale, so that a factor is as likely as its inverse."""
    return torch.exp(uniform(n, math.log(low), math.log(high)))
