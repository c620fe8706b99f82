"""`mien synth`: plan a balanced grid of faces, have them made, accept what is good enough."""

from __future__ import annotations

import asyncio
import json as json_module
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli import output
from mien.errors import DataError, MienError

if TYPE_CHECKING:
    from mien.remote.campaign import Limits
    from mien.synthesis.generators import Generator
    from mien.synthesis.grid import Shot
    from mien.synthesis.signing import Signer

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Fill gaps with balanced synthetic faces.")


@app.command()
def plan(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="Plan to write (JSON lines).")],
    labels: Annotated[str, typer.Option(metavar="SET", help="Label set.")] = "ekman7",
    each: Annotated[int, typer.Option(min=1, help="Pictures a label.")] = 24,
    only: Annotated[list[str] | None, typer.Option(metavar="LABEL", help="These labels alone.")] = None,
    template: Annotated[Path | None, typer.Option(metavar="FILE", help="TOML with attributes and cues.")] = None,
    seed: Annotated[int, typer.Option(help="Of the layout and the pictures.")] = 0,
) -> None:
    """Lay out a grid in which every attribute is balanced within every label, and write a prompt for each picture."""
    from mien import labels as label_sets
    from mien.synthesis import grid
    from mien.synthesis import template as templates

    chosen = label_sets.get(labels)
    counts = {chosen.canonical(label): each for label in (only or chosen.labels)}
    shots = grid.plan(templates.load(template), chosen, counts, seed)
    grid.write(out, shots)
    rows = [[n, v, str(c)] for n, values in grid.coverage(shots).items() for v, c in values.items()]
    output.stdout.print(output.table(f"{len(shots)} pictures", ["attribute", "value", "pictures#"], rows))


@app.command()
def key(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="Private key to write (PEM).")],
) -> None:
    """Make a pair of keys: the private one signs sidecars, the public one beside it shows that they are yours."""
    from mien.synthesis import signing

    public = signing.make_key(out)
    output.stdout.print(f"private: {out} (keep it)\npublic: {public}", soft_wrap=True, highlight=False)


