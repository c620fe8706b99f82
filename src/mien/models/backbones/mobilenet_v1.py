"""MobileNetV1 (Howard et al. 2017): depthwise convolutions, and weights of others to start from.

The features are not only the last layer's: `taps` names the blocks whose pooled outputs are put side by side, because
what a picture conveys lies in its colours and textures as much as in the things it shows. How unevenly a feature is
spread over the picture (`spread`) tells of it too. With `framed`, the black bars of a picture that was fitted into a
square are no part of it: they are as good as padding, and nothing is pooled over them.

`convert` carries weights of the Keras network over as they are. Two habits of TensorFlow are kept for them: a layer
that halves the side pads only at the right and below, and batch normalisation divides by sqrt(variance + 0.001).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mien.errors import ModelError
from mien.models.backbones import Backbone

# Output channels (at width 1) and stride of the thirteen blocks.
BLOCKS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1),
    (1024, 2), (1024, 1),
)  # fmt: skip
_EPSILON = 1e-3
_EVEN = 1e-4  # Keeps the root of a variance of nothing from amplifying rounding.


class Layer(nn.Module):
    """A convolution with TensorFlow's padding, batch normalisation, and a ramp that ends at 6."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1) -> None:
        super().__init__()
        self.halves = stride == 2
        around = 0 if self.halves else kernel // 2
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, around, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=_EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, inputs, h, w)`` to ``(n, outputs, h / stride, w / stride)``."""
        padded = functional.pad(x, (0, 1, 0, 1)) if self.halves else x
        out: Tensor = functional.relu6(self.norm(self.conv(padded)))
        return out


class MobileNet(Backbone):
    """A strided layer and thirteen pairs of a depthwise and a pointwise layer."""

    def __init__(self, channels: int, multiplier: float, taps: Sequence[int], spread: bool, framed: bool) -> None:
        super().__init__()
        if not taps or not set(taps) <= set(range(1, len(BLOCKS) + 1)):
            raise ValueError(f"taps are blocks from 1 to {len(BLOCKS)}, got {list(taps)}")
        self.taps, self.spread, self.framed = tuple(sorted(taps)), spread, framed
        inputs = int(32 * multiplier)
        self.stem = Layer(channels, inputs, 3, 2)
        parts = []
        for outputs, stride in BLOCKS[: self.taps[-1]]:
            wide = int(outputs * multiplier)
            parts.append(nn.Sequential(Layer(inputs, inputs, 3, stride, groups=inputs), Layer(inputs, wide, 1, 1)))
            inputs = wide
        self.body = nn.Sequential(*parts)
        self.width = sum(int(BLOCKS[at - 1][0] * multiplier) for at in self.taps) * (2 if spread else 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return the mean over the picture, then the deviation, of each tapped block's output ``(n, width)``.

        Args:
            images: ``(n, channels, h, w)`` with values from -1 to 1.
        """
        frame = _frame(images) if self.framed else None
        # A layer pads with zeros, and so do the bars.
        x = self.stem(images if frame is None else images * frame)
        means, squares = [], []
        for number, block in enumerate(self.body, start=1):
            x = block(x)
            if number in self.taps:
                means.append(_pool(x, frame))
                if self.spread:
                    squares.append(_pool(x.square(), frame))
        mean = torch.cat(means, dim=1)
        if not self.spread:
            return mean
        deviation = (torch.cat(squares, dim=1) - mean.square()).clamp(min=0.0).add(_EVEN).sqrt()
        return torch.cat([mean, deviation], dim=1)

    def stages(self) -> Iterator[nn.Module]:
        """Yield the first layer and the blocks."""
        yield self.stem
        yield from self.body


def _frame(images: Tensor) -> Tensor:
    """Mark the rows and columns that hold anything but black, ``(n, 1, h, w)``; all of a picture that is all black."""
    lit = (images.amax(dim=1, keepdim=True) > -1.0).float()
    inside = lit.amax(dim=3, keepdim=True) * lit.amax(dim=2, keepdim=True)
    return torch.where(inside.amax(dim=(2, 3), keepdim=True) > 0, inside, torch.ones_like(inside))


def _pool(maps: Tensor, frame: Tensor | None) -> Tensor:
    """Return the mean of maps ``(n, c, h, w)`` over the picture, ``(n, c)``."""
    if frame is None:
        return maps.mean(dim=(2, 3))
    share = functional.adaptive_avg_pool2d(frame, (maps.shape[2], maps.shape[3])).flatten(2)
    summed = torch.matmul(maps.flatten(2), share.transpose(1, 2)).squeeze(2)
    return summed / share.sum(dim=2)


def build(
    channels: int, multiplier: float = 1.0, taps: Sequence[int] = (13,), spread: bool = False, framed: bool = False
) -> MobileNet:
    """Make a MobileNetV1.

    Args:
        channels: of the pictures; the weights of others were made for 3, with values from -1 to 1.
        multiplier: of all widths.
        taps: blocks, from 1 to 13, whose pooled outputs are the features; blocks behind the last are left out.
        spread: the standard deviation of each output over the picture is a feature too.
        framed: rows and columns that are all black are no part of the picture.
    """
    return MobileNet(channels, multiplier, taps, spread, framed)


def convert(network: MobileNet, source: Path) -> None:
    """Load the weights of a Keras MobileNetV1 from an ``npz`` whose arrays are named ``layer__weight``.

    Raises:
        ModelError: it cannot be read, lacks a layer, or was made for other widths.
    """
    names = {"stem": ("conv1", "conv1_bn", "kernel")}
    for number in range(1, len(network.body) + 1):
        for at, kind in enumerate(("dw", "pw")):
            kernel = "depthwise_kernel" if kind == "dw" else "kernel"
            names[f"body.{number - 1}.{at}"] = (f"conv_{kind}_{number}", f"conv_{kind}_{number}_bn", kernel)
    state = {}
    try:
        with np.load(source, allow_pickle=False) as arrays:
            for place, (conv, norm, kernel) in names.items():
                weight = arrays[f"{conv}__{kernel}"]
                # Keras: height, width, in, out (depthwise: height, width, channel, 1). Torch: out, in, height, width.
                order = (2, 3, 0, 1) if kernel == "depthwise_kernel" else (3, 2, 0, 1)
                state[f"{place}.conv.weight"] = weight.transpose(order)
                for ours, theirs in (
                    ("weight", "gamma"), ("bias", "beta"), ("running_mean", "moving_mean"),
                    ("running_var", "moving_variance"),
                ):  # fmt: skip
                    state[f"{place}.norm.{ours}"] = arrays[f"{norm}__{theirs}"]
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"cannot take MobileNet weights from {source}: {error}") from error
    tensors = {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in state.items()}
    try:
        missing, _ = network.load_state_dict(tensors, strict=False)
    except RuntimeError as error:
        last = str(error).splitlines()[-1].strip()
        raise ModelError(f"the weights in {source} are of another width: {last}") from error
    lacking = [name for name in missing if not name.endswith("num_batches_tracked")]
    if lacking:
        raise ModelError(f"{source} lacks weights for {lacking[0]}")
