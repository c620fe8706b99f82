from __future__ import annotations

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from mien.models import backbones  # noqa: E402
from mien.models.heads import Head  # noqa: E402
from mien.models.network import Deployed, Network  # noqa: E402


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    trunk = backbones.build("resnet", 1, widths=[8, 16], blocks=[1, 2])
    return Network(trunk, {"a": Head(16, 8), "b": Head(16, 7)}, 1).eval()


def test_grey_inside_the_network_is_opencvs_to_a_rounding(network: Network, rng: np.random.Generator) -> None:
    colour = rng.integers(0, 256, (4, 24, 24, 3), dtype=np.uint8)
    grey = np.stack([cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in colour])
    ours = network.prepare(torch.from_numpy(colour).permute(0, 3, 1, 2))
    theirs = network.prepare(torch.from_numpy(grey)[:, None])
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=0.02)


def test_light_and_contrast_do_not_matter_to_a_network_that_normalises_by_picture(network: Network) -> None:
    picture = torch.rand(2, 1, 24, 24) * 100 + 50
    first, second = network(picture), network(picture * 1.5 - 20)
    torch.testing.assert_close(first["a"], second["a"], atol=5e-2, rtol=5e-2)


def test_a_flat_picture_gives_finite_logits(network: Network) -> None:
    assert all(value.isfinite().all() for value in network(torch.full((1, 3, 24, 24), 255)).values())


def test_deployed_takes_uint8_rgb_and_gives_calibrated_probabilities_in_the_order_of_the_heads(
    network: Network,
) -> None:
    crops = torch.randint(0, 256, (3, 24, 24, 3), dtype=torch.uint8)
    a, b = Deployed(network, {"a": 2.0})(crops)
    logits = network(crops.permute(0, 3, 1, 2))
    torch.testing.assert_close(a, (logits["a"] / 2).softmax(-1))
    torch.testing.assert_close(b, logits["b"].softmax(-1))


def test_label_smoothing_is_undone_before_the_temperature(network: Network) -> None:
    classes = network.heads["a"].linear.out_features  # type: ignore[union-attr]
    own = torch.full((classes,), 0.1 / (classes - 1))
    own[1] = 0.9
    learnt = 0.8 * own + 0.2 / classes
    with torch.no_grad():
        for linear in [network.heads["a"].linear]:
            linear.weight.zero_()  # type: ignore[union-attr, operator]
            linear.bias.copy_(learnt.log())  # type: ignore[union-attr, operator]
    crops = torch.randint(0, 256, (2, 24, 24, 3), dtype=torch.uint8)
    torch.testing.assert_close(Deployed(network, smoothing={"a": 0.2})(crops)[0], own.expand(2, -1))
    warm = (own.log() / 1.5).softmax(-1).expand(2, -1)
    torch.testing.assert_close(Deployed(network, {"a": 1.5}, {"a": 0.2})(crops)[0], warm)
    # more smoothing than there can have been leaves labels below nothing: they keep a thousandth, and all stays finite
    rest = Deployed(network, smoothing={"a": 0.6})(crops)[0].detach()
    top = (float(learnt[1]) - 0.6 / classes) / 0.4
    assert rest.sum(-1).numpy() == pytest.approx(1.0)
    assert float(rest.min()) == pytest.approx(1e-3 / (top + 7e-3), rel=1e-3)


def test_recomputing_activations_changes_memory_not_gradients() -> None:
    gradients = []
    for recompute in (False, True):
        torch.manual_seed(1)
        trunk = backbones.build("resnet", 1, widths=[8, 16], blocks=[1, 1])
        trunk.checkpointing(recompute)
        trunk(torch.ones(4, 1, 16, 16)).square().sum().backward()
        gradients.append([p.grad.clone() for p in trunk.parameters() if p.grad is not None])
    for first, second in zip(*gradients, strict=True):
        torch.testing.assert_close(first, second)


def test_stages_hold_every_parameter_of_a_trunk_once() -> None:
    for trunk in (backbones.build("resnet", 1), backbones.build("timm:test_vit.r160_in1k", 3)):
        inside = [id(p) for stage in trunk.stages() for p in stage.parameters()]
        assert len(inside) == len(set(inside))
        outside = [p for p in trunk.parameters() if id(p) not in set(inside)]
        assert all(p.ndim <= 3 for p in outside)  # class token and place embedding
    assert trunk(torch.zeros(1, 3, 160, 160)).shape == (1, trunk.width)


def test_evidence_starts_as_no_evidence() -> None:
    torch.manual_seed(2)
    head = Head(6, 3, evidence=4)
    features = torch.randn(5, 6)
    torch.testing.assert_close(head(features, torch.rand(5, 4)), head(features))


def test_a_network_with_a_side_enlarges_its_crop_as_opencv_does(rng: np.random.Generator) -> None:
    torch.manual_seed(0)
    trunk = backbones.build("resnet", 1, widths=[8, 16], blocks=[1, 2])
    heads = {"a": Head(16, 8)}
    larger, plain = Network(trunk, heads, 1, side=32).eval(), Network(trunk, heads, 1).eval()
    crops = rng.integers(0, 256, (3, 24, 24), dtype=np.uint8)
    enlarged = np.stack([cv2.resize(c.astype(np.float32), (32, 32), interpolation=cv2.INTER_LINEAR) for c in crops])
    expected = plain(torch.from_numpy(enlarged)[:, None])["a"]
    torch.testing.assert_close(larger(torch.from_numpy(crops)[:, None])["a"], expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(larger(torch.from_numpy(enlarged)[:, None])["a"], expected)
