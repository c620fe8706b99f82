"""Measures labelling against its bars: 1,000 annotations over a slow service, and a queue out of 100,000 faces.

    python benchmarks/labelling.py [--json docs/results/labelling.json] [--annotator openai:gpt-4o-mini ...]

The service is a process of its own on 127.0.0.1 that speaks as the provider does and takes 200 ms for each answer. The
client is `mien label annotate` as a person runs it: starting up, reading and encoding the pictures, the provider's
library, the ledger. Client and service share the machine. The exit code is 1 when a bar does not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from mien import labels as label_sets
from mien.curation.table import open_table, write_table
from mien.imaging import image
from mien.labelling import queue
from mien.labelling.scoring import AXES

ROOT = Path(__file__).resolve().parents[1]
SET = "ekman7"
LATENCY, COUNT, CONCURRENCY, SCORES = 0.2, 1_000, 32, 100_000
ANSWER = {
    "face_visible": True,
    "scores": {label: 0.7 if label == "happy" else 0.05 for label in label_sets.get(SET)},
    "confidence": 0.9,
    "action_units": ["AU6", "AU12"],
    "reason": "raised cheeks and mouth corners",
}
USAGE = (1000, 100)


def main() -> int:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument(
        "--annotator",
        nargs="+",
        default=["openai:gpt-4o-mini", "anthropic:claude-haiku-4-5", "gemini:gemini-2.5-flash"],
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = make_queue(Path(folder))
        asked = {name: annotate(made, name) for name in given.annotator}
        chosen = choose(Path(folder))
    figures = {
        "annotations": {
            "count": COUNT, "latency_s": LATENCY, "concurrency": CONCURRENCY, "bar_s": 15.0, "annotators": asked,
        },
        "queue": {"scores": SCORES, "bar_s": 5.0, "seconds": chosen},
        "cores": os.cpu_count(),
    }  # fmt: skip
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    late = 0
    for what, seconds, bar in [
        *((f"{COUNT:,} answers of {name}", asked[name]["seconds"], 15.0) for name in asked),
        *((f"queue by {by}, {SCORES:,} faces", seconds, 5.0) for by, seconds in chosen.items()),
    ]:
        late += seconds > bar
        print(f"{what:45s} {seconds:7.2f} s   bar {bar:g} s   {'holds' if seconds <= bar else 'MISSED'}")
    for name, one in asked.items():
        print(f"{name}: {one['processor_s']:.2f} s of processor in the client, at most {one['under_way']} under way")
    return int(late > 0)


def make_queue(folder: Path) -> Path:
    """Write a table of noise pictures of 112 pixels and a queue of all of them."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(COUNT):
        name = f"images/{i}.png"
        small = rng.integers(0, 256, (7, 7, 3), dtype=np.uint8)
        image.write(np.kron(small, np.ones((16, 16, 1), np.uint8)), folder / name)
        rows.append({"image": name, "source": "made", "split": "train"})
    table = write_table(folder / "table.parquet", rows)
    numbered = list(enumerate(table.rows()))
    scores = np.full((COUNT, 7), 1 / 7, np.float32)
    path = folder / "queue.parquet"
    queue.write(path, table, label_sets.get(SET), numbered, scores[:, 0], scores, None, {"by": "made"})
    return path


def annotate(path: Path, annotator: str) -> dict[str, Any]:
    """Run `mien label annotate` against a service of its own and return seconds from start to end."""
    port, service, here = serve()
    ledger = path.with_name(f"{re.sub('[^a-z0-9]+', '-', annotator)}.sqlite")
    command = [
        sys.executable, "-m", "mien.cli.main", "label", "annotate", str(path), "--with", annotator,
        "--base-url", f"http://127.0.0.1:{port}" + ("/v1" if annotator.startswith("openai") else ""),
        "--price", "1,10", "--budget", "100", "--concurrency", str(CONCURRENCY), "--ledger", str(ledger),
    ]  # fmt: skip
    keys = {f"{name}_API_KEY": "sk-loopback" for name in ("OPENAI", "ANTHROPIC", "GEMINI")}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **keys}, check=False)
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    here.send("stop")
    answered, under_way = here.recv()
    service.join()
    if done.returncode or answered != COUNT or f"{COUNT} answered" not in done.stdout:
        raise SystemExit(f"{annotator}: {answered} requests, exit code {done.returncode}: {done.stdout}{done.stderr}")
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": round(seconds, 2), "processor_s": round(processor, 2), "under_way": under_way}


