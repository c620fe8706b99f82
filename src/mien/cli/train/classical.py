"""`mien train classical`: landmarks and labels in; a model folder of the best classical estimator out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.cli import output


def command(
    landmarks: Annotated[list[Path], typer.Argument(help="What 'mien landmarks' wrote (parquet).")],
    table: Annotated[Path, typer.Option("--table", "-t", help="The data set's table: labels and splits.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Model folder to write.")],
    label_set: Annotated[str, typer.Option(metavar="NAME", help="Labels to learn.")] = "ekman7",
    estimator: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only these: random_forest, svm, mlp.")
    ] = None,
    export: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Fit and export this one, whichever is best (a small graph: mlp)."),
    ] = None,
    sample: Annotated[int, typer.Option(min=100, help="Rows that the grid search looks at.")] = 6000,
    limit: Annotated[int | None, typer.Option(min=100, help="Training rows at most, drawn at random.")] = None,
    folds: Annotated[int, typer.Option(min=2, help="Folds of the cross-validation.")] = 3,
    seed: Annotated[int, typer.Option(help="Of sample, folds and estimators.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
) -> None:
    """Compare classical models on landmarks by grid search and export the best one, or the one that is named.

    The choice is made by cross-validation within the training rows. The figure on the validation rows is for pictures
    in which landmarks were found; 'mien evaluate' on the folder counts all pictures.
    """
    from mien.curation.table import open_table
    from mien.errors import DataError, UnknownNameError
    from mien.export import classical as exporting
    from mien.manifest import Data, Metric
    from mien.training import classical

    compared = tuple(estimator or classical.GRIDS)
    for name in (*compared, *([export] if export else [])):
        if name not in classical.GRIDS:
            raise UnknownNameError("estimator", name, classical.GRIDS)
    if export is not None and export not in compared:
        raise typer.BadParameter(f"'{export}' is not among those that are compared", param_hint="--export")
    source = open_table(table)
    rows = classical.load(landmarks, source, label_set)
    if "train" not in rows or "val" not in rows:
        raise DataError(f"the landmarks cover the splits {', '.join(rows)}; expected at least train and val")
    train = rows["train"] if limit is None else rows["train"].some(limit, seed)
    tried = classical.search(train, estimators=compared, sample=sample, folds=folds, seed=seed, jobs=jobs)
    found = [
        [one.name, str(one.values), f"{one.accuracy:.2%}", f"{one.spread:.2%}", f"{one.seconds:.1f} s"] for one in tried
    ]
    columns = ["estimator", "best values", "accuracy#", "sd over folds#", "one fit#"]
    output.stdout.print(output.table(f"cross-validation on {min(sample, len(train))} rows", columns, found))
    chosen = next(one for one in tried if export in (None, one.name))
    fitted = classical.fit(train, chosen, folds=folds, seed=seed, jobs=jobs)
    digest = source.digest()
    data = Data(
        name=source.origin.title or source.path.stem,
        use="train",
        digest=digest,
        licence=source.origin.licence or "unknown",
        n=len(train),
    )
    made = exporting.export(fitted, train, out, tried=tried, data=[data])
    accuracy = float((fitted.pipeline.predict(rows["val"].features) == rows["val"].target).mean())
    metric = Metric(
        name="accuracy", value=accuracy, head=exporting.HEAD, dataset=data.name, split="val",
        protocol="hard, pictures with landmarks", n=len(rows["val"]),
    )  # fmt: skip
    exporting.save(made.model_copy(update={"metrics": (metric,)}), out)
    output.stdout.print(f"{fitted.chosen.name}: {accuracy:.2%} of {len(rows['val'])} validation rows -> {out}")
    output.stdout.print(f"score it on all pictures: mien evaluate {out} {table} --split val --protocol hard")
