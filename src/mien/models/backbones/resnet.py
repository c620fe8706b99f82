"""A small ResNet for small pictures: dense 3x3 convolutions, which 8-bit and bf16 units of CPUs run best.

He et al. 2016, basic blocks; the stem halves the side once instead of four times.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from mien.models.backbones._staged import Staged, squeezed


def conv_norm(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
    """Return a convolution that keeps the side (but for its stride) and a batch norm."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs))


class Block(nn.Module):
    """Two 3x3 convolutions with a shortcut, and gates of channels between them where they are asked for."""

    def __init__(self, inputs: int, outputs: int, stride: int, squeeze: float = 0.0) -> None:
        super().__init__()
        self.first = conv_norm(inputs, outputs, 3, stride)
        self.second = conv_norm(outputs, outputs, 3, 1).extend(squeezed(outputs, squeeze))
        self.shortcut = nn.Identity() if stride == 1 and inputs == outputs else conv_norm(inputs, outputs, 1, stride)
        self.relu = nn.ReLU(inplace=True)
        # The block starts as its shortcut (Goyal et al. 2017): the first steps are calmer.
        nn.init.zeros_(self.second[1].weight)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, inputs, h, w)`` to ``(n, outputs, h / stride, w / stride)``."""
        out: Tensor = self.relu(self.second(self.relu(self.first(x))) + self.shortcut(x))
        return out


class ResNet(Staged):
    """A stem and a stage of blocks a width; each stage but the first halves the side."""

    def __init__(self, channels: int, widths: Sequence[int], blocks: Sequence[int], squeeze: float) -> None:
        parts: list[nn.Module] = []
        inputs = widths[0]
        for number, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            stage = [Block(inputs, width, 1 if number == 0 else 2, squeeze)]
            stage += [Block(width, width, 1, squeeze) for _ in range(count - 1)]
            parts.append(nn.Sequential(*stage))
            inputs = width
        stem = nn.Sequential(conv_norm(channels, widths[0], 3, 2), nn.ReLU(inplace=True))
        super().__init__(widths[-1], stem, parts)


def build(
    channels: int,
    widths: Sequence[int] = (32, 64, 128, 256),
    blocks: Sequence[int] = (2, 2, 2, 2),
    squeeze: float = 0.0,
) -> ResNet:
    """Make a ResNet; the defaults are ResNet-18 at half width.

    Args:
        channels: of the pictures.
        widths: channels a stage.
        blocks: a stage.
        squeeze: share of channels in the narrow layer of squeeze-and-excitation, 0.0625 in the paper; 0 is without.
    """
    return ResNet(channels, widths, blocks, squeeze)
