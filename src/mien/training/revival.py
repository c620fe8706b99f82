"""A model folder's graph becomes a trainable network again: fine-tuning needs no checkpoint of whoever trained it.

An exported graph has batch normalisation folded into the convolutions, and perhaps its weights stored in bytes. Here
each convolution gets its folded weights, and the norm behind it the mean and spread that the data at hand give, with a
scale and shift that undo them: in evaluation mode the network answers as the graph does, in training mode it is
normalised as any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import onnx
import torch
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import numpy_helper
from torch import Tensor, nn

from mien.errors import ModelError

_BYTES, _SCALE = "_bytes", "_scale"
_FOLDED = "ConvBnFusion_W_"


def weights(graph: Path, prefix: str) -> dict[str, Tensor]:
    """Read the named weights of a 32-bit graph that `mien export` wrote.

    Args:
        graph: ONNX file.
        prefix: of the network's own names in it, such as ``network.``.

    Returns:
        Arrays in float32 by name; what a norm shifts a convolution by stands as the ``bias`` beside its ``weight``.

    Raises:
        ModelError: no such file or no ONNX graph.
    """
    try:
        model = onnx.load(graph)
    except OSError as error:
        raise ModelError(f"cannot read the graph '{graph}': {error}") from error
    except DecodeError as error:
        raise ModelError(f"'{graph}' is no ONNX graph") from error
    found = {one.name: torch.from_numpy(numpy_helper.to_array(one).copy()) for one in model.graph.initializer}
    for name in [name for name in found if name.endswith(_BYTES)]:
        plain = name.removesuffix(_BYTES)
        found[plain] = found.pop(name).float() * found.pop(f"{plain}{_SCALE}")
    out = {name.removeprefix(prefix): value.float() for name, value in found.items() if name.startswith(prefix)}
    for node in model.graph.node:
        if node.op_type not in ("Conv", "Gemm") or node.input[1] not in found:
            continue
        name = node.input[1].removeprefix(_FOLDED).removeprefix(prefix)
        out[name] = found[node.input[1]].float()
        if len(node.input) > 2:
            out[f"{name.removesuffix('weight')}bias"] = found[node.input[2]].float()
    return out


@torch.no_grad()
def revive(
    network: nn.Module, state: Mapping[str, Tensor], batches: Iterable[Tensor], *, divided: Mapping[str, float] = {}
) -> None:
    """Put folded weights into a network whose norms follow its convolutions, in place.

    Args:
        network: freshly initialised; its norms get the statistics of `batches`.
        state: from `weights`.
        batches: what the network takes, enough pictures for a mean and a spread a channel.
        divided: by layer, what the export divided its weights by.

    Raises:
        ModelError: a layer is missing in the graph or has another shape there, or a folded shift has no norm to go to.
    """
    batches = list(batches)
    norms = _norms(network, batches[0][:2])
    lengths = {}
    _copy_rest(network, state, set(norms.values()))
    for name, module in network.named_modules():
        if not isinstance(module, nn.Conv2d | nn.Linear):
            continue
        weight, bias = state.get(f"{name}.weight"), state.get(f"{name}.bias")
        if weight is None or weight.shape != module.weight.shape:
            shape = "is missing" if weight is None else f"has the shape {tuple(weight.shape)}"
            raise ModelError(f"the layer '{name}' {shape} in the graph, expected {tuple(module.weight.shape)}")
        lengths[name] = module.weight.flatten(1).norm(dim=1).mean()
        module.weight.copy_(weight * divided.get(name, 1.0))
        if module.bias is not None and bias is not None:
            module.bias.copy_(bias)
        elif name in norms:
            _transparent(norms[name], bias)
        elif bias is not None:
            raise ModelError(f"the layer '{name}' has a shift in the graph, and no norm in this network to take it")
    statistics = _statistics(network, norms.values(), batches)
    for name, norm in norms.items():
        module = network.get_submodule(name)
        assert isinstance(module, nn.Conv2d)
        # A norm makes a filter's length meaningless to the answer, but not to how fast it turns while it learns.
        length = module.weight.flatten(1).norm(dim=1).clamp(min=1e-8)
        factor = lengths[name] / length
        module.weight.mul_(factor.view(-1, 1, 1, 1))
        _settle(norm, factor, *statistics[norm])


def _copy_rest(network: nn.Module, state: Mapping[str, Tensor], norms: set[nn.BatchNorm2d]) -> None:
    """Copy what stands in the graph under its own name: all but convolutions, linear layers and folded norms."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear) or module in norms:
            continue
        buffers = module.named_buffers(recurse=False) if isinstance(module, nn.BatchNorm2d) else ()
        for part, value in [*module.named_parameters(recurse=False), *buffers]:
            if part == "num_batches_tracked":
                continue
            whole = f"{name}.{part}" if name else part
            if whole not in state or state[whole].shape != value.shape:
                raise ModelError(f"the weights '{whole}' are missing in the graph, or have another shape there")
            value.copy_(state[whole])


