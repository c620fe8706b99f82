"""A small MobileNetV2 for small pictures: inverted residuals (Sandler et al. 2018), and a stem that halves the side.

Few parameters and few multiplications; depthwise convolutions are bound by memory, so on CPUs it is not faster than
dense 3x3 convolutions by as much as its multiplications say (docs/decisions/backbone.md).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from mien.models.backbones._staged import Staged, squeezed


def conv_norm(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Return a convolution that keeps the side (but for its stride) and a batch norm."""
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]


class InvertedResidual(nn.Module):
    """Widens, looks around in every channel by itself, and narrows without an activation; with a shortcut if it can."""

    def __init__(self, inputs: int, outputs: int, stride: int, expand: int, squeeze: float = 0.0) -> None:
        super().__init__()
        hidden = inputs * expand
        widen = [*conv_norm(inputs, hidden, 1), nn.ReLU6(inplace=True)] if expand > 1 else []
        self.body = nn.Sequential(
            *widen,
            *conv_norm(hidden, hidden, 3, stride, groups=hidden),
            nn.ReLU6(inplace=True),
            *squeezed(hidden, squeeze),
            *conv_norm(hidden, outputs, 1),
        )
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, inputs, h, w)`` to ``(n, outputs, h / stride, w / stride)``."""
        out: Tensor = self.body(x)
        return x + out if self.shortcut else out


class MobileNet(Staged):
    """A stem, a stage of inverted residuals a width, a wide last layer; each stage but the first halves the side."""

    def __init__(
        self,
        channels: int,
        widths: Sequence[int],
        blocks: Sequence[int],
        expand: int,
        features: int,
        squeeze: float,
    ) -> None:
        parts: list[nn.Module] = []
        inputs = widths[0]
        for number, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            stage = [InvertedResidual(inputs, width, 1 if number == 0 else 2, expand, squeeze)]
            stage += [InvertedResidual(width, width, 1, expand, squeeze) for _ in range(count - 1)]
            parts.append(nn.Sequential(*stage))
            inputs = width
        parts.append(nn.Sequential(*conv_norm(inputs, features, 1), nn.ReLU6(inplace=True)))
        stem = nn.Sequential(*conv_norm(channels, widths[0], 3, 2), nn.ReLU6(inplace=True))
        super().__init__(features, stem, parts)


def build(
    channels: int,
    widths: Sequence[int] = (24, 32, 64, 128),
    blocks: Sequence[int] = (2, 3, 4, 3),
    expand: int = 6,
    features: int = 512,
    squeeze: float = 0.0,
) -> MobileNet:
    """Make a MobileNet.

    Args:
        channels: of the pictures.
        widths: channels a stage.
        blocks: inverted residuals a stage.
        expand: factor by which a block widens inside.
        features: of the last layer.
        squeeze: share of channels in the narrow layer of squeeze-and-excitation inside each block (as in MobileNetV3,
            Howard et al. 2019, which takes 0.25); 0 is without.
    """
    return MobileNet(channels, widths, blocks, expand, features, squeeze)
