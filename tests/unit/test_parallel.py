import itertools
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from mien.errors import MienError, UnknownNameError
from mien.parallel import batches, connect, map_batches


def double(items: list[int]) -> list[int]:
    return [2 * item for item in items]


@pytest.mark.parametrize(("on", "workers"), [("threads", 1), ("threads", 3), ("processes", 2)])
def test_results_come_in_the_order_of_the_items(on: str, workers: int) -> None:
    results = map_batches(double, range(23), size=4, on=on, workers=workers)
    assert list(itertools.chain.from_iterable(results)) == [2 * i for i in range(23)]


def test_an_endless_stream_is_read_only_a_few_items_ahead() -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        for i in itertools.count():
            taken += 1
            yield i

    stream = map_batches(double, endless(), size=2, workers=2)
    assert [next(stream) for _ in range(3)] == [[0, 2], [4, 6], [8, 10]]
    stream.close()
    assert taken <= 2 * (3 + 2 + 1)


def test_threads_run_at_the_same_time() -> None:
    barrier = threading.Barrier(2, timeout=10)
    assert list(map_batches(lambda items: (barrier.wait(), items)[1], range(2), workers=2)) == [[0], [1]]


def test_a_failure_reaches_the_caller() -> None:
    def fail(items: list[int]) -> None:
        time.sleep(0.01)
        raise OSError(f"no disk for {items}")

    with pytest.raises(OSError, match=r"no disk for \[0\]"):
        list(map_batches(fail, range(5), workers=2))


def test_an_unknown_engine_and_an_empty_batch_are_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"no engine named 'thread'\. Did you mean 'threads'"):
        list(map_batches(double, [1], on="thread"))
    with pytest.raises(ValueError, match="at least one item"):
        list(batches([1], 0))


class Slow:
    """Stands for Ray on a machine so busy that its servers come up only at the third start."""

    def __init__(self, fails: int) -> None:
        self.fails, self.said = fails, list[str]()

    def is_initialized(self) -> bool:
        return False

    def init(self, *, address: str, **_: object) -> None:
        self.said.append(f"init {address}")
        if self.fails:
            self.fails -= 1
            raise Exception("The current node timed out during startup.\nMore.")

    def shutdown(self) -> None:
        self.said.append("shutdown")


def test_a_cluster_of_ones_own_that_does_not_come_up_is_started_again_and_a_cluster_elsewhere_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setitem(sys.modules, "ray", busy := Slow(2))
    assert connect("ray", 2) == (busy, True)
    assert busy.said == ["init local", "shutdown", "init local", "shutdown", "init local"]
    monkeypatch.setitem(sys.modules, "ray", Slow(9))
    with pytest.raises(MienError, match="no Ray cluster answers at 'this machine': The current node timed out"):
        connect("ray", 2)
    monkeypatch.setitem(sys.modules, "ray", gone := Slow(9))
    with pytest.raises(MienError, match="no Ray cluster answers at 'ray://there:1'"):
        connect("ray://there:1", 2)
    assert gone.said == ["init ray://there:1", "shutdown"]
