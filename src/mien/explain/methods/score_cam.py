"""Score-CAM: feature maps weighted by the answer to the picture seen through each of them (Wang et al. 2020)."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray
from pytorch_grad_cam import ScoreCAM, score_cam

from mien.explain.methods._cam import Float, run
from mien.explain.subject import Subject

# The library draws a progress bar a picture and offers no way to turn it off.
score_cam.tqdm = SimpleNamespace(tqdm=partial(score_cam.tqdm.tqdm, disable=True))

NEEDS = "network"
SAYS = "feature maps, weighted by what the network answers through each"


def explain(subject: Subject, crops: NDArray[np.uint8], targets: NDArray[np.int64], *, layers: int = 1) -> Float:
    """Return maps ``(n, size, size)`` in 0..1; arguments as in `_cam.run`."""
    return run(ScoreCAM, subject, crops, targets, layers)
