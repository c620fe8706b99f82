"""Mixing: each picture with another of its batch, and their targets alike."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mien.training.augment.cover import rectangle
from mien.training.augment.policy import Augment


def mix(
    x: Tensor, targets: dict[str, Tensor], weights: Tensor, policy: Augment
) -> tuple[Tensor, dict[str, Tensor], Tensor]:
    """Mix each picture, its targets and its weight with another's of the batch: mixup or CutMix, one share a batch.

    A target that is missing (NaN) on either side is missing in the mixture.
    """
    kinds = [kind for kind, alpha in (("mixup", policy.mixup), ("cutmix", policy.cutmix)) if alpha > 0]
    if not kinds or float(torch.rand(())) >= policy.mix_chance:
        return x, targets, weights
    kind = kinds[int(torch.randint(len(kinds), ()))]
    alpha = policy.mixup if kind == "mixup" else policy.cutmix
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    order = torch.randperm(len(x), device="cpu").to(x.device)
    if kind == "mixup":
        mixed = share * x + (1 - share) * x[order]
    else:
        side = torch.tensor([math.sqrt(1 - share)])
        left, top = torch.rand(1) * (1 - side), torch.rand(1) * (1 - side)
        inside = rectangle(left, top, side, side, *x.shape[-2:]).to(x.device)
        mixed = torch.where(inside[:, None], x[order], x)
        share = 1 - float(inside.float().mean())

    def blend(value: Tensor) -> Tensor:
        return share * value + (1 - share) * value[order]

    return mixed, {name: blend(value) for name, value in targets.items()}, blend(weights)


def agreement(logits: Tensor, targets: Tensor) -> tuple[Tensor, int]:
    """Return the mean share of the targets that lies on the answered label, and the rows that it is the mean of.

    With hard labels this is accuracy; with mixed or voted ones it counts the answered label's part. Rows without a
    target do not count; the share is 0 where none has one.

    Args:
        logits: ``(n, classes)``.
        targets: distributions ``(n, classes)``, after mixing; NaN for none.
    """
    known = ~targets.isnan().any(dim=-1)
    share = targets[known].gather(1, logits[known].argmax(dim=1, keepdim=True)).sum()
    rows = int(known.sum())
    return share / max(rows, 1), rows
