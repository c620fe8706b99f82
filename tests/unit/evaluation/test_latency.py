"""Timings that run in turn, and what one takes against another."""

from __future__ import annotations

import numpy as np
import pytest

from mien.evaluation.latency import Ratio, Step, Timing, in_turn


def timing(seconds: list[float]) -> Timing:
    return Timing("work", 1, 0.0, np.array(seconds))


def test_steps_run_forwards_and_backwards_by_turns() -> None:
    ran: list[str] = []
    one, other = in_turn([Step("a", lambda: ran.append("a"), least=3), Step("b", lambda: ran.append("b"))], seconds=0)
    assert "".join(ran) == "ab" + "ab" + "ba" + "ab"  # a first round that is kept apart, then three
    assert (len(one.seconds), len(other.seconds)) == (3, 3)


def test_a_machine_that_slows_down_for_a_while_leaves_the_ratio_alone() -> None:
    pace = np.repeat([1.0, 7.0, 2.0], 20)
    ratio = Ratio.of(timing(list(pace)), timing(list(1.25 * pace)))
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((1.25, 1.25, 1.25))


def test_the_interval_holds_the_true_median_19_times_in_20() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(2000):
        ratio = Ratio.of(timing([1.0] * 60), timing(list(rng.lognormal(0.2, 0.5, 60))))
        assert ratio.low <= ratio.value <= ratio.high
        held += ratio.low <= np.exp(0.2) <= ratio.high
    assert 0.93 < held / 2000 < 0.97


def test_two_rounds_tell_no_more_than_both() -> None:
    ratio = Ratio.of(timing([1.0, 1.0]), timing([1.0, 2.0]))
    assert (ratio.low, ratio.value, ratio.high) == (1.0, 1.5, 2.0)
