"""A load generator for any running server: requests at a rate, clients without pause, and streams of frames.

It speaks HTTP/1.1 on bare asyncio streams with the request's bytes made once, so that on a machine shared with the
server it takes little away from it. At a rate, time is counted from when a request was due and not from when it could
be sent, so that a stalled server cannot hide its stall.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from mien.errors import MienError


@dataclass
class Load:
    """What a run of load has shown.

    Attributes:
        seconds: the run took.
        milliseconds: latency of each answered request or frame.
        statuses: how many answers had which status; 'broken' where there was none.
        late: latency of a frame's answer for each client of a stream run.
        dropped: frames overtaken by newer ones, in a stream run.
    """

    seconds: float = 0.0
    milliseconds: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    clients: list[list[float]] = field(default_factory=list)
    dropped: int = 0

    def count(self, status: int | None, seconds: float) -> None:
        """Count one answer; None where the connection broke."""
        self.statuses[str(status or "broken")] += 1
        if status == 200:
            self.milliseconds.append(seconds * 1000)

    def to_dict(self) -> dict[str, Any]:
        """Return the figures: rate, latency quantiles, statuses."""
        out: dict[str, Any] = {"seconds": round(self.seconds, 2), "statuses": dict(self.statuses)}
        out["per_second"] = round(len(self.milliseconds) / self.seconds, 1) if self.seconds else 0.0
        if self.milliseconds:
            names = ("p50_ms", "p95_ms", "p99_ms", "max_ms")
            values = np.percentile(self.milliseconds, [50, 95, 99, 100])
            out |= {name: round(float(value), 2) for name, value in zip(names, values, strict=True)}
        if self.clients:
            counts = [len(client) for client in self.clients]
            out |= {"dropped": self.dropped, "fewest_answers": min(counts), "most_answers": max(counts)}
        return out


class Connection:
    """One keep-alive connection to a server.

    Args:
        url: of the server, such as ``http://127.0.0.1:8000``.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise MienError(f"'{url}' is no address of a server; expected http://HOST:PORT")
        self.host, self.tls = parts.hostname, parts.scheme == "https"
        self.port = parts.port or (443 if self.tls else 80)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, request: bytes) -> tuple[int, bytes]:
        """Send a request's bytes and return status and body.

        Raises:
            OSError: the server cannot be reached or broke the connection.
        """
        reader, writer = await self.open()
        try:
            writer.write(request)
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            status, length, close = _parse(head)
            body = await reader.readexactly(length)
        except (asyncio.IncompleteReadError, OSError) as error:
            self.close()
            raise ConnectionError("the server broke the connection") from error
        if close:
            self.close()
        return status, body

    def close(self) -> None:
        """Hang up; the next request opens a new connection."""
        if self._streams:
            self._streams[1].close()
            self._streams = None

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect, unless there is a connection.

        Raises:
            OSError: the server cannot be reached.
        """
        if self._streams is None:
            self._streams = await asyncio.open_connection(self.host, self.port, ssl=self.tls or None, limit=2**22)
        return self._streams


def request(url: str, path: str, body: bytes, kind: str = "image/jpeg", *, key: str | None = None) -> bytes:
    """Make the bytes of a POST request."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {urlsplit(url).netloc}", f"Content-Type: {kind}"]
    lines += [f"Content-Length: {len(body)}", *([f"Authorization: Bearer {key}"] if key else [])]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


async def at_rate(url: str, data: bytes, *, rate: float, seconds: float) -> Load:
    """Send a request every ``1 / rate`` seconds, whether or not the earlier ones are answered."""
    load, idle = Load(), list[Connection]()

    async def one(due: float) -> None:
        connection = idle.pop() if idle else Connection(url)
        status = await _status(connection, data)
        load.count(status, perf_counter() - due)
        idle.append(connection)

    start = perf_counter()
    tasks = []
    for i in range(round(rate * seconds)):
        due = start + i / rate
        await asyncio.sleep(max(0.0, due - perf_counter()))
        tasks.append(asyncio.create_task(one(due)))
    await asyncio.gather(*tasks)
    load.seconds = perf_counter() - start
    for connection in idle:
        connection.close()
    return load


async def without_pause(
    url: str,
    data: bytes,
    *,
    clients: int,
    requests: int = sys.maxsize,
    until: Callable[[], bool] | None = None,
    each: Callable[[bytes], None] | None = None,
) -> Load:
    """Let clients send requests one after another, each as soon as its last one is answered.

    Args:
        url: of the server.
        data: the request.
        clients: connections.
        requests: of each client at most.
        until: asked before every request; a client stops when it is true.
        each: called with the body of every answer.
    """
    load = Load()

    async def client() -> None:
        connection = Connection(url)
        for _ in range(requests):
            if until and until():
                break
            start = perf_counter()
            try:
                status, body = await connection.send(data)
            except OSError:
                load.count(None, 0.0)
                continue
            load.count(status, perf_counter() - start)
            if each:
                each(body)
        connection.close()

    start = perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    load.seconds = perf_counter() - start
    return load


async def streams(
    url: str, frames: list[bytes], *, clients: int, fps: float, seconds: float, key: str | None = None
) -> Load:
    """Let clients stream frames over WebSocket at a frame rate, each starting at another moment."""
    from websockets.asyncio.client import connect

    load = Load()

    async def client(number: int) -> None:
        own: list[float] = []
        load.clients.append(own)
        sent: dict[int, float] = {}
        await asyncio.sleep(number / clients / fps)
        async with connect(
            url.replace("http", "ws", 1).rstrip("/") + "/v1/stream",
            subprotocols=["mien.v1"],  # type: ignore[list-item]
            additional_headers={"Authorization": f"Bearer {key}"} if key else None,
            compression=None,
            max_size=None,
            proxy=None,
        ) as socket:

            async def listen() -> None:
                async for text in socket:
                    message = json.loads(text)
                    if message["type"] in ("result", "error") and message.get("frame") is not None:
                        late = (perf_counter() - sent[message["frame"]]) * 1000
                        load.statuses[message["type"]] += 1
                        if message["type"] == "result":
                            own.append(late)
                            load.milliseconds.append(late)
                        dropped[number] = message["dropped"]

            listener = asyncio.create_task(listen())
            start = perf_counter()
            for i in range(round(fps * seconds)):
                await asyncio.sleep(max(0.0, start + i / fps - perf_counter()))
                sent[i] = perf_counter()
                await socket.send(frames[i % len(frames)])
            await asyncio.sleep(1.0)
            listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listener

    dropped = [0] * clients
    start = perf_counter()
    await asyncio.gather(*(client(i) for i in range(clients)))
    load.seconds, load.dropped = perf_counter() - start - 1.0, sum(dropped)
    return load


async def _status(connection: Connection, data: bytes) -> int | None:
    try:
        return (await connection.send(data))[0]
    except OSError:
        return None


def _parse(head: bytes) -> tuple[int, int, bool]:
    """Read status, content length and whether the server will hang up from the head of an answer."""
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    return int(first.split(" ")[1]), int(fields.get("content-length", 0)), fields.get("connection") == "close"


def run(work: Awaitable[Load]) -> Load:
    """Run one of the loads from ordinary code."""

    async def main() -> Load:
        return await work

    return asyncio.run(main())
