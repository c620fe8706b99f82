"""Fine-tuning: a network that begins with the weights of an earlier run or a model folder instead of random ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from torch import Tensor, nn

from mien import hub, manifest
from mien.errors import RecipeError
from mien.models.network import Network
from mien.training import checkpoint, revival
from mien.training.recipe import TASKS, parse

_TRUNK = "backbone."
_PREFIX = {"expression": "network.", "detection": "net."}
#: What the export of a task divides the weights of its first layer by.
_DIVIDED = {"detection": {"stem.0": 255.0}}


def source(
    path: Path, task: str, batches: Callable[[], Iterable[Tensor]]
) -> tuple[nn.Module, Mapping[str, tuple[str, ...]]]:
    """Load the network to start from, and its labels a head.

    Args:
        path: checkpoint of `mien train`, or name or folder of a model that `mien export` made of one.
        task: that it must have been trained for.
        batches: what the network takes; the norms of a folder's network are measured on them (see `revival`).

    Raises:
        ModelError: no checkpoint and no model folder of mien.
        UnknownNameError: no model of that name is installed.
        RecipeError: it was trained for another task, or a folder holds no recipe.
    """
    if checkpoint.meant(path):
        found = checkpoint.load(path)
        if found.recipe.task != task:
            raise RecipeError(f"model.start: '{path}' was trained for '{found.recipe.task}', not for '{task}'")
        return found.network, found.labels
    folder = hub.find(path)
    facts = manifest.read(folder)
    if not facts.recipe or facts.recipe.get("task") != task:
        raise RecipeError(f"model.start: '{path}' holds no network that `mien train` made for the task '{task}'")
    network: nn.Module = TASKS.module(task).network(parse(facts.recipe))
    state = revival.weights(folder / facts.graphs["fp32"].file, _PREFIX[task])
    revival.revive(network, state, batches(), divided=_DIVIDED.get(task, {}))
    return network.eval(), {head.name: tuple(head.labels) for head in facts.heads}


def fine_tune(
    network: Network, path: Path, labels: Mapping[str, Sequence[str]], batches: Callable[[], Iterable[Tensor]]
) -> tuple[str, ...]:
    """Put the weights of a checkpoint or of a model folder into a network, in place.

    The backbone's must all fit. A head's are taken where the checkpoint has a head of that name with the same labels
    and shapes; the other heads keep their fresh weights.

    Args:
        network: freshly initialised.
        path: checkpoint of `mien train`, or name or folder of a model.
        labels: of the network's heads, in the order of the outputs.
        batches: pictures of the training data, see `source`.

    Returns:
        Names of the heads whose weights were taken.

    Raises:
        ModelError: no checkpoint and no model folder of mien.
        RecipeError: its backbone is another one.
    """
    found, known = source(path, "expression", batches)
    state, own = found.state_dict(), network.state_dict()
    trunk = {key: value for key, value in state.items() if key.startswith(_TRUNK)}
    wanted = {key for key in own if key.startswith(_TRUNK)}
    wrong = sorted(key for key in wanted ^ trunk.keys() if not key.endswith("num_batches_tracked"))
    wrong += [key for key in sorted(wanted & trunk.keys()) if own[key].shape != trunk[key].shape]
    if wrong:
        raise RecipeError(
            f"model.start: the backbone of '{path}' is not that of this recipe; they differ first in '{wrong[0]}'. "
            "Take model.backbone and model.options from the checkpoint's recipe.json"
        )
    taken = dict(trunk)
    kept = []
    for name in network.heads:
        keys = {key: value for key, value in state.items() if key.startswith(f"heads.{name}.")}
        mine = {key: value.shape for key, value in own.items() if key.startswith(f"heads.{name}.")}
        alike = tuple(known.get(name, ())) == tuple(labels[name])
        if alike and {key: value.shape for key, value in keys.items()} == mine:
            taken |= keys
            kept.append(name)
    network.load_state_dict(taken, strict=False)
    return tuple(kept)
