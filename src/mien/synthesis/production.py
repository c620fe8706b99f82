"""Makes the pictures of a plan: many at a time, each paid for once, with a sidecar that says where it comes from."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import AsyncIterator, Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from mien import __version__
from mien.errors import ImageError
from mien.imaging import image as imaging
from mien.remote.campaign import Campaign, Limits
from mien.remote.ledger import Ledger
from mien.remote.work import Done, Outcome, Refused, Work
from mien.synthesis.generators import Generator
from mien.synthesis.grid import Shot

if TYPE_CHECKING:
    from mien.synthesis.signing import Signer

IMAGES = "images"
# IPTC's term for a picture that a trained model made, as C2PA manifests carry it.
MADE_BY_A_MODEL = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


class Studio:
    """A generator as a worker: the picture and its sidecar are on the disk before the ledger says done.

    Args:
        generator: who makes the pictures.
        out: folder of the run.
        signer: signs the sidecars; None leaves them unsigned.
    """

    def __init__(self, generator: Generator, out: Path, signer: Signer | None = None) -> None:
        self.generator, self.out, self.name, self._signer = generator, out, generator.name, signer
        (out / IMAGES).mkdir(parents=True, exist_ok=True)

    def work(self, shot: Shot) -> Work:
        """Make a shot ready."""
        facts = json.dumps([self.name, asdict(shot)], sort_keys=True)
        return Work(shot.id, hashlib.sha256(facts.encode()).hexdigest(), shot)

    def price(self, work: Work) -> int:
        """Return the price of a picture."""
        return self.generator.price

    async def do(self, work: Work) -> Done:
        """Make one picture, or find that a killed run had finished it but for its line in the ledger."""
        shot: Shot = work.content
        path = self.out / IMAGES / shot.name
        before = read_sidecar(path)
        if before is not None and before["mien"]["work"] == work.digest:
            # Its price is booked already, on the reservation that the killed run left behind.
            return Done(_answer(shot, before), 0)
        data = await self.generator.make(shot)
        said = await anyio.to_thread.run_sync(self._keep, shot, work.digest, path, data)
        return Done(_answer(shot, said), self.generator.price, {"bytes": len(data)})

    def _keep(self, shot: Shot, digest: str, path: Path, data: bytes) -> dict[str, Any]:
        try:
            pixels = imaging.read(data)
        except ImageError as error:
            raise Refused(f"what came back is no picture: {error}", self.generator.price) from error
        # Written anew as PNG: the sidecar's digest is of this file, and nothing else that came along is kept.
        encoded = imaging.encode(pixels, "png")
        said = sidecar(shot, self.name, digest, encoded, pixels.shape[1], pixels.shape[0])
        if self._signer is not None:
            said = self._signer.sign(said)
        _write(path, encoded)
        _write(sidecar_path(path), (json.dumps(said, indent=2, ensure_ascii=False) + "\n").encode())
        return said


async def produce(
    shots: Iterable[Shot],
    generator: Generator,
    out: Path,
    ledger: Ledger,
    limits: Limits | None = None,
    signer: Signer | None = None,
) -> AsyncIterator[Outcome]:
    """Make the pictures of a plan and yield outcomes as they come.

    Args:
        shots: the plan.
        generator: who makes the pictures.
        out: folder of the run; pictures go to `images/` in it.
        ledger: where pictures and money are written down.
        limits: concurrency, budget, rate, attempts.
        signer: signs the sidecars; None leaves them unsigned.
    """
    studio = Studio(generator, out, signer)
    try:
        async for outcome in Campaign(studio, ledger, limits).run(studio.work(shot) for shot in shots):
            yield outcome
    finally:
        await generator.close()


def sidecar(shot: Shot, generator: str, digest: str, data: bytes, width: int, height: int) -> dict[str, Any]:
    """Return what is known of a picture's origin, shaped like a C2PA manifest; see `signing` for its signature."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {
        "claim_generator": f"mien/{__version__}",
        "title": shot.name,
        "format": "image/png",
        "assertions": [
            {
                "label": "c2pa.actions.v2",
                "data": {
                    "actions": [
                        {
                            "action": "c2pa.created",
                            "when": now,
                            "digitalSourceType": MADE_BY_A_MODEL,
                            "softwareAgent": {"name": generator},
                        }
                    ]
                },
            },
            {"label": "c2pa.hash.data", "data": {"alg": "sha256", "hash": hashlib.sha256(data).hexdigest()}},
        ],
        "mien": {
            "synthetic": True,
            "work": digest,
            "shot": asdict(shot),
            "generator": generator,
            "width": width,
            "height": height,
        },
    }


def sidecar_path(picture: Path) -> Path:
    """Return where a picture's sidecar lies."""
    return picture.with_suffix(".json")


def read_sidecar(picture: Path) -> dict[str, Any] | None:
    """Return a picture's sidecar if both are there and the picture is the one that the sidecar describes."""
    try:
        said: dict[str, Any] = json.loads(sidecar_path(picture).read_text(encoding="utf-8"))
        hashed = next(a["data"]["hash"] for a in said["assertions"] if a["label"] == "c2pa.hash.data")
        return said if hashed == hashlib.sha256(picture.read_bytes()).hexdigest() else None
    except (OSError, ValueError, KeyError, StopIteration):
        return None


def _answer(shot: Shot, said: dict[str, Any]) -> dict[str, Any]:
    return {"image": f"{IMAGES}/{shot.name}", "width": said["mien"]["width"], "height": said["mien"]["height"]}


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)
