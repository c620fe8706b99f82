"""A signal that waits is neither lost nor early."""

import signal
from collections.abc import Iterator

import pytest

from mien.cli._signals import held_back


@pytest.fixture(autouse=True)
def _heeded() -> Iterator[None]:
    """Heed Ctrl-C as in a terminal: a shell's background jobs ignore it and hand that on."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_signal_in_the_block_is_delivered_after_it() -> None:
    done = []

    def writes() -> None:
        with held_back(signal.SIGINT):
            signal.raise_signal(signal.SIGINT)
            done.append("second write")

    with pytest.raises(KeyboardInterrupt):
        writes()
    assert done == ["second write"]


def test_the_handler_is_the_old_one_afterwards() -> None:
    before = signal.getsignal(signal.SIGINT)
    with held_back(signal.SIGINT):
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
