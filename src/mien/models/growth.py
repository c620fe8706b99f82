"""A larger network that starts where a smaller one of the same kind ended.

Source: Chen, Goodfellow and Shlens 2016, Net2Net (arXiv 1511.05641): wider layers that leave the function as it is.
Here new channels are not copies; they are fresh, and nothing listens to them yet.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

FRESH = 0.05
"""Scale of the batch normalisation that ends a fresh residual branch: it starts almost silent, but can learn."""


@torch.no_grad()
def grow(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put a smaller network's weights into the leading channels of a larger one, in place.

    Channels that only the larger one has keep their initial incoming weights; their weights into old channels become
    zero. So a network that is only wider answers what the smaller one answered. A residual branch that only the larger
    one has is turned down to a twentieth.

    Args:
        network: freshly initialised; its sums and residual branches join the same channels as the smaller one's.
        state: of the smaller network, its layers under the same names.

    Raises:
        ValueError: a layer of the smaller one is missing in the larger one, or has more channels than it.
    """
    target = network.state_dict()
    for name, small in state.items():
        large = target.get(name)
        if large is None or large.ndim != small.ndim:
            raise ValueError(f"the larger network has no layer '{name}' of {small.ndim} axes")
        if any(have < need for have, need in zip(large.shape, small.shape, strict=True)):
            raise ValueError(f"'{name}' is {tuple(small.shape)}, which does not fit into {tuple(large.shape)}")
        if small.ndim > 1:
            large[: small.shape[0], small.shape[1] :] = 0.0
        large[tuple(slice(size) for size in small.shape)] = small
    for name, module in network.named_modules():
        if isinstance(module, nn.BatchNorm2d) and ".body." in name and f"{name}.weight" not in state:
            module.weight.fill_(FRESH)
