"""What our own families share: a stem, stages one after the other, a mean over the picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from torchvision.ops import SqueezeExcitation

from mien.errors import RecipeError
from mien.models.backbones import Backbone


class Staged(Backbone):
    """A stem and stages of dense layers; a family says what they are made of.

    Args:
        width: features of the last stage.
        stem: first layers, never recomputed; None where the first stage takes the picture.
        stages: the rest.
    """

    def __init__(self, width: int, stem: nn.Module | None, stages: Sequence[nn.Module]) -> None:
        super().__init__()
        self.width = width
        self.stem = stem
        self.body = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.recompute = False
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Return features ``(n, width)``."""
        x = images if self.stem is None else self.stem(images)
        for stage in self.body:
            x = checkpoint(stage, x, use_reentrant=False) if self.recompute and self.training else stage(x)
        out: Tensor = self.pool(x).flatten(1)
        return out

    def stages(self) -> Iterator[nn.Module]:
        """Yield the stem, where there is one, and the stages."""
        if self.stem is not None:
            yield self.stem
        yield from self.body

    def checkpointing(self, on: bool = True) -> None:
        """Recompute each stage's activations in the backward pass, to save memory."""
        self.recompute = on


def squeezed(channels: int, share: float) -> list[nn.Module]:
    """Return the layer that weighs each channel by what the whole picture shows, or none where the share is 0.

    Squeeze-and-excitation (Hu, Shen and Sun 2018): channel means go through a narrow layer to gates in 0..1.

    Args:
        channels: of the maps.
        share: of the channels that the narrow layer has.

    Raises:
        RecipeError: the share is not between 0 and 1.
    """
    if not 0 <= share <= 1:
        raise RecipeError(f"squeeze is the share of channels in the narrow layer, from 0 (none) to 1, not {share}")
    return [SqueezeExcitation(channels, max(round(channels * share), 1))] if share else []
