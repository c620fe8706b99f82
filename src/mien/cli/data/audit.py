"""`mien data audit`: what is wrong with a table; exit code 3 when splits leak."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli import output
from mien.cli.data import _options

if TYPE_CHECKING:
    from mien.curation.audit import Audit

LEAK = 3


def command(
    table: _options.TableArgument,
    json: _options.Json = None,
    labels: Annotated[bool, typer.Option("--labels/--no-labels", help="Look for labels that do not fit.")] = True,
    min_side: Annotated[int, typer.Option(metavar="PX", help="Smaller pictures are tiny.")] = 32,
    seed: _options.Seed = 0,
    on: _options.On = "threads",
    workers: _options.Workers = 2,
) -> None:
    """Look for leaks, damaged and poor pictures, copies, doubtful labels, imbalance and licences.

    Nothing is changed. Exit code 3: a picture, a subject or a group lies in several splits.
    """
    from mien.curation import audit
    from mien.curation.table import open_table

    opened = open_table(table)
    with _options.progress("auditing", len(opened)) as progress:
        found = audit.audit(
            opened,
            limits=audit.Limits(side=min_side),
            label_errors_too=labels,
            engine=_options.engine(on, workers),
            seed=seed,
            progress=progress,
        )
    _show(found)
    if json:
        images = opened.read(["image"])["image"].to_pylist()
        _options.write_json(found.to_dict(images), json)
    if found.leaks:
        output.warn(f"splits leak: {', '.join(f'{count:,} {what}' for what, count in found.leaks.items())}")
        raise typer.Exit(LEAK)


def _show(found: Audit) -> None:
    rows = [["rows", f"{found.rows:,}"]]
    for name, copies in (("copies", found.exact), ("copies to the eye", found.near)):
        figures = copies.figures()
        rows.append([f"{name}: groups (rows)", f"{figures['groups']:,} ({figures['rows']:,})"])
        rows += [[f"{name} within {k}", f"{v:,}"] for k, v in figures["groups_within"].items()]
        rows += [[f"{name} across {k}", f"{v:,}"] for k, v in figures["groups_across"].items()]
        rows.append([f"{name} with conflicting labels", f"{figures['groups_with_conflicting_labels']:,}"])
    rows += [[f"pictures {kind}", f"{len(images):,}"] for kind, images in found.pictures.items()]
    if found.imbalance:
        rows.append(["commonest label for one of the rarest", f"{found.imbalance:.1f}"])
    if found.suspects:
        said = f"{len(found.suspects.rows):,} of {found.suspects.judged:,}"
        rows.append([f"doubtful labels (classifier {found.suspects.accuracy:.0%} right)", said])
    else:
        rows.append(["doubtful labels", "not looked for"])
    output.stdout.print(output.table(None, ["what", "found#"], rows))
    terms = [[source, licence, f"{count:,}"] for (source, licence), count in sorted(found.licences.items())]
    output.stdout.print(output.table(None, ["source", "licence", "rows#"], terms))
