"""Failures of the machine in words: memory that ran out and disks that are full, with the setting that helps."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from mien.errors import MienError, RecipeError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# What torch says where memory on the CPU, or room in a file, runs out; it has no error classes for these.
_NO_MEMORY = ("can't allocate memory", "out of memory", "std::bad_alloc")
_NO_ROOM = ("file write failed", "PytorchStreamWriter failed")


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn what a run dies of when the machine is too small into one sentence.

    Args:
        folder: of the run, whose last checkpoint is named where it has one.

    Raises:
        RecipeError: memory ran out.
        MienError: the disk is full.
    """
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise _memory() from error
    except OSError as error:
        if error.errno in _FULL:
            raise _room(folder) from error
        raise
    except RuntimeError as error:
        text = str(error)
        if any(part in text for part in _NO_MEMORY):
            raise _memory() from error
        if any(part in text for part in _NO_ROOM):
            raise _room(folder) from error
        raise


def _memory() -> RecipeError:
    return RecipeError(
        "memory ran out; lower run.batch_size (optim.accumulate makes up for it), lower crops.size, or set "
        "model.checkpointing=true, which trades time for memory"
    )


def _room(folder: Path) -> MienError:
    last = folder / "last.ckpt"
    kept = f"the last good checkpoint '{last}' is kept: " if last.exists() else "no checkpoint was written yet: "
    go_on = "and give the same command with --resume" if last.exists() else "and start again"
    return MienError(f"no room left on the disk of '{folder}'; {kept}make room {go_on}")
