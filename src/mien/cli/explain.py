"""`mien explain`: overlays, raw maps and words for faces in pictures, and a comparison of methods."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from mien.cli import output
from mien.errors import DataError, ImageError, MienError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mien.explain import Subject


class _Group(TyperGroup):
    """Takes `mien explain MODEL PICTURES` for `mien explain pictures MODEL PICTURES`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("--help", "-h"):
            args = ["pictures", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Group,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Show which parts of a face a model used: mien explain MODEL PICTURES... [OPTIONS].",
)


@app.command()
def pictures(
    model: Annotated[str, typer.Argument(help="Name or folder of a model, or a checkpoint (.ckpt).")],
    paths: Annotated[list[Path], typer.Argument(help="Pictures or folders.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for overlays and maps.")],
    method: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Method; may be given again.")] = None,
    target: Annotated[str | None, typer.Option(metavar="LABEL", help="Explain this label, not the answer.")] = None,
    head: Annotated[str | None, typer.Option(metavar="NAME", help="Head to explain; default the primary one.")] = None,
    crops: Annotated[bool, typer.Option("--crops", help="Treat each picture as the crop of one face.")] = False,
    detector: Annotated[
        str, typer.Option(metavar="NAME|FOLDER", help="Face detector: mien, yunet, none, a model.")
    ] = "mien",
    json: Annotated[str | None, typer.Option(metavar="FILE|-", help="Write one JSON line a face and method.")] = None,
) -> None:
    """Explain the answers to faces in pictures.

    Writes an overlay NAME-FACE-METHOD.png and a raw map NAME-FACE-METHOD.npz (`map`, `crop`) for each face, and says
    how much of each map lies on eyes, mouth and so on. Exit code: 0 all read, 1 some pictures failed, 2 wrong usage or
    nothing readable.
    """
    from contextlib import ExitStack

    from mien import detection
    from mien.cli.predict import list_pictures
    from mien.explain import METHODS, load
    from mien.imaging import image as imaging

    names = method or ["rise"]
    for name in names:
        METHODS.module(name)
    subject = load(model, head=head)
    if target is not None:
        target = subject.labels.canonical(target)
    finder = detection.load("none" if crops else detector)
    used: set[str] = set()
    read = failed = 0
    with ExitStack() as stack:
        lines = output.JsonLines(output.open_text(json, stack)) if json else None
        for path in list_pictures(paths):
            try:
                image = imaging.read(path)
            except ImageError as error:
                failed += 1
                output.stderr.print(f"{path}: {error}", style="red", highlight=False, markup=False)
                continue
            read += 1
            for record in _explain(subject, image, finder, names, target, out, _unique(path.stem, used)):
                record = {"image": str(path)} | record
                if lines:
                    lines.write(record)
                if json != "-":
                    _say(record)
    raise typer.Exit(2 if read == 0 else 1 if failed else 0)


def _unique(stem: str, used: set[str]) -> str:
    name, count = stem, 1
    while name in used:
        count += 1
        name = f"{stem}-{count}"
    used.add(name)
    return name


def _explain(
    subject: Subject, image: Any, finder: Any, names: list[str], target: str | None, out: Path, stem: str
) -> list[dict[str, Any]]:
    """Explain every face of a picture by every method, write the files and return what is said of each."""
    import numpy as np

    from mien.explain import explain
    from mien.explain.overlay import overlay
    from mien.explain.regions import regions, sentence, shares
    from mien.imaging import image as imaging
    from mien.recognition.expression import cut

    faces = finder.detect([image], None)[0]
    if not len(faces):
        return [{"face": None, "method": None, "says": "no face found"}]
    crops = cut(image, faces, subject.crop, whole=finder.whole_picture)
    named = regions(subject.crop.points * subject.size, subject.size)
    records = []
    for name in names:
        found = explain(subject, crops, method=name, target=target)
        answers = subject.answers(crops)
        for i, share in enumerate(shares(found.maps, named)):
            file = out / f"{stem}-{i + 1}-{name}.png"
            _write(lambda f=file, i=i, maps=found.maps: imaging.write(overlay(crops[i], maps[i]), f), file)
            raw = file.with_suffix(".npz")
            _write(lambda f=raw, i=i, maps=found.maps: np.savez_compressed(f, map=maps[i], crop=crops[i]), raw)
            records.append(
                {
                    "face": i + 1,
                    "method": name,
                    "target": subject.labels.labels[found.targets[i]],
                    "probability": round(float(answers[i, found.targets[i]]), 5),
                    "regions": {region: round(value, 4) for region, value in share.items()},
                    "says": sentence(share),
                    "overlay": str(file),
                    "seconds": round(found.seconds / len(crops), 4),
                }
            )
    return records


