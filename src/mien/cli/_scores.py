"""How `mien evaluate` shows what it found on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mien.cli import output

if TYPE_CHECKING:
    from mien.evaluation.bootstrap import Figure
    from mien.evaluation.compare import DetectorDifference
    from mien.evaluation.detection import DetectionReport
    from mien.evaluation.detection_conditions import Row
    from mien.evaluation.outputs import OutputEvaluation
    from mien.evaluation.scoring import Evaluation

Record = dict[str, Any]


def one_label(found: Evaluation, record: Record) -> None:
    """Show the figures of a head that answers with one label, its classes and confusion."""
    _title(record)
    rows = [[name, *cells(figure)] for name, figure in found.figures.items()]
    rows += [[f"people: {name}", *cells(figure)] for name, figure in found.people.items()]
    output.stdout.print(output.table(None, ["figure", "value#", "low#", "high#"], rows))
    labels = found.answers.labels.labels
    _each(labels, found.per_class)
    body = [[label, *map(str, row)] for label, row in zip(labels, record["confusion"], strict=True)]
    title = "true label a row, answer a column"
    output.stdout.print(output.table(title, ["", *(f"{label}#" for label in labels)], body))
    _leaks(record["leakage"])
    if "quality" in record:
        from mien.evaluation import report_quality

        head = [*report_quality.HEAD[:2], *(f"{name}#" for name in report_quality.HEAD[2:])]
        output.stdout.print(output.table("fitted quality", head, report_quality.rows(record["quality"])))
        gate = ", ".join(f"{name} {value:.4g}" for name, value in record["quality"]["gate"].items())
        output.say(f"written into model.json: {gate}")
    if "comparison" in record:
        c = record["comparison"]
        d = c["difference"]
        output.say(
            f"{c['other']} is {100 * d['value']:+.2f} points ({100 * d['low']:+.2f} to {100 * d['high']:+.2f}) against "
            f"it; McNemar p = {c['p_value']:.3g}"
        )


def outputs(found: OutputEvaluation, record: Record) -> None:
    """Show the figures of a head whose outputs stand by themselves, together and one by one."""
    _title(record)
    rows = [[name, *cells(figure)] for name, figure in found.figures.items()]
    output.stdout.print(output.table(None, ["figure", "value#", "low#", "high#"], rows))
    _each(found.outputs.labels.labels, found.per_output)
    _leaks(record["leakage"])
    if "fitted" in record:
        output.say("written into model.json: " + ", ".join(f"{label} {t:.3g}" for label, t in record["fitted"].items()))
    if "comparison" in record:
        rows = [[name, *_signed(d)] for name, d in _differences(record)]
        other = record["comparison"]["other"]
        output.stdout.print(output.table(f"{other} against it", ["figure", "difference#", "low#", "high#"], rows))


def detector(found: DetectionReport, threshold: float) -> None:
    """Show what a face detector finds by size of the face."""
    rows = [[f"{s.min_height:.0f} px", str(s.faces), *cells(s.ap), f"{s.recall:.3f}"] for s in found.sizes]
    output.stdout.print(output.table(None, ["faces from#", "n#", "AP@0.5#", "low#", "high#", "recall#"], rows))
    said = [f"{found.photos} photos at side {found.side}, score {threshold:.2f}"]
    if found.point_faces:
        said.append(f"mean point error {found.point_error:.3f} of the box side over {found.point_faces} faces")
    if found.faceless:
        said.append(f"{found.clean:.1%} of {found.faceless} faceless photos clean")
    output.say("; ".join(said))


def conditions(rows: Sequence[Row]) -> None:
    """Show what a face detector finds by source, by size and on worse photos."""
    blank = ["", "", ""]
    body = [
        [row.kind, row.name, str(row.faces), *(cells(row.ap) if row.kind != "height" else blank), f"{row.recall:.3f}"]
        for row in rows
    ]
    output.stdout.print(output.table(None, ["by", "", "n#", "AP@0.5#", "low#", "high#", "recall#"], body))


def detectors(other: str, found: Sequence[DetectorDifference]) -> None:
    """Show what another face detector is better or worse by."""
    body = [
        [row.source or "all", f"{row.min_height:.0f} px", str(row.faces), *_signed(row.difference.to_dict())]
        for row in found
    ]
    head = ["photos", "faces from#", "n#", "AP@0.5 difference#", "low#", "high#"]
    output.stdout.print(output.table(f"{other} against it", head, body))


def unread(failed: dict[int, str]) -> None:
    """Name the first pictures that could not be read."""
    for reason in list(failed.values())[:5]:
        output.warn(reason)
    if len(failed) > 5:
        output.warn(f"and {len(failed) - 5} more pictures could not be read")


def cells(figure: Figure) -> list[str]:
    """Return a figure and its interval as cells of a table."""
    return [f"{figure.value:.4f}", f"{figure.low:.4f}", f"{figure.high:.4f}"]


def _signed(difference: Mapping[str, float | None]) -> list[str]:
    """Return a difference and its interval as cells of a table, with their signs; empty where one is not defined."""
    return ["" if x is None else f"{x:+.4f}" for x in (difference[key] for key in ("value", "low", "high"))]


def _title(record: Record) -> None:
    output.say(
        f"{record['model']} ({record['precision']}{', flip' if record['flip'] else ''}), head {record['head']}, on "
        f"{record['dataset']}, split {record['split']}, protocol {record['protocol']}: {record['n']} rows"
    )


def _each(labels: tuple[str, ...], figures: dict[str, list[Figure]]) -> None:
    names = list(figures)
    body = [[label, *(f"{figures[name][i].value:.3f}" for name in names)] for i, label in enumerate(labels)]
    output.stdout.print(output.table(None, ["label", *(f"{name}#" for name in names)], body))


def _differences(record: Record) -> list[tuple[str, dict[str, float]]]:
    found = record["comparison"]["differences"].items()
    return [(name, d) for name, d in found if d["low"] is not None]


def _leaks(leaks: Record) -> None:
    if leaks["rows"]:
        rest = leaks.get("accuracy_without")
        kept = f"; accuracy without them {rest['value']:.4f}" if rest else ""
        output.warn(
            f"{leaks['rows']} of the split's pictures ({leaks['share']:.1%}) are also in "
            f"{', '.join(leaks['searched'])}{kept}"
        )