def choose(folder: Path) -> dict[str, float]:
    """Time every strategy on made scores of four models: choosing and writing the queue, without the scoring."""
    rng = np.random.default_rng(0)
    members = rng.dirichlet(np.full(7, 0.5), (4, SCORES)).astype(np.float32)
    known = rng.integers(0, 7, SCORES)
    features = rng.standard_normal((SCORES, AXES), dtype=np.float32)
    rows = [{"image": f"images/{i}.png", "source": "made", "split": "train"} for i in range(SCORES)]
    table = open_table(write_table(folder / "large.parquet", rows).path)
    labels = label_sets.get(SET)
    strata = [labels.labels[i] for i in members.mean(axis=0).argmax(axis=1)]
    found = {}
    for by in queue.CHOICES:
        start = time.perf_counter()
        pool = queue.pool(table, labels, "all")
        picked, values = queue.choose(by, members, COUNT, known=known, features=features, strata=strata, seed=1)
        mean = members.mean(axis=0)[picked]
        queue.write(
            folder / "large.queue.parquet", table, labels, [pool[i] for i in picked], values, mean,
            [strata[i] for i in picked], {"by": by},
        )  # fmt: skip
        found[by] = round(time.perf_counter() - start, 2)
    return found


def serve() -> tuple[int, multiprocessing.Process, Connection]:
    """Start the service; the connection gives the number of requests and the most at once when told to stop."""
    here, there = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_service, args=(there,), daemon=True)
    process.start()
    return int(here.recv()), process, here  # type: ignore[return-value]


def _service(pipe: Connection) -> None:
    asyncio.run(_Service(pipe).run())


class _Service:
    """A service that speaks as OpenAI, Anthropic and Gemini do and takes its time."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._answered, self._now, self._most = pipe, 0, 0, 0

    async def run(self) -> None:
        """Serve until told to stop."""
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self._pipe.send(server.sockets[0].getsockname()[1])
        await asyncio.to_thread(self._pipe.recv)
        self._pipe.send((self._answered, self._most))
        server.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = int(re.search(r"content-length: *(\d+)", head, re.IGNORECASE)[1])  # type: ignore[index]
                body = json.loads(await reader.readexactly(length))
                self._now += 1
                self._most = max(self._most, self._now)
                await asyncio.sleep(LATENCY)
                self._now -= 1
                content = json.dumps(self._reply(head.split(" ", 2)[1], body)).encode()
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                    + f"Content-Length: {len(content)}\r\n\r\n".encode()
                    + content
                )
                await writer.drain()
                self._answered += 1
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _reply(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        number, (tokens_in, tokens_out) = self._answered, USAGE
        if path.endswith("/chat/completions"):
            name = body["tools"][0]["function"]["name"]
            call = {"id": f"call_{number}", "type": "function"}
            call_of = {**call, "function": {"name": name, "arguments": json.dumps(ANSWER)}}
            message = {"role": "assistant", "content": None, "tool_calls": [call_of]}
            return {
                "id": f"chatcmpl-{number}", "object": "chat.completion", "created": 1700000000, "model": body["model"],
                "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
                "usage": {
                    "prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": tokens_in + tokens_out,
                },
            }  # fmt: skip
        if path.endswith("/messages"):
            use = {"type": "tool_use", "id": f"toolu_{number}", "name": body["tools"][0]["name"], "input": ANSWER}
            return {
                "id": f"msg_{number}", "type": "message", "role": "assistant", "model": body["model"],
                "content": [use], "stop_reason": "tool_use", "stop_sequence": None,
                "usage": {"input_tokens": tokens_in, "output_tokens": tokens_out},
            }  # fmt: skip
        name = body["tools"][0]["functionDeclarations"][0]["name"]
        content = {"role": "model", "parts": [{"functionCall": {"name": name, "args": ANSWER}}]}
        return {
            "candidates": [{"content": content, "finishReason": "STOP", "index": 0}],
            "usageMetadata": {
                "promptTokenCount": tokens_in, "candidatesTokenCount": tokens_out,
                "totalTokenCount": tokens_in + tokens_out,
            },
            "modelVersion": "loopback", "responseId": str(number),
        }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
