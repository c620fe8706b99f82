"""The application on a local Ray: two replicas, and replicas that come and go with the load."""

from __future__ import annotations

import asyncio
import json
import socket
import time
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien.imaging import image
from mien.serving import load

pytestmark = [
    pytest.mark.slow,
    # Ray leaves sockets and subprocess handles to the collector, and sets its own event loop policy.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def settings(model: Path) -> dict[str, Any]:
    return {"model": str(model), "detector": "none", "parallel": 1, "cpus": 0.5, "deadline_ms": 60_000}


@pytest.fixture(scope="module")
def url(tiny_expression: Path) -> Iterator[str]:
    """The address of two replicas behind Ray's proxy."""
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        # A busy machine starts the proxy in more than the five seconds that Ray waits for it.
        patch.setenv("RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S", "60")
        patch.setenv("RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S", "60")
        patch.setenv("RAY_SERVE_HANDLE_AUTOSCALING_METRIC_PUSH_INTERVAL_S", "1")
        warnings.simplefilter("ignore")
        ray = pytest.importorskip("ray")
        serve = pytest.importorskip("ray.serve")
        from mien.serving.ray_app import build

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        ray.init(
            address="local",
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            configure_logging=False,
            _node_ip_address="127.0.0.1",
        )
        try:
            serve.start(http_options={"host": "127.0.0.1", "port": port})
            serve.run(build({"min_replicas": 2, "max_replicas": 2, **settings(tiny_expression)}))
            yield f"http://127.0.0.1:{port}"
        finally:
            serve.shutdown()
            ray.shutdown()


def test_two_replicas_answer_as_one_server_does(url: str) -> None:
    rows, columns = np.mgrid[0:120, 0:160]
    jpeg = image.encode(np.stack([rows, columns, rows + columns], axis=2).astype(np.uint8), "jpg")
    bodies: set[bytes] = set()
    request = load.request(url, "/v1/predict?latency=false", jpeg)
    done = load.run(load.without_pause(url, request, clients=8, requests=10, each=bodies.add))
    assert done.statuses == {"200": 80}
    assert len(bodies) == 1
    assert json.loads(bodies.pop())["faces"]

    with urllib.request.urlopen(f"{url}/v1/models") as answer:
        pictures = json.load(answer)["models"][0]["health"]["pictures"]
    assert 0 < pictures < 80, "one replica has read all pictures"


def test_a_stream_goes_through_to_one_replica(url: str) -> None:
    rows, columns = np.mgrid[0:120, 0:160]
    jpeg = image.encode(np.stack([rows, columns, rows + columns], axis=2).astype(np.uint8), "jpg")
    live = asyncio.run(load.streams(url, [jpeg], clients=2, fps=5, seconds=2))
    assert live.statuses["error"] == 0
    assert min(len(client) for client in live.clients) >= 1, "a client was starved"


def test_replicas_grow_with_the_load_and_shrink_after_it_and_lose_nothing(url: str, tiny_expression: Path) -> None:
    from ray import serve

    from mien.serving.ray_app import build

    def running() -> int:
        states = serve.status().applications["default"].deployments["mien"].replica_states
        return int(states.get("RUNNING", 0))

    def until(replicas: int) -> Callable[[], bool]:
        end, asked, reached = time.monotonic() + 400, [0.0], [False]

        def over() -> bool:
            now = time.monotonic()
            if now - asked[0] > 0.5:
                asked[0], reached[0] = now, running() == replicas
            return reached[0] or now > end

        return over

    scale = {"min_replicas": 1, "max_replicas": 2, "ongoing": 1, "window_seconds": 11, "up_seconds": 0}
    serve.run(build({**scale, "down_seconds": 0, **settings(tiny_expression)}))
    assert running() == 1
    jpeg = image.encode(np.full((240, 320, 3), 90, np.uint8), "jpg")
    request = load.request(url, "/v1/predict", jpeg)
    busy = load.run(load.without_pause(url, request, clients=16, until=until(2)))
    assert running() == 2
    calm = load.run(load.without_pause(url, request, clients=1, until=until(1)))
    assert running() == 1
    assert set(busy.statuses) == set(calm.statuses) == {"200"}
