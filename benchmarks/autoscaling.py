"""Shows Ray Serve adding a replica under load and taking it away after it, and that no request is lost meanwhile.

    python benchmarks/autoscaling.py [--json docs/results/serving-autoscaling.json] [--clients 16]

Two raylets on this machine, one processor each, so that the second replica runs on the second node. One client, then
many until the second replica answers, then one again until it is gone. The exit code is 1 when the replicas do not grow
and shrink, or when a request got no good answer. Both replicas and the clients share this machine's cores: the
throughput says nothing about what a second machine would add.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from serving import finish, photo

from mien.serving import load

LIMIT = 120.0


class Watch:
    """Notes every half second how many replicas run and how many answers there were."""

    def __init__(self) -> None:
        self.start = time.perf_counter()
        self.samples: list[dict[str, float]] = []
        self.answers = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._note, daemon=True)
        self._thread.start()

    def replicas(self) -> int:
        """Return how many replicas run at present."""
        from ray import serve

        states = serve.status().applications["default"].deployments["mien"].replica_states
        return int(states.get("RUNNING", 0))

    def count(self, body: bytes) -> None:
        """Count an answer."""
        self.answers += 1

    def until(self, replicas: int, *, more: float = 0.0) -> Callable[[], bool]:
        """Return a question that is true some seconds after this number of replicas was reached, or at the limit."""
        begun, reached = time.perf_counter(), list[float]()

        def over() -> bool:
            now = time.perf_counter()
            if not reached and self.samples and self.samples[-1]["replicas"] == replicas:
                reached.append(now)
            return now - begun > LIMIT or (bool(reached) and now - reached[0] >= more)

        return over

    def close(self) -> None:
        """Stop noting."""
        self._over.set()
        self._thread.join()

    def _note(self) -> None:
        before, last = 0, self.start
        while not self._over.wait(0.5):
            now, answers = time.perf_counter(), self.answers
            rate = (answers - before) / (now - last)
            before, last = answers, now
            self.samples.append(
                {"second": round(now - self.start, 1), "replicas": self.replicas(), "per_second": round(rate, 1)}
            )


@contextmanager
def cluster(settings: dict[str, Any]) -> Iterator[str]:
    """Start two nodes with one processor each and the application on them; give its address."""
    os.environ.update(
        # Ray hears of the load every ten seconds; that only makes a short run longer.
        RAY_SERVE_HANDLE_AUTOSCALING_METRIC_PUSH_INTERVAL_S="1",
        # A busy machine starts the proxy in more than the five seconds that Ray waits for it.
        RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S="60",
        RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S="60",
    )
    import ray
    from ray import serve
    from ray.cluster_utils import Cluster

    from mien.serving.ray_app import build

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    node = {"num_cpus": 1, "include_dashboard": False}
    nodes = Cluster(initialize_head=True, head_node_args=node)
    nodes.add_node(**node)
    nodes.wait_for_nodes()
    ray.init(address=nodes.address, log_to_driver=False)
    try:
        serve.start(http_options={"host": "127.0.0.1", "port": port})
        serve.run(build(settings))
        yield f"http://127.0.0.1:{port}"
    finally:
        serve.shutdown()
        ray.shutdown()
        nodes.shutdown()


def measure(clients: int) -> dict[str, Any]:
    """Run the three loads and return the figures."""
    scale = {"min_replicas": 1, "max_replicas": 2, "cpus": 1, "ongoing": 4}
    delays = {"window_seconds": 11, "up_seconds": 2, "down_seconds": 4}
    with cluster({**scale, **delays, "parallel": 1}) as url:
        request = load.request(url, "/v1/predict", photo())
        watch, loads = Watch(), dict[str, load.Load]()
        for name, number, goal, more in (("before", 1, 1, 3.0), ("load", clients, 2, 6.0), ("after", 1, 1, 2.0)):
            work = load.without_pause(
                url, request, clients=number, until=watch.until(goal, more=more), each=watch.count
            )
            loads[name] = load.run(work)
        watch.close()
    return {
        "settings": {**scale, **delays},
        "clients": clients,
        "nodes": 2,
        "loads": {name: found.to_dict() for name, found in loads.items()},
        "timeline": watch.samples,
    }


def verdict(figures: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Hold the figures to what is claimed: what, the figure, whether it holds."""
    counts = [sample["replicas"] for sample in figures["timeline"]]
    grown = counts.index(2) if 2 in counts else None
    begun = figures["loads"]["before"]["seconds"]
    statuses = [found["statuses"] for found in figures["loads"].values()]
    answered = sum(found.get("200", 0) for found in statuses)
    other = sum(sum(found.values()) for found in statuses) - answered
    growth = "never" if grown is None else f"{figures['timeline'][grown]['second'] - begun:.1f} s after the load came"
    return [
        ("one replica before the load", str(counts[0]), counts[0] == 1),
        ("a second one under load", growth, grown is not None),
        ("one again after it", str(counts[-1]), grown is not None and counts[-1] == 1),
        ("no request lost or refused", f"{other} of {answered + other}", other == 0),
    ]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--clients", type=int, default=16)
    given = parser.parse_args()
    figures = measure(given.clients)
    finish(figures, verdict(figures), given.json)


if __name__ == "__main__":
    main()
