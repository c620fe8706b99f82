from __future__ import annotations

import pytest
import torch
from torch import nn

from mien.models import backbones
from mien.models.backbones.repvgg import RepVGG

SMALL = {
    "resnet": {"widths": [8, 16], "blocks": [1, 2]},
    "mobilenet": {"widths": [8, 16], "blocks": [2, 2], "expand": 3, "features": 24},
    "repvgg": {"widths": [8, 16], "blocks": [2, 3]},
}


def stirred(name: str) -> backbones.Backbone:
    """A network whose norms have seen pictures, in evaluation mode."""
    torch.manual_seed(2)
    made = backbones.build(name, 1, **SMALL[name])
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
    with torch.no_grad():
        for _ in range(3):
            made.train()(torch.randn(8, 1, 24, 24))
    return made.eval()


@pytest.mark.parametrize("name", sorted(SMALL))
def test_every_own_family_gives_features_of_its_width_at_any_side_and_lists_every_parameter_once(name: str) -> None:
    made = stirred(name)
    for side in (16, 33, 48):
        assert made(torch.randn(2, 1, side, side)).shape == (2, made.width)
    staged = [id(p) for stage in made.stages() for p in stage.parameters()]
    assert sorted(staged) == sorted(id(p) for p in made.parameters())


@pytest.mark.parametrize("name", sorted(SMALL))
def test_recomputing_activations_changes_no_gradient(name: str) -> None:
    pictures = torch.randn(4, 1, 24, 24)
    gradients = []
    for recompute in (False, True):
        made = stirred(name)
        made.checkpointing(recompute)
        made.train()(pictures).square().mean().backward()
        gradients.append([p.grad for p in made.parameters()])
    torch.testing.assert_close(gradients[0], gradients[1])


@pytest.mark.parametrize("name", sorted(SMALL))
def test_merging_for_export_keeps_the_answers(name: str) -> None:
    made, pictures = stirred(name), torch.randn(4, 1, 24, 24)
    with torch.no_grad():
        before = made(pictures)
        made.merge()
        torch.testing.assert_close(made(pictures), before, atol=1e-4, rtol=1e-4)


def test_a_merged_repvgg_is_plain_convolutions() -> None:
    made = stirred("repvgg")
    assert isinstance(made, RepVGG)
    made.merge()
    kinds = {type(module) for module in made.modules() if not list(module.children())}
    assert kinds == {nn.Conv2d, nn.ReLU, nn.AdaptiveAvgPool2d}
    assert sum(isinstance(module, nn.Conv2d) for module in made.modules()) == 5


def test_an_inverted_residual_answers_as_torchvisions_with_the_same_weights() -> None:
    from torchvision.models.mobilenetv2 import InvertedResidual

    from mien.models.backbones.mobilenet import InvertedResidual as Own

    for inputs, outputs, stride, expand in ((8, 8, 1, 6), (8, 16, 2, 4), (8, 16, 1, 1)):
        theirs, own = InvertedResidual(inputs, outputs, stride, expand), Own(inputs, outputs, stride, expand)
        own.load_state_dict(dict(zip(own.state_dict(), theirs.state_dict().values(), strict=True)))
        pictures = torch.randn(2, inputs, 10, 10)
        torch.testing.assert_close(own.eval()(pictures), theirs.eval()(pictures))
