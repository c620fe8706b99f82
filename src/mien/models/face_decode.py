"""From the face network's maps to boxes, scores and points, in operations that every ONNX runtime has.

The same function decodes during training and inside the exported graph. Repeated answers for one face are dropped
inside the graph (a max-pool peak test on each map, then overlap with a better box), so clients need no code for it.
Before they are dropped they are heard: a face's box and points are the mean over the answers that agree on it (box
voting, Gidaris and Komodakis 2015, arXiv 1505.01749).

The graph looks twice: at the picture, and at a copy of a quarter of its side. A cell of the network sees about 290
pixels, so a face that fills the picture is found in the copy, and only there.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mien.models.face import CHANNELS, STRIDES, FaceNet

ROUNDS = 6
CLEARLY = 1.0
"""Logits by which a neighbour must be better to suppress a cell: two small faces may lie in neighbouring cells, and
what is left over for one face falls to the overlap test."""
SHRINK = 4
"""How many times smaller the copy is in which large faces are looked for."""
LARGE = 224.0
"""Side (square root of the area, in input pixels) from which a face is left to the copy, which shows it whole."""
LEAST = 128.0
"""Side of the smallest face that is taken from the copy."""
INSIDE = 0.7
"""Share of an answer's area that lies in a better answer for a large face when it is a part of that face."""
AGREE = 0.7
"""Overlap (IoU) from which two answers speak of the same face in the mean of their places. Chosen on the held-out
tenth out of 0.5 to 0.8, which differ little."""
LOWEST = -2.94
"""Logit of a score of 0.05: a cell that says less is not looked at, which costs less than 0.1 points of average
precision. Where few cells are left, everything after is quick."""
DROP = 16.0
"""Taken off the logit of a cell that is no peak and, as a factor, off the score of a suppressed box: both end below
1e-6, but keep an order, so that every runtime sorts them alike."""


def grid(maps: Sequence[Tensor], strides: Sequence[int] = STRIDES) -> Tensor:
    """List the cells of all maps: centre x, centre y and stride in input pixels, ``float (cells, 3)``."""
    cells = []
    for one, stride in zip(maps, strides, strict=True):
        height, width = one.shape[2], one.shape[3]
        y = (torch.arange(height, device=one.device, dtype=torch.float32) + 0.5) * stride
        x = (torch.arange(width, device=one.device, dtype=torch.float32) + 0.5) * stride
        yy = y[:, None].expand(height, width).reshape(-1)
        xx = x[None, :].expand(height, width).reshape(-1)
        cells.append(torch.stack([xx, yy, torch.full_like(xx, float(stride))], dim=1))
    return torch.cat(cells)


def flatten(maps: Sequence[Tensor]) -> Tensor:
    """Join the maps to ``float (n, cells, 15)``, in the order of `grid`."""
    return torch.cat([one.flatten(2) for one in maps], dim=2).transpose(1, 2)


def boxes(raw: Tensor, cells: Tensor) -> Tensor:
    """Decode boxes ``xyxy (..., 4)`` in input pixels from ``(..., 15)`` predictions of the cells ``(..., 3)``."""
    stride = cells[..., 2:3]
    centre = cells[..., :2] + raw[..., 1:3] * stride
    half = torch.exp(raw[..., 3:5].clamp(-3.0, 6.0)) * stride * 0.5
    return torch.cat([centre - half, centre + half], dim=-1)


def points(raw: Tensor, xyxy: Tensor) -> Tensor:
    """Decode five points ``(..., 5, 2)`` in input pixels: predicted relative to the box's centre, in box sides."""
    centre = (xyxy[..., :2] + xyxy[..., 2:]) * 0.5
    side = xyxy[..., 2:] - xyxy[..., :2]
    relative = raw[..., 5:15].reshape(*raw.shape[:-1], 5, 2)
    return centre.unsqueeze(-2) + relative * side.unsqueeze(-2)


