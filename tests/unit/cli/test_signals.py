"""A signal that waits is neither lost nor early."""

import signal

import pytest

from mien.cli._signals import held_back


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
