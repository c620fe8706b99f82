"""`mien bench`: latency and throughput on this machine."""

from __future__ import annotations

import json as json_module
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli import _options, output
from mien.errors import MienError, UnknownNameError

if TYPE_CHECKING:
    from mien.recognition.pipeline import Recognizer

SETTINGS = ("detector", "model", "side", "precision")
"""What `--against` can change."""


def command(
    image: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Picture to read; default one pasted from --face.")
    ] = None,
    face: Annotated[
        Path, typer.Option(metavar="FILE", help="Photo of one face that the 640x480 picture is made of.")
    ] = Path("examples/astronaut.jpg"),
    faces: Annotated[int, typer.Option(metavar="N", min=1, max=64, help="Faces in the made picture.")] = 1,
    detector: Annotated[
        str, typer.Option(metavar="NAME|FOLDER", help="Face detector: mien, yunet, none, a model.")
    ] = "mien",
    model: Annotated[str, typer.Option(metavar="NAME|FOLDER", help="Expression model.")] = "expression",
    side: Annotated[str, typer.Option(metavar="PX|auto", help="Longest side at which faces are looked for.")] = "auto",
    threads: Annotated[int | None, typer.Option(metavar="N", min=1, help="Pictures read at the same time.")] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Time the same in turn with another detector, model, side or precision, and give ratios.",
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(metavar="S", min=0.01, help="Time for each stage.")] = 2.0,
    url: Annotated[str | None, typer.Option(metavar="URL", help="Measure a running server instead.")] = None,
    clients: Annotated[int, typer.Option(metavar="N", min=1, help="Clients at the same time, with --url.")] = 16,
    key: Annotated[str | None, typer.Option(metavar="KEY", envvar="MIEN_API_KEY", help="API key, with --url.")] = None,
    cold: Annotated[bool, typer.Option("--cold/--no-cold", help="Also time fresh processes.")] = True,
    json: Annotated[str | None, typer.Option(metavar="FILE|-", help="Write the figures as JSON.")] = None,
) -> None:
    """Measure latency and throughput: each stage, end to end, cold and warm."""
    from mien.evaluation import latency
    from mien.imaging import image as imaging

    data = image.read_bytes() if image else latency.faces_picture(_centre(imaging.read(face)), faces)
    if url:
        if against:
            raise MienError("--against times two settings on this machine; the server at --url has its own")
        from mien.cli import load

        served = load.measure(url, data, clients=clients, seconds=seconds, key=key)
        _write(served, json, load.show)
        return
    first = {"detector": detector, "model": model, "side": side}
    changed = _changes(against or [])
    recognizer = _recognizer(first, threads)
    record: dict[str, Any] = {
        "schema": 1,
        "machine": latency.machine(),
        "setting": _setting(first, recognizer, data),
    }
    if changed:
        second = _recognizer(first | changed, threads)
        pairs = latency.pairs(recognizer, second, data, seconds=seconds)
        record["stages"] = [one.to_dict() for one, _, _ in pairs]
        record["against"] = {
            "setting": _setting(first | changed, second, data),
            "stages": [other.to_dict() for _, other, _ in pairs],
            "ratios": [ratio.to_dict() for _, _, ratio in pairs],
        }
    else:
        record["stages"] = [timing.to_dict() for timing in latency.stages(recognizer, data, seconds=seconds)]
    record["memory_mb"] = latency.memory()
    if cold:
        record["cold_seconds"] = {k: round(v, 3) for k, v in latency.cold(str(image or face)).items()}
    _write(record, json, _print)


def _changes(given: list[str]) -> dict[str, str]:
    """Read `--against`.

    Raises:
        MienError: one is not KEY=VALUE.
        UnknownNameError: a key that cannot be changed.
    """
    changed = _options.pairs(given, "--against")
    for key in changed:
        if key not in SETTINGS:
            raise UnknownNameError("setting that --against changes", key, SETTINGS)
    return changed


def _recognizer(settings: dict[str, str], workers: int | None) -> Recognizer:
    """Make what is timed."""
    from mien.cli.predict import parse_side
    from mien.recognition.pipeline import Recognizer

    return Recognizer(
        detector=settings["detector"],
        model=settings["model"],
        side=parse_side(settings["side"]),
        precision=settings.get("precision"),
        workers=workers,
    )


def _setting(settings: dict[str, str], recognizer: Recognizer, data: bytes) -> dict[str, Any]:
    """Describe what is timed, and what it finds in the picture."""
    found = recognizer(data)
    return {
        "detector": settings["detector"],
        "model": f"{settings['model']} ({recognizer.expression.session.precision})",
        "side": settings["side"],
        "workers": recognizer.workers,
        "width": found.width,
        "height": found.height,
        "faces": len(found),
    }


def _write(record: dict[str, Any], json: str | None, show: Callable[[dict[str, Any]], None]) -> None:
    if json == "-":
        typer.echo(json_module.dumps(record, indent=1))
        return
    if json:
        output.write_text(Path(json), json_module.dumps(record, indent=1) + "\n")
    show(record)


def _centre(photo: Any) -> Any:
    """Cut the square around the middle of the upper part, where a portrait's face is."""
    side = min(photo.shape[:2])
    left = (photo.shape[1] - side) // 2
    return photo[:side, left : left + side]


def _print(record: dict[str, Any]) -> None:
    machine = record["machine"]
    output.say(f"{_said(record['setting'])}; {machine['processor']}, {machine['cores']} cores, load {machine['load']}")
    rows = [
        [t["name"], f"{t['first_ms']:.2f}", f"{t['p50_ms']:.2f}", f"{t['p95_ms']:.2f}", f"{t['per_second']:.0f}"]
        for t in record["stages"]
    ]
    output.stdout.print(output.table(None, ["stage", "first ms#", "p50 ms#", "p95 ms#", "per second#"], rows))
    if "against" in record:
        other = record["against"]
        output.say(f"in turn with {_said(other['setting'])}")
        body = [
            [
                t["name"],
                f"{t['p50_ms']:.2f}",
                f"{t['per_second']:.0f}",
                *(f"{r[k]:.3f}" for k in ("value", "low", "high")),
            ]
            for t, r in zip(other["stages"], other["ratios"], strict=True)
        ]
        head = ["stage", "p50 ms#", "per second#", "ratio#", "low#", "high#"]
        output.stdout.print(output.table(None, head, body))
    if record["memory_mb"] is not None:
        output.say(f"peak memory {record['memory_mb']:.0f} MB")
    if "cold_seconds" in record:
        c = record["cold_seconds"]
        output.say(
            f"fresh process: import {c['import']:.2f} s, --help {c['help']:.2f} s, "
            f"first result {c['first_result']:.2f} s"
        )


def _said(setting: dict[str, Any]) -> str:
    return (
        f"{setting['width']}x{setting['height']}, {setting['faces']} faces found, detector {setting['detector']}, "
        f"model {setting['model']}, side {setting['side']}, {setting['workers']} workers"
    )