def _write(work: Any, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        work()
    except OSError as error:
        raise MienError(f"cannot write {path}: {error.strerror}") from error


def _say(record: dict[str, Any]) -> None:
    if record["face"] is None:
        text = f"{record['image']}: {record['says']}"
    else:
        text = (
            f"{record['image']} face {record['face']}, {record['target']} {record['probability']:.0%} "
            f"({record['method']}): {record['says']}"
        )
    output.stdout.print(text, highlight=False, markup=False)


@app.command()
def compare(
    model: Annotated[str, typer.Argument(help="A checkpoint for all methods, or a model for the black-box ones.")],
    table: Annotated[Path, typer.Argument(help="Table whose pictures are explained.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the table and the sheet.")],
    split: Annotated[str, typer.Option(metavar="NAME", help="Rows: train, val or test.")] = "val",
    protocol: Annotated[str, typer.Option(metavar="NAME", help="What is true of them.")] = "ferplus-majority",
    count: Annotated[int, typer.Option(metavar="N", min=2, help="Pictures, half of them misclassified.")] = 16,
    head: Annotated[str | None, typer.Option(metavar="NAME", help="Head to explain; default the primary one.")] = None,
    method: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Method; may be given again.")] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the choice of pictures.")] = 0,
) -> None:
    """Compare explanation methods on right and wrong answers.

    Writes comparison.json, comparison.md and comparison.png (a row a picture: the crop, then each method's overlay).
    """
    from mien.explain import comparison, load

    subject = load(model, head=head)
    crops, right = _choose(subject, table, split, protocol, count, seed)
    rows, maps = comparison.compare(
        subject,
        crops,
        right,
        random=_random(model, head),
        methods=method,
        say=lambda line: output.stderr.print(line, highlight=False, markup=False),
    )
    record = {
        "schema": 1, "model": subject.name, "split": split, "protocol": protocol, "n": len(crops), "seed": seed,
        "rows": [row.to_dict() for row in rows],
    }  # fmt: skip
    output.write_text(out / "comparison.json", json_module.dumps(record, indent=1) + "\n")
    columns = ["method", "answers", "n#", "s a map#", "deletion#", "insertion#", "pointing#", "sanity#", "where"]
    cells = [
        [
            row.method, row.group, str(row.n), f"{row.seconds:.3f}", f"{row.deletion:.3f}", f"{row.insertion:.3f}",
            f"{row.pointing:.0%}", "" if row.sanity is None else f"{row.sanity:+.2f}", row.where,
        ]
        for row in rows
    ]  # fmt: skip
    lines = [[c.rstrip("#") for c in columns], ["---"] * len(columns), *cells]
    output.write_text(out / "comparison.md", "".join("| " + " | ".join(line) + " |\n" for line in lines))
    _sheet(crops, maps, out / "comparison.png")
    output.stdout.print(output.table(None, columns, cells))


def _choose(
    subject: Subject, table: Path, split: str, protocol: str, count: int, seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Choose rows at random, half of them answered wrong where there are enough, and read their crops."""
    import numpy as np

    from mien.curation.table import open_table
    from mien.evaluation import crops as reading
    from mien.evaluation import protocols

    opened = open_table(table)
    columns = opened.read(split=split).to_pydict(maps_as_pydicts="strict")
    targets = protocols.get(protocol).targets(columns)
    if targets.label_set != subject.labels.name:
        raise DataError(
            f"the protocol '{protocol}' speaks of {targets.label_set}, the explained head of {subject.labels.name}"
        )
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(targets.target >= 0))[: max(40 * count, 400)]
    found = reading.read(subject.crop, opened.root, columns, rows.tolist())
    right = subject.answers(found.pixels).argmax(axis=1) == targets.target[found.rows]
    wrong = np.flatnonzero(~right)[: count // 2]
    chosen = np.concatenate([np.flatnonzero(right)[: count - len(wrong)], wrong])
    return found.pixels[chosen], right[chosen]


def _random(model: str, head: str | None) -> Subject | None:
    """Make the same network with random weights; None of a model folder, whose graph has no recipe to draw from."""
    if Path(model).suffix != ".ckpt":
        return None
    from mien.explain.network import randomised

    return randomised(Path(model), head)


def _sheet(crops: NDArray[np.uint8], maps: dict[str, Any], path: Path) -> None:
    import numpy as np

    from mien.explain.overlay import overlay, sheet
    from mien.imaging import image as imaging

    empty = np.zeros(crops.shape[1:3], np.float32)
    rows = [
        [overlay(crop, empty, side=120), *(overlay(crop, m[i], side=120) for m in maps.values())]
        for i, crop in enumerate(crops)
    ]
    imaging.write(sheet(rows), path)
