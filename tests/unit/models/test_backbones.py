from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.ops import SqueezeExcitation

from mien.errors import RecipeError
from mien.models import backbones
from mien.models.backbones.repvgg import RepVGG

SMALL: dict[str, dict[str, Any]] = {
    "resnet": {"widths": [8, 16], "blocks": [1, 2]},
    "mobilenet": {"widths": [8, 16], "blocks": [2, 2], "expand": 3, "features": 24},
    "repvgg": {"widths": [8, 16], "blocks": [2, 3]},
}
SQUEEZED = {name: SMALL[name] | {"squeeze": 0.25} for name in ("resnet", "mobilenet")}


def stirred(name: str, options: dict[str, Any] | None = None) -> backbones.Backbone:
    """A network whose norms have seen pictures, in evaluation mode."""
    torch.manual_seed(2)
    made = backbones.build(name, 1, **options or SMALL[name])
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


@pytest.mark.parametrize("name", sorted(SQUEEZED))
def test_squeeze_and_excitation_gates_each_channel_of_a_block_by_its_mean_over_the_picture(name: str) -> None:
    made = stirred(name, SQUEEZED[name])
    gates = [module for module in made.modules() if isinstance(module, SqueezeExcitation)]
    assert len(gates) == sum(SMALL[name]["blocks"])
    seen: list[tuple[Tensor, Tensor]] = []
    gates[-1].register_forward_hook(lambda module, given, out: seen.append((given[0], out)))
    made(torch.randn(2, 1, 24, 24))
    given, out = seen[0]
    # Equations 2 to 4 of Hu et al. 2018, with matrices.
    reduce, expand = (layer.weight.flatten(1) for layer in (gates[-1].fc1, gates[-1].fc2))
    assert len(reduce) == round(given.shape[1] * 0.25)
    hidden = torch.relu(given.mean(dim=(2, 3)) @ reduce.T + gates[-1].fc1.bias)
    gate = torch.sigmoid(hidden @ expand.T + gates[-1].fc2.bias)
    torch.testing.assert_close(out, given * gate[:, :, None, None])


def test_a_share_of_channels_beyond_all_is_refused() -> None:
    with pytest.raises(RecipeError, match="squeeze is the share of channels"):
        backbones.build("resnet", 1, squeeze=16)


def test_an_inverted_residual_answers_as_torchvisions_with_the_same_weights() -> None:
    from torchvision.models.mobilenetv2 import InvertedResidual

    from mien.models.backbones.mobilenet import InvertedResidual as Own

    for inputs, outputs, stride, expand in ((8, 8, 1, 6), (8, 16, 2, 4), (8, 16, 1, 1)):
        theirs, own = InvertedResidual(inputs, outputs, stride, expand), Own(inputs, outputs, stride, expand)
        own.load_state_dict(dict(zip(own.state_dict(), theirs.state_dict().values(), strict=True)))
        pictures = torch.randn(2, inputs, 10, 10)
        torch.testing.assert_close(own.eval()(pictures), theirs.eval()(pictures))
