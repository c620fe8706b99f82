from __future__ import annotations

import pytest
import torch
from torch import nn

from mien.models.face import FaceNet
from mien.models.growth import FRESH, grow


def worked(net: FaceNet) -> FaceNet:
    """Move a network's running statistics and scales away from where they start."""
    torch.manual_seed(3)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean, std=0.3)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return net.eval()


def test_a_wider_network_answers_what_the_smaller_one_answered() -> None:
    small = worked(FaceNet())
    large = FaceNet(widths=(16, 32, 64, 96, 128), depths=(0, 1, 1, 1), neck=64)
    grow(large, small.state_dict())
    x = torch.rand(2, 3, 96, 128)
    with torch.no_grad():
        for wide, narrow in zip(large.eval()(x), small(x), strict=True):
            torch.testing.assert_close(wide, narrow, rtol=1e-4, atol=1e-5)


def test_fresh_branches_are_quiet_and_learn() -> None:
    small = worked(FaceNet())
    large = FaceNet(depths=(0, 2, 1, 1))
    grow(large, small.state_dict())
    fresh = large.stages[1][2].body[1]  # type: ignore[index,union-attr]
    assert torch.equal(fresh.weight, torch.full_like(fresh.weight, FRESH))
    x = torch.rand(2, 3, 96, 128)
    with torch.no_grad():
        before, after = small(x)[0], large.eval()(x)[0]
    assert 0 < float((after - before).abs().mean()) < 0.2 * float(before.abs().mean())
    sum(one.square().mean() for one in large.train()(x)).backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in large.parameters())


def test_a_larger_network_does_not_fit_into_a_smaller_one() -> None:
    with pytest.raises(ValueError, match=r"'stages.1.0.0.weight' is \(64, 16, 3, 3\), which does not fit"):
        grow(FaceNet(), FaceNet(widths=(16, 16, 64, 96, 128)).state_dict())
    with pytest.raises(ValueError, match=r"no layer 'stages.1.2.body.0.weight'"):
        grow(FaceNet(), FaceNet(depths=(0, 2, 1, 1)).state_dict())
