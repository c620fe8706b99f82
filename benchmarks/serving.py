"""Measures the server against its bars: starts `mien serve`, loads it, and writes docs/results/serving.json.

    python benchmarks/serving.py [--json docs/results/serving.json] [--quick] [-- options of mien serve]

Client and server share the machine. Every line of the printed table is a figure, the bar it is held to, and whether it
holds; the exit code is 1 when one does not.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn

import cv2
import psutil

from mien.serving import load

ROOT = Path(__file__).resolve().parents[1]


class Server:
    """A `mien serve` process on a free port."""

    def __init__(self, options: list[str]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        start = time.perf_counter()
        command = [sys.executable, "-m", "mien.cli.main", "serve", "--port", str(self.port), *options]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while not self._ready():
            if self.process.poll() is not None:
                raise SystemExit("the server did not start; run `mien serve` to see why")
            time.sleep(0.01)
        self.seconds_to_ready = time.perf_counter() - start

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def rss_mb(self) -> float:
        """Return the resident memory of the server in MB."""
        return float(psutil.Process(self.process.pid).memory_info().rss) / 1e6

    def cpu_seconds(self) -> float:
        """Return the processor time that the server has taken."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def stop(self) -> None:
        """Ask the server to stop and wait for it."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)


def photo() -> bytes:
    """Make a JPEG of 640x480 with one face from the example photo."""
    image = cv2.imread(str(ROOT / "examples" / "astronaut.jpg"))
    if image is None:
        raise SystemExit("examples/astronaut.jpg is missing")
    scaled = cv2.resize(image, (480, 480), interpolation=cv2.INTER_AREA)
    wide = cv2.copyMakeBorder(scaled, 0, 0, 80, 80, cv2.BORDER_REFLECT)
    return bytes(cv2.imencode(".jpg", wide, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes())


def stop_under_load(options: list[str], data: bytes) -> dict[str, Any]:
    """Send SIGTERM while 16 clients send without pause; count requests that were sent and never answered."""
    server = Server(options)
    lost = refused = answered = 0

    async def client() -> None:
        nonlocal lost, refused, answered
        connection = load.Connection(server.url)
        while True:
            try:
                await connection.open()
            except OSError:
                refused += 1
                return
            try:
                status, _ = await connection.send(data)
            except OSError:
                lost += 1
                return
            answered += status == 200

    async def main() -> None:
        clients = [asyncio.create_task(client()) for _ in range(16)]
        await asyncio.sleep(2)
        server.process.send_signal(signal.SIGTERM)
        await asyncio.gather(*clients)

    asyncio.run(main())
    code = server.process.wait(timeout=60)
    return {"answered": answered, "lost": lost, "refused_after_stop": refused, "exit_code": code}


def measure(options: list[str], *, quick: bool) -> dict[str, Any]:
    """Run everything and return the figures."""
    data, out = photo(), dict[str, Any]()
    server = Server(options)
    out["start_seconds"] = round(server.seconds_to_ready, 2)
    post = load.request(server.url, "/v1/predict", data)
    still = load.request(server.url, "/v1/predict?latency=false", data)
    out["cold_ms"] = round(load.run(load.without_pause(server.url, post, clients=1, requests=1)).milliseconds[0], 1)
    load.run(load.without_pause(server.url, post, clients=4, requests=50))

    seconds = 5.0 if quick else 20.0
    out["at_40_per_second"] = load.run(load.at_rate(server.url, post, rate=40, seconds=seconds)).to_dict()
    before = server.cpu_seconds()
    out["clients_16"] = load.run(
        load.without_pause(server.url, post, clients=16, requests=20 if quick else 125)
    ).to_dict()
    answered = out["clients_16"]["statuses"].get("200", 0)
    out["server_cpu_ms_a_picture"] = round((server.cpu_seconds() - before) / max(answered, 1) * 1000, 2)
    out["streams_16"] = load.run(load.streams(server.url, [data], clients=16, fps=10, seconds=seconds)).to_dict()

    sequential, together = Counter[str](), Counter[str]()
    load.run(load.without_pause(server.url, still, clients=1, requests=10, each=_tally(sequential)))
    count = 20 if quick else 200
    load.run(load.without_pause(server.url, still, clients=32, requests=count, each=_tally(together)))
    out["identical"] = {"answers": sum(together.values()), "different_bodies": len(sequential | together)}

    first = server.rss_mb()
    load.run(load.without_pause(server.url, post, clients=8, requests=125 if quick else 1250))
    out["rss_mb"] = {
        "before": round(first, 1),
        "after": round(server.rss_mb(), 1),
        "growth": round(server.rss_mb() - first, 1),
    }
    server.stop()
    out["stop_under_load"] = stop_under_load(options, post)
    return out


def _tally(counter: Counter[str]) -> Any:
    return lambda body: counter.update([hashlib.sha256(body).hexdigest()])


def bars(figures: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Hold the figures to the bars: what, the figure, whether it holds."""
    rate, clients, live = figures["at_40_per_second"], figures["clients_16"], figures["streams_16"]
    same, stop, growth = figures["identical"], figures["stop_under_load"], figures["rss_mb"]["growth"]
    share = live["statuses"]["result"] / 16
    return [
        ("p50 at 40/s <= 20 ms", f"{rate['p50_ms']} ms", rate["p50_ms"] <= 20),
        ("p99 at 40/s <= 80 ms", f"{rate['p99_ms']} ms", rate["p99_ms"] <= 80),
        ("16 clients >= 90/s", f"{clients['per_second']}/s", clients["per_second"] >= 90),
        ("16 streams at 10 fps, p95 <= 80 ms", f"{live['p95_ms']} ms", live["p95_ms"] <= 80),
        (
            "no stream below half its share",
            f"{live['fewest_answers']} of {share:.0f}",
            live["fewest_answers"] >= share / 2,
        ),
        ("answers equal to sequential", f"{same['different_bodies']} kinds", same["different_bodies"] == 1),
        ("growth over 10,000 requests < 10 MB", f"{growth} MB", growth < 10),
        ("start to ready <= 2 s", f"{figures['start_seconds']} s", figures["start_seconds"] <= 2),
        ("SIGTERM loses nothing", f"{stop['lost']} of {stop['answered']}", stop["lost"] == 0),
    ]


def finish(figures: dict[str, Any], lines: list[tuple[str, str, bool]], target: Path | None) -> NoReturn:
    """Print what holds, write the figures, and end with exit code 1 when something does not hold."""
    for what, figure, holds in lines:
        print(f"{'holds' if holds else 'FAILS'}  {what:42} {figure}")
    if target:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    raise SystemExit(0 if all(holds for _, _, holds in lines) else 1)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="shorter runs, for a look")
    parser.add_argument("options", nargs="*", help="options of mien serve, after --")
    given = parser.parse_args()
    figures = measure(given.options, quick=given.quick)
    figures |= {
        "cores": os.cpu_count(),
        "nice": os.nice(0),
        "load_average_before": os.getloadavg()[0],
        "quick": given.quick,
    }
    finish(figures, bars(figures), given.json)


if __name__ == "__main__":
    main()