class FaceDetector(nn.Module):
    """The deployable detector: pixels in, suppressed and sorted faces out, for any side that is a multiple of 32.

    Args:
        net: trained network in evaluation mode; its weights are copied, its stem takes over the scaling of pixels.
        top: answers looked at for each picture, at most.
        overlap: of two answers that overlap more (IoU), the lower one is dropped.
    """

    def __init__(self, net: FaceNet, *, top: int = 200, overlap: float = 0.5) -> None:
        super().__init__()
        self.net = copy.deepcopy(net).eval().requires_grad_(False)
        stem = self.net.stem[0]
        assert isinstance(stem, nn.Conv2d)
        stem.weight.div_(255.0)
        self.top, self.overlap = top, overlap
        # a small picture has fewer cells than are looked at: these fill up, with a score of 0 and hardly a size
        self.register_buffer("blank", torch.full((1, CHANNELS, top), -3.0 * DROP), persistent=False)
        levels = [*STRIDES, *(stride * SHRINK for stride in STRIDES)]
        self.register_buffer("strides", torch.tensor(levels, dtype=torch.float32), persistent=False)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Find faces.

        Args:
            image: ``uint8 (n, H, W, 3)`` RGB, sides multiples of 32.

        Returns:
            ``boxes (n, k, 4)`` xyxy in pixels, ``scores (n, k)`` best first, ``points (n, k, 5, 2)`` in pixels. There
            are as many rows as the picture with the most answers needs, at least one; a suppressed answer has a score
            close to zero, and what fills up the rows of another picture has one below 0.05.
        """
        x = image.permute(0, 3, 1, 2).float()
        copy = functional.interpolate(x, scale_factor=1.0 / SHRINK, mode="bilinear", align_corners=False)
        # Its sides are multiples of 8: black fills it up to the multiple of 32 that the network needs.
        copy = functional.pad(copy, (0, -copy.shape[3] % STRIDES[-1], 0, -copy.shape[2] % STRIDES[-1]))
        maps = [*self.net(x), *self.net(copy)]
        blank = self.get_buffer("blank").expand(image.shape[0], -1, -1)
        flat = torch.cat([*(one.flatten(2) for one in maps), blank], dim=2)
        around = [functional.max_pool2d(one[:, :1], 3, 1, 1).flatten(1) for one in maps]
        best, cell = self._best(_peaks(flat[:, 0], torch.cat([*around, blank[:, 0]], dim=1)))
        raw = torch.gather(flat, 2, cell.unsqueeze(1).expand(-1, CHANNELS, -1)).transpose(1, 2)
        cells = self._places(cell, maps)
        xyxy = boxes(raw, cells)
        places = torch.cat([xyxy, points(raw, xyxy).flatten(2)], dim=2)
        fit, (common, area) = self._fit(cell, maps, xyxy), _overlaps(xyxy)
        kept = self._kept(common, area, fit)
        places = _agreed(places, common, area, best.sigmoid().unsqueeze(2) * fit)
        scores, order = (best.sigmoid() * (kept + math.exp(-DROP))).sort(dim=1, descending=True)
        places = _rows(places, order)
        return places[..., :4], scores, places[..., 4:].reshape(*places.shape[:2], 5, 2)

    def _best(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Return the best logits ``(n, k)`` and their places, as many as the picture with the most answers needs."""
        best, cell = logits.topk(self.top, dim=1)
        # a number here, a symbol while the graph is traced, which has to be told its range
        count: Any = (best > LOWEST).any(0).sum().clamp(min=1).item()
        torch._check(count >= 1)
        torch._check(count <= self.top)
        return best.narrow(1, 0, count), cell.narrow(1, 0, count)

    def _places(self, cell: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """Return the rows of `grid` for positions ``int64 (n, k)`` of the joined maps, without listing all cells."""
        columns = torch.stack([_whole(one.shape[3], cell) for one in maps])
        counts = torch.stack([_whole(one.shape[2] * one.shape[3], cell) for one in maps])
        starts = counts.cumsum(0) - counts
        level = (cell.unsqueeze(-1) >= starts).sum(-1) - 1
        local = cell - starts[level]
        row = local.div(columns[level], rounding_mode="floor")
        centre = torch.stack([local - row * columns[level], row], dim=-1) + 0.5
        stride = self.get_buffer("strides")[level].unsqueeze(-1)
        return torch.cat([centre * stride, stride], dim=-1)

    def _fit(self, cell: Tensor, maps: Sequence[Tensor], xyxy: Tensor) -> Tensor:
        """Mark with 1 the boxes ``(n, k, 4)`` of a size that their look may answer for: ``float (n, k, 1)``."""
        near = cell < sum(one.shape[2] * one.shape[3] for one in maps[: len(STRIDES)])
        area = (xyxy[..., 2:] - xyxy[..., :2]).prod(-1)
        return ((near & (area <= LARGE**2)) | (~near & (area >= LEAST**2))).float().unsqueeze(-1)

    def _kept(self, common: Tensor, area: Tensor, fit: Tensor) -> Tensor:
        """Mark with 1 what greedy suppression keeps of boxes sorted best first, ``(n, top)``.

        A box is kept when no better *kept* box overlaps it, and no better kept box of a large face contains it.
        Starting from all kept, each round settles the chains of boxes that suppress each other one link deeper; faces
        never chain as deep as the rounds.

        Args:
            common: area that each two boxes share, ``(n, top, top)``, in square pixels.
            area: of each box, ``(n, top, 1)``.
            fit: 1 for a box that counts at all, ``(n, top, 1)``.
        """
        # Rows are the worse boxes, columns the better ones. A large face takes what lies inside it, others never do.
        inside = torch.where(area.transpose(1, 2) >= LARGE**2, INSIDE, 2.0)
        limit = torch.minimum(_least_common(area, self.overlap), area * inside)
        over = (common > limit).float().tril(-1)
        kept = fit
        for _ in range(ROUNDS):
            kept = fit * (1.0 - torch.matmul(over, kept).clamp(max=1.0))
        return kept.squeeze(2)


def _overlaps(xyxy: Tensor) -> tuple[Tensor, Tensor]:
    """Return the area that each two of boxes ``(n, k, 4)`` share, ``(n, k, k)``, and each one's own, ``(n, k, 1)``."""
    x1, y1, x2, y2 = xyxy.unsqueeze(2).unbind(-1)
    width = (torch.minimum(x2, x2.transpose(1, 2)) - torch.maximum(x1, x1.transpose(1, 2))).relu()
    height = (torch.minimum(y2, y2.transpose(1, 2)) - torch.maximum(y1, y1.transpose(1, 2))).relu()
    return width * height, (x2 - x1) * (y2 - y1)


def _least_common(area: Tensor, overlap: float) -> Tensor:
    """Return the area that each two boxes share at a given IoU: intersection = (area + area) * t / (1 + t)."""
    return (area + area.transpose(1, 2)) * (overlap / (1.0 + overlap))


def _agreed(places: Tensor, common: Tensor, area: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted mean of the places of all answers that agree with each one.

    Args:
        places: boxes and points, ``(n, k, d)``.
        common: area that each two boxes share, ``(n, k, k)``.
        area: of each box, ``(n, k, 1)``.
        weight: of each answer, ``(n, k, 1)``; an answer without weight stays where it is.
    """
    votes = (common > _least_common(area, AGREE)).float() * weight.transpose(1, 2)
    total = votes.sum(dim=2, keepdim=True)
    return torch.where(weight > 0, torch.matmul(votes, places) / total.clamp(min=1e-9), places)


def _rows(values: Tensor, at: Tensor) -> Tensor:
    """Gather rows ``(n, k, d)`` of ``(n, m, d)`` by their places ``(n, k)``."""
    return torch.gather(values, 1, at.unsqueeze(-1).expand(-1, -1, values.shape[-1]))


def _whole(value: int, like: Tensor) -> Tensor:
    """Make a whole number, which may be a symbol while a graph is traced, a tensor ``()``."""
    return torch.full((), value, dtype=torch.int64, device=like.device)


def _peaks(logits: Tensor, around: Tensor) -> Tensor:
    """Leave a logit as it is only where the best of the 3x3 cells around it is not clearly better: ``(n, cells)``."""
    return torch.where(logits >= around - CLEARLY, logits, logits - DROP)
