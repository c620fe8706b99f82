"""MobileNetV1 with weights in Keras' layout, against the layers written out in NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="needs the extra 'train'")

from mien.errors import ModelError  # noqa: E402
from mien.models import backbones  # noqa: E402
from mien.models.backbones import mobilenet_v1  # noqa: E402

Array = NDArray[np.float64]


def layer(x: Array, kernel: Array, arrays: dict[str, Array], norm: str, stride: int, *, depthwise: bool) -> Array:
    """One layer as TensorFlow computes it; x is ``(h, w, channels)``, kernel ``(k, k, in, out)``."""
    size = kernel.shape[0]
    if stride == 2:
        x = np.pad(x, ((0, 1), (0, 1), (0, 0)))
    elif size == 3:
        x = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    rows, columns = ((x.shape[0] - size) // stride + 1, (x.shape[1] - size) // stride + 1)
    out = np.zeros((rows, columns, kernel.shape[2] if depthwise else kernel.shape[3]))
    for dy in range(size):
        for dx in range(size):
            part = x[dy : dy + rows * stride : stride, dx : dx + columns * stride : stride][:rows, :columns]
            out += part * kernel[dy, dx, :, 0] if depthwise else part @ kernel[dy, dx]
    gamma, beta, mean, variance = (
        arrays[f"{norm}__{name}"] for name in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    return np.clip((out - mean) / np.sqrt(variance + 1e-3) * gamma + beta, 0, 6)


def run(x: Array, arrays: dict[str, Array], blocks: int) -> list[Array]:
    """Return the mean of each block's output."""
    x = layer(x, arrays["conv1__kernel"], arrays, "conv1_bn", 2, depthwise=False)
    pooled = []
    for n in range(1, blocks + 1):
        stride = mobilenet_v1.BLOCKS[n - 1][1]
        depth = arrays[f"conv_dw_{n}__depthwise_kernel"]
        x = layer(x, depth, arrays, f"conv_dw_{n}_bn", stride, depthwise=True)
        x = layer(x, arrays[f"conv_pw_{n}__kernel"], arrays, f"conv_pw_{n}_bn", 1, depthwise=False)
        pooled.append(x.mean(axis=(0, 1)))
    return pooled


def made(path: Path, rng: np.random.Generator, multiplier: float, blocks: int) -> dict[str, Array]:
    """Write random weights in the layout of Keras and return them."""
    arrays: dict[str, Array] = {}

    def norm(name: str, width: int) -> None:
        arrays[f"{name}__gamma"] = rng.uniform(0.5, 1.5, width)
        arrays[f"{name}__beta"] = rng.normal(1, 0.3, width)
        arrays[f"{name}__moving_mean"] = rng.normal(0, 0.3, width)
        arrays[f"{name}__moving_variance"] = rng.uniform(0.5, 2, width)

    width = int(32 * multiplier)
    arrays["conv1__kernel"] = rng.normal(0, 0.3, (3, 3, 3, width))
    norm("conv1_bn", width)
    for n in range(1, blocks + 1):
        wide = int(mobilenet_v1.BLOCKS[n - 1][0] * multiplier)
        arrays[f"conv_dw_{n}__depthwise_kernel"] = rng.normal(0, 0.4, (3, 3, width, 1))
        norm(f"conv_dw_{n}_bn", width)
        arrays[f"conv_pw_{n}__kernel"] = rng.normal(0, 0.3, (1, 1, width, wide))
        norm(f"conv_pw_{n}_bn", wide)
        width = wide
    np.savez(path, **{name: value.astype(np.float32) for name, value in arrays.items()})
    return arrays


def test_converted_weights_compute_what_keras_computes(tmp_path: Path, rng: np.random.Generator) -> None:
    arrays = made(tmp_path / "w.npz", rng, 0.25, 4)
    network = mobilenet_v1.build(3, multiplier=0.25, taps=(2, 4)).eval()
    mobilenet_v1.convert(network, tmp_path / "w.npz")
    picture = rng.uniform(-1, 1, (32, 48, 3))
    expected = run(picture, arrays, 4)
    with torch.inference_mode():
        found = network(torch.from_numpy(picture).float().permute(2, 0, 1)[None]).numpy()[0]
    np.testing.assert_allclose(found, np.concatenate([expected[1], expected[3]]), rtol=1e-3, atol=1e-3)
    assert network.width == len(found)


