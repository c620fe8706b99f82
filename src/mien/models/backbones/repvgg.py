"""A small RepVGG (Ding et al. 2021): three branches while it learns, one plain 3x3 convolution a layer when it ships.

Every layer adds a 3x3 convolution, a 1x1 convolution and, where shapes allow, the identity, each with its own batch
norm. All three are linear, so `merge` folds them into one convolution with a bias; export does that by itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.models.backbones._staged import Staged


class Layer(nn.Module):
    """A 3x3 convolution as the sum of up to three normalised branches, and a ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.wide = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.narrow = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        self.wide_norm, self.narrow_norm = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
        self.same_norm = nn.BatchNorm2d(outputs) if stride == 1 and inputs == outputs else None
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, inputs, h, w)`` to ``(n, outputs, h / stride, w / stride)``."""
        total = self.wide_norm(self.wide(x)) + self.narrow_norm(self.narrow(x))
        if self.same_norm is not None:
            total = total + self.same_norm(x)
        out: Tensor = self.relu(total)
        return out

    @torch.no_grad()
    def merged(self) -> nn.Sequential:
        """Return one convolution and a ReLU that answer as the layer does in evaluation mode."""
        branches = [(self.wide.weight, self.wide_norm), (F.pad(self.narrow.weight, (1, 1, 1, 1)), self.narrow_norm)]
        if self.same_norm is not None:
            identity = torch.zeros_like(self.wide.weight)
            identity[:, :, 1, 1] = torch.eye(len(identity))
            branches.append((identity, self.same_norm))
        plain = nn.Conv2d(self.wide.in_channels, self.wide.out_channels, 3, self.stride, 1)
        weight, bias = torch.zeros_like(plain.weight), torch.zeros(self.wide.out_channels)
        for kernel, norm in branches:
            assert norm.running_mean is not None
            assert norm.running_var is not None  # batch norms here keep running statistics
            scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            weight += kernel * scale.view(-1, 1, 1, 1)
            bias += norm.bias - norm.running_mean * scale
        plain.weight.copy_(weight)
        assert plain.bias is not None
        plain.bias.copy_(bias)
        return nn.Sequential(plain, nn.ReLU(inplace=True)).train(self.training)


class RepVGG(Staged):
    """A stage of layers a width; each stage halves the side at its first layer."""

    def __init__(self, channels: int, widths: Sequence[int], blocks: Sequence[int]) -> None:
        parts: list[nn.Module] = []
        inputs = channels
        for width, count in zip(widths, blocks, strict=True):
            parts.append(nn.Sequential(Layer(inputs, width, 2), *(Layer(width, width, 1) for _ in range(count - 1))))
            inputs = width
        super().__init__(widths[-1], None, parts)

    def merge(self) -> None:
        """Put one plain convolution in the place of every layer."""
        for stage in self.body:
            assert isinstance(stage, nn.Sequential)
            for name, layer in list(stage.named_children()):
                if isinstance(layer, Layer):
                    setattr(stage, name, layer.merged())


def build(channels: int, widths: Sequence[int] = (32, 64, 128, 256), blocks: Sequence[int] = (2, 3, 4, 2)) -> RepVGG:
    """Make a RepVGG of some widths, with as many layers a stage as `blocks` says."""
    return RepVGG(channels, widths, blocks)
