"""The network: uint8 pictures in, logits a head out; grey conversion and normalisation live inside.

No client ever sees a mean or a standard deviation: what `Deployed` holds is what the ONNX graph holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from mien.models.backbones import Backbone
from mien.models.heads import Head

Normalisation = Literal["picture", "half"]

# ITU-R BT.601, what OpenCV and Pillow use for grey.
GREY = (0.299, 0.587, 0.114)
LEAST = 1e-3
"""The least probability of a label once label smoothing is undone: the difference of two small numbers says no more."""


class Network(nn.Module):
    """A trunk and its heads.

    Args:
        backbone: maps normalised pictures to features.
        heads: a head a name.
        channels: 1 for grey, 3 for RGB; what the backbone was made for.
        normalise: `picture` takes each picture's own mean and standard deviation out, so that light and contrast do
            not matter; `half` maps 0..255 to -1..1.
        evidence: for a head that weights its features by another head's probabilities, that head's name.
        side: pictures are resized to it before anything else; 0 takes them as they come. A trunk that halves its maps
            often sees more of a small crop that is enlarged, and every client still cuts the same small crop.
    """

    def __init__(
        self,
        backbone: Backbone,
        heads: Mapping[str, Head],
        channels: Literal[1, 3],
        normalise: Normalisation = "picture",
        evidence: Mapping[str, str] | None = None,
        side: int = 0,
    ) -> None:
        super().__init__()
        self.side = side
        self.evidence = dict(evidence or {})
        self.backbone = backbone
        self.heads = nn.ModuleDict(heads)
        self.channels, self.normalise = channels, normalise
        self.register_buffer("grey", torch.tensor(GREY).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return logits ``(n, classes)`` a head.

        Args:
            images: values 0..255, ``(n, 1, h, w)`` grey or ``(n, 3, h, w)`` RGB, any number type; RGB becomes grey
                where the network wants grey.
        """
        features = self.backbone(self.prepare(images))
        free = {name: head(features) for name, head in self.heads.items() if name not in self.evidence}
        for name, other in self.evidence.items():
            found = self.heads[other].probabilities(free[other])  # type: ignore[operator]
            free[name] = self.heads[name](features, found)
        return {name: free[name] for name in self.heads}

    def prepare(self, images: Tensor) -> Tensor:
        """Turn pictures 0..255 into what the backbone takes: right channels, its side, normalised, float."""
        x = images.float()
        if self.channels == 1 and x.shape[1] == 3:
            x = (x * self.get_buffer("grey")).sum(dim=1, keepdim=True)
        if self.side and x.shape[-2:] != (self.side, self.side):
            x = functional.interpolate(x, size=(self.side, self.side), mode="bilinear", align_corners=False)
        if self.normalise == "half":
            return x / 127.5 - 1.0
        centred = x - x.mean(dim=(1, 2, 3), keepdim=True)
        # The floor of 8 grey levels keeps a flat picture from becoming pure noise.
        deviation = (centred.square().mean(dim=(1, 2, 3), keepdim=True) + 64.0).sqrt()
        return centred / deviation


class Deployed(nn.Module):
    """The network as clients meet it: RGB uint8 crops in, calibrated probabilities a head out.

    Args:
        network: the trained network.
        temperatures: by which a head's logits are divided (Guo et al. 2017); 1 where a head is not named.
        smoothing: share of a head's targets that its training spread over all labels (Szegedy et al. 2016). Such a head
            answers with ``(1 - share) * p + share / labels``; the `p` is taken out of it before the temperature.
    """

    def __init__(
        self,
        network: Network,
        temperatures: Mapping[str, float] | None = None,
        smoothing: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.temperatures = {name: float((temperatures or {}).get(name, 1.0)) for name in network.heads}
        self.smoothing = {name: float((smoothing or {}).get(name, 0.0)) for name in network.heads}

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map ``uint8 (n, size, size, 3)`` to probabilities ``(n, classes)``, in the order of the heads."""
        logits = self.network(images.permute(0, 3, 1, 2))
        return tuple(self._answer(name, value) for name, value in logits.items())

    def _answer(self, name: str, logits: Tensor) -> Tensor:
        """Make a head's logits ``(n, classes)`` its calibrated answer."""
        head, temperature, share = self.network.heads[name], self.temperatures[name], self.smoothing[name]
        if share:
            smooth = head.probabilities(logits)  # type: ignore[operator]
            own = (smooth - share / smooth.shape[-1]) / (1.0 - share)
            logits = own.clamp(min=LEAST).log()
        answer: Tensor = head.probabilities(logits / temperature)  # type: ignore[operator]
        return answer