@app.command()
def run(
    plan: Annotated[Path, typer.Argument(help="Plan of 'mien synth plan'.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for pictures and sidecars.")],
    with_: Annotated[str, typer.Option("--with", metavar="GENERATOR", help="openai:M, gemini:M or diffusers:FOLDER.")],
    send_prompts: Annotated[bool, typer.Option("--send-prompts", help="Let prompts leave this machine.")] = False,
    base_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Server that speaks the service's protocol.")
    ] = None,
    price: Annotated[str | None, typer.Option(metavar="DOLLARS", help="What one picture costs.")] = None,
    budget: Annotated[
        str | None, typer.Option(metavar="DOLLARS", help="Most that the ledger may show as spent.")
    ] = None,
    rate: Annotated[float | None, typer.Option(min=0.1, help="Requests a minute.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="Requests under way at once.")] = 4,
    attempts: Annotated[int, typer.Option(min=1, help="Tries of one picture.")] = 6,
    size: Annotated[int, typer.Option(min=64, help="Side of a picture in pixels.")] = 1024,
    steps: Annotated[int, typer.Option(min=1, help="Denoising steps of a local pipeline.")] = 30,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds for one request.")] = 180.0,
    again: Annotated[bool, typer.Option("--again", help="Try what was refused once more.")] = False,
    sign: Annotated[Path | None, typer.Option(metavar="KEY", help="Sign sidecars; see 'mien synth key'.")] = None,
) -> None:
    """Have the pictures of a plan made; a killed run goes on where it was and pays for nothing twice."""
    from mien.remote import money
    from mien.remote.campaign import Limits
    from mien.synthesis import generators, grid
    from mien.synthesis.signing import Signer

    shots = grid.read(plan)
    signer = None if sign is None else Signer.read(sign)
    options = generators.Options(base_url, None if price is None else money.parse(price), size, steps, timeout)
    generator = generators.load(with_, options)
    if generator.destination is not None:
        what = f"up to {len(shots)} prompts go to {generator.destination} ({generator.name})"
        if not send_prompts:
            raise MienError(f"{what}; nothing was sent. Give --send-prompts if you want to send them")
        output.warn(what)
    limits = Limits(
        concurrency=concurrency, budget=None if budget is None else money.parse(budget), rate=rate, attempts=attempts,
        again=again,
    )  # fmt: skip
    states = asyncio.run(_make(shots, generator, out, limits, signer))
    output.stdout.print(", ".join(f"{n} {state}" for state, n in sorted(states.items())), highlight=False)
    raise typer.Exit(0 if set(states) <= {"done", "made before"} else 1)


@app.command()
def accept(
    plan: Annotated[Path, typer.Argument(help="Plan of 'mien synth plan'.")],
    folder: Annotated[Path, typer.Argument(help="Folder of 'mien synth run'.")],
    table: Annotated[
        Path | None, typer.Option(metavar="TABLE", help="Table whose pictures must not come again.")
    ] = None,
    model: Annotated[str, typer.Option(metavar="NAME|FOLDER", help="Expression model that judges.")] = "expression",
    detector: Annotated[str, typer.Option(metavar="NAME|FOLDER", help="Face detector.")] = "mien",
    min_face: Annotated[float, typer.Option(min=0, help="Pixels.")] = 64.0,
    min_quality: Annotated[float, typer.Option(min=0, max=1, help="Of the face.")] = 0.3,
    min_probability: Annotated[float, typer.Option(min=0, max=1, help="Of the intended label.")] = 0.0,
    cap: Annotated[int | None, typer.Option(min=1, help="Most pictures a label.")] = None,
    trust: Annotated[
        Path | None, typer.Option(metavar="PUBLIC", help="Public key that every sidecar must be signed by.")
    ] = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the summary.")] = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the summary as one HTML page.")] = None,
) -> None:
    """Judge the pictures and write the accepted ones as DIR/table.parquet, marked as synthetic, for training only."""
    from mien.curation.table import open_table
    from mien.recognition.pipeline import Recognizer
    from mien.synthesis import acceptance, grid
    from mien.synthesis import report as reports
    from mien.synthesis.signing import Trust

    trusted = None if trust is None else Trust.read(trust)
    shots = grid.read(plan)
    known = acceptance.hashes(open_table(table)) if table is not None else []
    recognizer = Recognizer(detector=detector, model=model)
    gates = acceptance.Gates(min_face, min_quality, min_probability, cap=cap)
    judged = acceptance.judge(shots, folder, recognizer, gates, known, trusted)
    summary = reports.summarise(judged)
    if json is not None:
        json.write_text(json_module.dumps(summary, indent=2) + "\n", encoding="utf-8")
    if report is not None:
        report.write_text(reports.html(summary), encoding="utf-8")
    rows = [["accepted", str(summary["accepted"])], *([k, str(n)] for k, n in summary["reasons"].items())]
    output.stdout.print(output.table(f"{summary['planned']} pictures", ["outcome", "pictures#"], rows))
    if not summary["accepted"]:
        raise DataError("no picture was accepted, so there is no table to write")
    written = acceptance.write(folder / "table.parquet", judged, "mien synth")
    output.stdout.print(f"{len(written)} rows: {written.path}", soft_wrap=True, highlight=False)


async def _make(
    shots: list[Shot], generator: Generator, out: Path, limits: Limits, signer: Signer | None
) -> Counter[str]:
    from rich.progress import Progress

    from mien.remote import money
    from mien.remote.ledger import Ledger
    from mien.synthesis.production import produce

    states: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    with (
        Ledger(out / "ledger.sqlite") as ledger,
        Progress(console=output.stderr, transient=True) as progress,
    ):
        task = progress.add_task(generator.name, total=len(shots))
        async for outcome in produce(shots, generator, out, ledger, limits, signer):
            states["made before" if outcome.cached and outcome.state == "done" else outcome.state] += 1
            if outcome.reason:
                reasons[outcome.reason] += 1
            progress.advance(task)
        spent = ledger.spent()
    for reason, count in reasons.most_common(5):
        output.warn(f"{count}x {reason}")
    output.stdout.print(f"spent {money.show(spent)}", highlight=False)
    return states
