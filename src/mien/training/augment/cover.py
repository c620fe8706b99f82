"""What lies over a face: hands, masks, sunglasses, the edge of another picture."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mien.training.augment.draws import log_uniform, uniform
from mien.training.augment.policy import Augment

#: Five points in parts of the side, in the order of `imaging.align.TEMPLATES`.
Places = Sequence[tuple[float, float]]


def erase(x: Tensor, policy: Augment) -> Tensor:
    """Cover a rectangle of some pictures with one grey level, as hands, masks and edges do."""
    if policy.erase == 0:
        return x
    n, _, height, width = x.shape
    area = uniform(n, *policy.erase_area)
    ratio = log_uniform(n, 0.3, 3.3)
    w, h = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    left, top = torch.rand(n) * (1 - w), torch.rand(n) * (1 - h)
    inside = rectangle(left, top, w, h, height, width) & (torch.rand(n) < policy.erase)[:, None, None]
    return torch.where(inside[:, None], (255 * torch.rand(n)).view(-1, 1, 1, 1), x)


def cover(x: Tensor, policy: Augment, points: Places) -> Tensor:
    """Cover mouth and nose, or both eyes, of some pictures, each with one shade of its own.

    A cover follows the template's five points, with an edge that is drawn anew for every picture; faces that lie off
    the template are covered off their places, as they are cropped off them.

    Args:
        x: pictures ``(n, c, h, w)``.
        policy: the chances.
        points: of the template, in parts of the side.
    """
    if policy.mask == 0 and policy.shades == 0:
        return x
    (left_x, left_y), (right_x, right_y), (nose_x, nose_y), *mouth = points
    apart = ((right_x - left_x) ** 2 + (right_y - left_y) ** 2) ** 0.5
    low = sum(y for _, y in mouth) / 2
    if policy.mask > 0:
        x = _bar(x, policy.mask, (nose_x, (nose_y + low) / 2 + 0.35 * apart), (2.3 * apart, low - nose_y + 0.9 * apart))
    if policy.shades > 0:
        x = _bar(x, policy.shades, ((left_x + right_x) / 2, (left_y + right_y) / 2), (2.1 * apart, 0.65 * apart))
    return x


def _bar(x: Tensor, chance: float, centre: tuple[float, float], sides: tuple[float, float]) -> Tensor:
    """Cover a rectangle of some pictures; its edges stray by a tenth of its sides."""
    n, channels, height, width = x.shape
    w, h = (side * uniform(n, 0.9, 1.1) for side in sides)
    left = centre[0] - w / 2 + sides[0] * uniform(n, -0.1, 0.1)
    top = centre[1] - h / 2 + sides[1] * uniform(n, -0.1, 0.1)
    inside = rectangle(left, top, w, h, height, width) & (torch.rand(n) < chance)[:, None, None]
    return torch.where(inside[:, None].to(x.device), (255 * torch.rand(n, channels, 1, 1)).to(x), x)


def rectangle(left: Tensor, top: Tensor, w: Tensor, h: Tensor, height: int, width: int) -> Tensor:
    """Return a mask ``(n, height, width)`` of rectangles given in parts of the sides."""
    xs, ys = (torch.arange(width) + 0.5) / width, (torch.arange(height) + 0.5) / height
    across = (xs >= left[:, None]) & (xs < (left + w)[:, None])
    down = (ys >= top[:, None]) & (ys < (top + h)[:, None])
    return across[:, None, :] & down[:, :, None]
