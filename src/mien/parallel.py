"""One way to run a function over many items: in order, with a bounded number under way, on threads, processes or Ray.

Results come in the order of the items, and only a few items are taken ahead, so memory stays flat over any number.
Why Ray's tasks and not Ray Data: docs/decisions/ray.md.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from mien.errors import MienError, MissingExtraError, UnknownNameError

Item = TypeVar("Item")
Result = TypeVar("Result")
Out = TypeVar("Out")
KINDS = ("threads", "processes", "ray")
#: Times that a batch is sent again when the worker or node that had it is gone.
RETRIES = 3
#: Times that a cluster of one's own is started: Ray gives its servers 30 seconds, which a busy machine may exceed.
STARTS = 3


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Cut a stream into lists of up to `size` items."""
    if size < 1:
        raise ValueError(f"a batch has at least one item, not {size}")
    stream = iter(items)
    while batch := list(islice(stream, size)):
        yield batch


def check(on: str) -> str:
    """Return the engine's name when it can be used: 'threads', 'processes', 'ray' or 'ray://HOST:PORT'.

    Raises:
        UnknownNameError: no such engine.
    """
    if on not in KINDS and not (on.startswith("ray://") and len(on) > len("ray://")):
        raise UnknownNameError("engine", on, (*KINDS, "ray://HOST:PORT"))
    return on


def map_batches(
    fn: Callable[[Sequence[Item]], Result],
    items: Iterable[Item],
    *,
    size: int = 1,
    on: str = "threads",
    workers: int = 2,
    crashed: Callable[[Sequence[Item], str], Result] | None = None,
) -> Iterator[Result]:
    """Apply `fn` to batches of a stream and yield the results in order.

    Args:
        fn: takes a list of items; for processes and Ray it must be picklable. On Ray a batch whose worker is lost runs
            again elsewhere, so `fn` must come to the same result when it is called twice.
        items: any iterable; it is read as results are taken.
        size: items a batch.
        on: 'threads', 'processes', 'ray' (the cluster of `RAY_ADDRESS`, or workers started on this machine) or
            'ray://HOST:PORT' (a cluster's client port).
        workers: batches that run at the same time; one thread or process runs them here without a pool. A Ray cluster
            uses all of its processors.
        crashed: on Ray, gives the result of a batch that killed its worker each time (see `salvage`); without it such
            a batch is an error.

    Raises:
        UnknownNameError: no such engine.
        MissingExtraError: Ray is not installed.
        MienError: the cluster cannot be reached, or a batch killed its workers.
    """
    check(on)
    stream = batches(items, size)
    if on.startswith("ray"):
        yield from _on_ray(fn, stream, on, workers, crashed)
        return
    if workers <= 1:
        yield from map(fn, stream)
        return
    pool: Executor = ThreadPoolExecutor(workers) if on == "threads" else ProcessPoolExecutor(workers)
    with pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for batch in stream:
                waiting.append(pool.submit(fn, batch))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def salvage(
    fn: Callable[[Sequence[Item]], list[Out]],
    items: Sequence[Item],
    reason: str,
    lost: Callable[[Item, str], list[Out]],
    *,
    on: str,
) -> list[Out]:
    """Run a batch that killed its worker in halves, and those again, until the items that do it stand alone.

    Args:
        fn: what was run; it returns a list.
        items: the batch.
        reason: what happened to the worker.
        lost: gives the results of an item that cannot be worked on.
        on: the engine.
    """
    if len(items) == 1:
        return lost(items[0], reason)
    middle = (len(items) + 1) // 2
    halves = [items[:middle], items[middle:]]
    found = map_batches(
        partial(_first, fn), halves, on=on, crashed=lambda half, why: salvage(fn, half[0], why, lost, on=on)
    )
    return [row for part in found for row in part]


def _first(fn: Callable[[Sequence[Item]], Result], group: Sequence[Sequence[Item]]) -> Result:
    return fn(group[0])


def _on_ray(
    fn: Callable[[Sequence[Item]], Result],
    stream: Iterator[list[Item]],
    on: str,
    workers: int,
    crashed: Callable[[Sequence[Item], str], Result] | None,
) -> Iterator[Result]:
    """Run batches as Ray tasks and yield in order; two batches a processor are under way, so that none waits."""
    ray, own = connect(on, workers)
    waiting: deque[tuple[Any, list[Item]]] = deque()
    try:
        shared = ray.put(fn)
        task: Any = ray.remote(max_retries=RETRIES)(_call)
        ahead = 2 * max(workers, int(ray.cluster_resources().get("CPU", 1)))
        for batch in stream:
            waiting.append((task.remote(shared, batch, os.getcwd()), batch))
            if len(waiting) >= ahead:
                yield _result(ray, *waiting.popleft(), crashed)
        while waiting:
            yield _result(ray, *waiting.popleft(), crashed)
    finally:
        for reference, _ in waiting:
            ray.cancel(reference)
        if own:
            ray.shutdown()


def connect(on: str, workers: int) -> tuple[Any, bool]:
    """Return Ray, connected, and whether this call connected it, so that the caller lets go of it again.

    A connection that is there already is used; else the cluster of `RAY_ADDRESS` or of `on`, else one that is started
    on this machine and ends with the connection.

    Raises:
        MissingExtraError: Ray is not installed.
        MienError: the cluster does not answer.
    """
    try:
        import ray
    except ModuleNotFoundError as error:
        raise MissingExtraError("running on Ray", "ray") from error
    if ray.is_initialized():
        return ray, False
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = on if on != "ray" else os.environ.get("RAY_ADDRESS")
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if not address:
        settings |= {"include_dashboard": False, "num_cpus": workers, "_node_ip_address": "127.0.0.1"}
    starts = 1 if address else STARTS
    for start in range(starts):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the error below says it in one line
                # Without 'local' Ray would look for any cluster that runs on this machine.
                ray.init(address=address or "local", **settings)
            break
        except Exception as error:  # Ray raises plain `Exception` when its servers do not come up
            ray.shutdown()
            if start + 1 == starts:
                why = str(error).strip().splitlines()[0]
                where = address or "this machine"
                raise MienError(f"no Ray cluster answers at '{where}': {why}; see: ray start") from error
    return ray, True


def _result(
    ray: Any, reference: Any, batch: list[Item], crashed: Callable[[Sequence[Item], str], Result] | None
) -> Result:
    errors = ray.exceptions
    try:
        result: Result = ray.get(reference)
    except errors.RayTaskError as error:
        if isinstance(error.cause, Exception):
            raise error.cause from error
        raise
    except (errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError, errors.ObjectLostError) as error:
        reason = f"its worker died {RETRIES + 1} times ({type(error).__name__})"
        if crashed is None:
            raise MienError(f"a batch of {len(batch)} cannot be worked on: {reason}") from error
        return crashed(batch, reason)
    return result


def _call(fn: Callable[[Sequence[Item]], Result], batch: Sequence[Item], folder: str) -> Result:
    """Run in a worker, where relative paths mean what they mean to the caller."""
    if os.path.isdir(folder):
        os.chdir(folder)
    return fn(batch)
