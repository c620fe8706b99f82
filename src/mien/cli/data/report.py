"""`mien data report`: one HTML page that shows a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien import storage
from mien.cli import output
from mien.cli.data import _options


def command(
    table: _options.TableArgument,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The page.", parser=storage.locate)] = Path(
        "report.html"
    ),
    labels: Annotated[bool, typer.Option("--labels/--no-labels", help="Look for labels that do not fit.")] = True,
    seed: _options.Seed = 0,
    on: _options.On = "threads",
    workers: _options.Workers = 2,
) -> None:
    """Write one self-contained HTML page: labels, splits, faces, measures, copies, doubtful labels, licences.

    The page holds thumbnails of the pictures: share it only with those who may see them.
    """
    from mien.curation import audit
    from mien.curation.report import build
    from mien.curation.table import open_table

    opened = open_table(table)
    with _options.progress("auditing", len(opened)) as progress:
        found = audit.audit(
            opened, label_errors_too=labels, engine=_options.engine(on, workers), seed=seed, progress=progress
        )
    page = build(opened, found, seed=seed).encode()
    storage.write(out, page)
    output.stdout.print(f"{out}: {len(page) / 1e6:.2f} MB", highlight=False, soft_wrap=True)
