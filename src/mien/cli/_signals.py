"""Ctrl-C between two writes that belong together would leave outputs that tell of different things."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def held_back(number: signal.Signals) -> Iterator[None]:
    """Let a signal wait until the block is done, then hand it to the handler that was there.

    Only the main thread receives signals; elsewhere nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[FrameType | None] = []
    before = signal.signal(number, lambda _, frame: came.append(frame))
    try:
        yield
    finally:
        signal.signal(number, before)
        if came and callable(before):
            before(number, came[0])