def test_googles_weights_know_an_acorn(shared: Path) -> None:
    from mien.imaging import align, image

    weights = shared / "models" / "mobilenet_v1_0.75_224.npz"
    network = mobilenet_v1.build(3, multiplier=0.75).eval()
    mobilenet_v1.convert(network, weights)
    crop = align.whole(image.read(shared / "data" / "faces" / "images" / "oasis_Acorns_1.jpg"), 224)
    pixels = torch.from_numpy(crop).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.inference_mode(), np.load(weights) as arrays:
        logits = network(pixels).numpy()[0] @ arrays["conv_preds__kernel"][0, 0] + arrays["conv_preds__bias"]
    assert int(logits.argmax()) == 988  # 'acorn' among the thousand classes of ImageNet


def test_weights_of_another_width_and_files_that_are_none_are_refused(tmp_path: Path, rng: np.random.Generator) -> None:
    made(tmp_path / "w.npz", rng, 0.25, 2)
    with pytest.raises(ModelError, match="another width"):
        mobilenet_v1.convert(mobilenet_v1.build(3, multiplier=0.5, taps=(2,)), tmp_path / "w.npz")
    with pytest.raises(ModelError, match="cannot take MobileNet weights"):
        mobilenet_v1.convert(mobilenet_v1.build(3, multiplier=0.25, taps=(3,)), tmp_path / "w.npz")
    (tmp_path / "bad.npz").write_bytes(b"no archive")
    with pytest.raises(ModelError, match="cannot take MobileNet weights"):
        mobilenet_v1.convert(mobilenet_v1.build(3, multiplier=0.25, taps=(1,)), tmp_path / "bad.npz")


def test_taps_outside_the_network_are_a_mistake() -> None:
    for taps in ((), (0,), (14,)):
        with pytest.raises(ValueError, match="blocks from 1 to 13"):
            mobilenet_v1.build(3, taps=taps)
    assert backbones.build("mobilenet_v1", 3, multiplier=0.25, taps=(1, 3)).width == 16 + 32


def test_nothing_is_pooled_over_the_bars_of_a_picture_that_was_fitted_into_a_square(rng: np.random.Generator) -> None:
    torch.manual_seed(1)
    network = mobilenet_v1.build(3, multiplier=0.25, taps=(1, 3), spread=True, framed=True).eval()
    picture = torch.from_numpy(rng.uniform(-0.9, 1, (1, 3, 32, 64)).astype(np.float32))
    square = torch.full((1, 3, 64, 64), -1.0)
    square[:, :, 16:48] = picture
    square[:, :, 20:24, 10:20] = -1.0  # black within the picture stays a part of it
    seen: list[torch.Tensor] = []
    for number in (0, 2):
        network.body[number].register_forward_hook(lambda module, given, out: seen.append(out))
    stems: list[torch.Tensor] = []
    network.stem.register_forward_pre_hook(lambda module, given: stems.append(given[0]))
    with torch.inference_mode():
        found = network(square)
    assert bool((stems[0][:, :, :16] == 0).all())
    assert bool((stems[0][:, :, 20:24, 10:20] == -1).all())
    inside = [seen[0][:, :, 8:24], seen[1][:, :, 4:12]]  # strides 2 and 4
    mean = torch.cat([x.mean(dim=(2, 3)) for x in inside], dim=1)
    deviation = torch.cat([x.var(dim=(2, 3), correction=0).add(1e-4).sqrt() for x in inside], dim=1)
    torch.testing.assert_close(found, torch.cat([mean, deviation], dim=1), rtol=1e-4, atol=1e-5)
    assert found.shape == (1, network.width)


def test_a_picture_that_is_all_black_has_features_too() -> None:
    network = mobilenet_v1.build(3, multiplier=0.25, taps=(2,), spread=True, framed=True).eval()
    with torch.inference_mode():
        assert bool(network(torch.full((1, 3, 64, 64), -1.0)).isfinite().all())