def _norms(network: nn.Module, images: Tensor) -> dict[str, nn.BatchNorm2d]:
    """Find the norm that takes each convolution's output, by name of the convolution."""
    made: dict[int, tuple[str, Tensor]] = {}
    found: dict[str, nn.BatchNorm2d] = {}

    def note(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            made[id(output)] = (name, output)

        return hook

    def match(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        name, _ = made.get(id(inputs[0]), ("", inputs[0]))
        if name and isinstance(module, nn.BatchNorm2d):
            found[name] = module

    handles = []
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            handles.append(module.register_forward_hook(note(name)))
        elif isinstance(module, nn.BatchNorm2d):
            handles.append(module.register_forward_pre_hook(match))
    _run(network, [images])
    for handle in handles:
        handle.remove()
    return found


def _transparent(norm: nn.BatchNorm2d, bias: Tensor | None) -> None:
    """Let a norm only add the shift that was folded."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.zero_()
    norm.running_var.fill_(1.0 - norm.eps)
    norm.weight.fill_(1.0)
    norm.bias.copy_(torch.zeros_like(norm.bias) if bias is None else bias)


def _statistics(
    network: nn.Module, norms: Iterable[nn.BatchNorm2d], batches: Iterable[Tensor]
) -> dict[nn.BatchNorm2d, tuple[Tensor, Tensor]]:
    """Return mean and variance a channel of what each norm takes."""
    sums: dict[nn.BatchNorm2d, list[Tensor]] = {norm: [] for norm in norms}

    def add(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(module, nn.BatchNorm2d)
        x = inputs[0].double()
        part = torch.stack([x.sum(dim=(0, 2, 3)), x.square().sum(dim=(0, 2, 3)), torch.ones_like(x[0, :, 0, 0])])
        part[2] *= x.numel() / x.shape[1]
        sums[module].append(part)

    handles = [norm.register_forward_pre_hook(add) for norm in sums]
    _run(network, batches)
    for handle in handles:
        handle.remove()
    out = {}
    for norm, parts in sums.items():
        total, squares, count = torch.stack(parts).sum(dim=0)
        mean = total / count
        out[norm] = (mean.float(), (squares / count - mean.square()).clamp(min=0.0).float())
    return out


def _settle(norm: nn.BatchNorm2d, factor: Tensor, mean: Tensor, variance: Tensor) -> None:
    """Give a norm the statistics of its input times a factor, and a scale and shift that undo both."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.copy_(mean * factor)
    norm.running_var.copy_(variance * factor.square())
    norm.weight.copy_((norm.running_var + norm.eps).sqrt() / factor)
    norm.bias.add_(mean)


def _run(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Show a network batches in evaluation mode."""
    training = network.training
    network.eval()
    for images in batches:
        network(images)
    network.train(training)
