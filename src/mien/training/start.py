"""Fine-tuning: a network that begins with the weights of an earlier run instead of random ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mien.errors import RecipeError
from mien.models.network import Network
from mien.training import checkpoint

_TRUNK = "backbone."


def fine_tune(network: Network, path: Path, labels: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Put a checkpoint's weights into a network, in place.

    The backbone's must all fit. A head's are taken where the checkpoint has a head of that name with the same labels
    and shapes; the other heads keep their fresh weights.

    Args:
        network: freshly initialised.
        path: checkpoint of `mien train`.
        labels: of the network's heads, in the order of the outputs.

    Returns:
        Names of the heads whose weights were taken.

    Raises:
        ModelError: no checkpoint of mien.
        RecipeError: its backbone is another one.
    """
    found = checkpoint.load(path)
    state, own = found.network.state_dict(), network.state_dict()
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
        alike = tuple(found.labels.get(name, ())) == tuple(labels[name])
        if alike and {key: value.shape for key, value in keys.items()} == mine:
            taken |= keys
            kept.append(name)
    network.load_state_dict(taken, strict=False)
    return tuple(kept)
