"""`mien evaluate`: a model and a table in; figures with intervals out, as a table, JSON and an HTML report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli import _detector as detector
from mien.cli import _scores, output
from mien.errors import DataError, UnknownNameError

if TYPE_CHECKING:
    from mien.evaluation.compare import Comparison
    from mien.evaluation.leakage import Leakage
    from mien.evaluation.outputs import OutputEvaluation
    from mien.evaluation.scoring import Answered, Evaluation, Source
    from mien.manifest import Metric
    from mien.recognition.expression import ExpressionModel


def command(
    model: Annotated[str, typer.Argument(help="Name or folder of a model; 'yunet' for that detector.")],
    table: Annotated[Path, typer.Argument(help="Table (or its folder); a faces' jsonl for a detector.")],
    split: Annotated[str, typer.Option(metavar="NAME", help="Rows to score: train, val or test.")] = "val",
    protocol: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="One label: hard, ferplus-majority, ferplus-plurality, votes. Several labels and action units: "
            "present. Values: affect, strength. Default by the kind of the head.",
        ),
    ] = None,
    head: Annotated[
        str | None, typer.Option(metavar="NAME", help="Head to score; default by protocol, else the primary one.")
    ] = None,
    json: Annotated[str | None, typer.Option(metavar="FILE|-", help="Write the figures as JSON.")] = None,
    report: Annotated[Path | None, typer.Option(metavar="F.html", help="Write a self-contained report.")] = None,
    pictures: Annotated[bool, typer.Option("--pictures/--no-pictures", help="Show mistakes in the report.")] = True,
    compare: Annotated[str | None, typer.Option(metavar="MODEL", help="Test against another model, in pairs.")] = None,
    flip: Annotated[bool, typer.Option("--flip", help="Average with the mirror image.")] = False,
    views: Annotated[str, typer.Option(help="Looks that are averaged: one, flip, five or ten.")] = "one",
    precision: Annotated[str | None, typer.Option(metavar="P", help="fp32 or int8; default the model's.")] = None,
    robustness: Annotated[
        bool, typer.Option("--robustness", help="Also score worse versions of the pictures (slow).")
    ] = False,
    slices: Annotated[
        bool,
        typer.Option("--slices", help="Also score by brightness, blur, turn, size; a detector by source and size."),
    ] = False,
    max_leak: Annotated[
        float, typer.Option(metavar="SHARE", min=0, max=1, help="Refuse when more pictures were trained on.")
    ] = 0.12,
    side: Annotated[int, typer.Option(metavar="PX", min=32, help="Longest side, for a detector.")] = 640,
    card: Annotated[bool, typer.Option("--card", help="Write the figures into model.json and card.md.")] = False,
    fit: Annotated[
        bool,
        typer.Option(
            "--fit",
            help="Fit quality and the limits for abstention (several labels: their thresholds) on these rows, and "
            "write them into model.json and card.md.",
        ),
    ] = False,
    photos: Annotated[
        Path | None,
        typer.Option(metavar="FACES.jsonl", help="With --fit: photos with every face boxed, for what is no face."),
    ] = None,
    draws: Annotated[int, typer.Option(metavar="N", min=100, help="Bootstrap resamples.")] = 1000,
) -> None:
    """Score a model on a table.

    What is measured follows from the kind of the head: one label out of several, labels that hold independently (also
    action units), or values on scales such as valence and arousal. Every figure has a 95 % bootstrap interval. Exit
    code 2 when the table does not fit, or when too many of its pictures were also trained on.
    """
    if table.suffix == ".jsonl":
        given = {
            "--protocol": protocol, "--head": head, "--report": report, "--flip": flip, "--views": views != "one",
            "--card": card, "--fit": fit, "--photos": photos,
        }  # fmt: skip
        detector.refuse([option for option, value in given.items() if value])
        detector.evaluate(
            model, table, split, side, precision, json,
            other=compare, groups=slices, conditions=robustness, draws=draws,
        )  # fmt: skip
        return
    from mien.evaluation import leakage, protocols, scoring
    from mien.recognition.expression import ExpressionModel

    opened = ExpressionModel(model, flip=flip, views=views, precision=precision)
    other = ExpressionModel(compare, flip=flip, views=views, precision=precision) if compare else None
    source, every = _rows(table, split)
    chosen, own = protocols.choose(protocol, opened.manifest, source.columns, head)
    leaks = leakage.check(every, split)
    leaks.refuse(max_leak)
    answered = scoring.answer(opened, source)
    judged: _OneLabel | _Outputs
    if chosen in protocols.OUTPUTS and own is not None:
        judged = _Outputs(answered, chosen, own, leaks, draws)
    else:
        judged = _OneLabel(answered, chosen, own, leaks, draws)
    if other:
        judged.compare(other)
    if fit:
        judged.fit(model, photos)
    if slices:
        judged.slices()
    if robustness:
        judged.robustness()
    if json:
        output.write_json(json, judged.record)
    if report:
        output.write_text(report, judged.page(pictures))
    if card:
        _card(model, judged.found.metrics())
    if json != "-":
        judged.show()
    _scores.unread(answered.found.failed)


class _OneLabel:
    """An evaluation of a head that answers with one label; `record` collects what is measured as plain JSON types."""

    def __init__(self, answered: Answered, protocol: str, head: str | None, leaks: Leakage, draws: int) -> None:
        from mien.evaluation import scoring

        self.found: Evaluation = scoring.figures(answered, protocol, head=head, draws=draws)
        self.protocol, self.draws = protocol, draws
        self.record: dict[str, Any] = self.found.to_dict() | {"leakage": leaks.to_dict()}
        if leaks.rows.any() and not leaks.rows[self.found.scored.rows].all():
            self.record["leakage"]["accuracy_without"] = _without(self.found, leaks.rows)

    def compare(self, other: ExpressionModel) -> None:
        """Test another model on the same rows."""
        from mien.evaluation import compare, scoring

        answered = _also(self.found.answered, other)
        theirs = scoring.score(answered, self.protocol)
        result: Comparison = compare.compare(self.found.answers, theirs.answers, draws=self.draws)
        self.record["comparison"] = result.to_dict() | {"other": answered.name}

    def fit(self, model: str, photos: Path | None) -> None:
        """Fit quality and the gate, and write both into the model folder."""
        from mien.evaluation import quality_study

        with output.steps() as progress:
            found = quality_study.study(self.found, photos, draws=self.draws, progress=progress)
        _change(model, quality=found.chance, gate=found.gate)
        self.record["quality"] = found.to_dict()

    def slices(self) -> None:
        """Score groups of the rows."""
        from mien import detection
        from mien.evaluation import slices

        self.record["slices"] = slices.measure(self.found, detector=detection.load("mien"), draws=self.draws)

    def robustness(self) -> None:
        """Score corrupted copies of the rows."""
        from mien.evaluation import robustness

        with output.progress("corruptions") as advance:
            self.record["robustness"] = robustness.measure(self.found, progress=advance)

    def page(self, pictures: bool) -> str:
        """Return the report."""
        from mien.evaluation import report

        return report.render(self.found, self.record, pictures=pictures)

    def show(self) -> None:
        """Print it."""
        _scores.one_label(self.found, self.record)


class _Outputs:
    """An evaluation of a head whose outputs stand by themselves; `record` is as in `_OneLabel`."""

    def __init__(self, answered: Answered, protocol: str, head: str, leaks: Leakage, draws: int) -> None:
        from mien.evaluation import outputs

        self.found: OutputEvaluation = outputs.evaluate(answered, protocol, head, draws=draws)
        self.draws = draws
        self.record: dict[str, Any] = self.found.to_dict() | {"leakage": leaks.to_dict()}

    def compare(self, other: ExpressionModel) -> None:
        """Test another model on the same rows."""
        from mien.evaluation import outputs, protocols

        answered = _also(self.found.answered, other)
        name, head = protocols.choose(self.found.protocol.name, other.manifest, answered.source.columns)
        theirs = outputs.evaluate(answered, name, str(head), draws=0)
        differences = outputs.compare(self.found, theirs, draws=self.draws)
        self.record["comparison"] = {
            "other": answered.name,
            "differences": {key: figure.to_dict() for key, figure in differences.items()},
        }

    def fit(self, model: str, photos: Path | None) -> None:
        """Write the thresholds with the best F1 of each label into the model folder."""
        from mien.evaluation import multilabel

        own, name = self.found.outputs, self.found.head.name
        if own.thresholds is None:
            raise DataError(f"there is nothing to fit for the head '{name}': its outputs are values")
        if self.found.source.split != "val":
            raise DataError(f"thresholds are fitted on the split 'val', not on '{self.found.source.split}'")
        tuned = multilabel.tune(own.truth > 0.5, own.values)
        thresholds = {label: round(float(t), 6) for label, t in zip(own.labels, tuned, strict=True)}
        heads = self.found.answered.model.manifest.heads
        changed = [h.model_copy(update={"thresholds": thresholds}) if h.name == name else h for h in heads]
        _change(model, heads=tuple(changed))
        self.record["fitted"] = thresholds

    def slices(self) -> None:
        """Refuse."""
        raise DataError(f"--slices needs one right label a row; the protocol '{self.found.protocol.name}' has none")

    def robustness(self) -> None:
        """Refuse."""
        raise DataError(f"--robustness needs one right label a row; '{self.found.protocol.name}' has none")

    def page(self, pictures: bool) -> str:
        """Return the report."""
        from mien.evaluation import report_outputs

        return report_outputs.render(self.found, self.record, pictures=pictures)

    def show(self) -> None:
        """Print it."""
        _scores.outputs(self.found, self.record)


def _also(answered: Answered, other: ExpressionModel) -> Answered:
    """Let another model answer the same rows; crops that fit it are not read again."""
    from mien.evaluation import scoring

    same = answered.found if other.spec == answered.model.spec else None
    return scoring.answer(other, answered.source, found=same)


def _rows(table: Path, split: str) -> tuple[Source, dict[str, list[Any]]]:
    """Read one split, and of all rows what the leakage check needs."""
    from mien.curation.table import SPLITS, open_table
    from mien.evaluation.scoring import Source

    if split not in SPLITS:
        raise UnknownNameError("split", split, SPLITS)
    opened = open_table(table)
    columns = opened.read(split=split).to_pydict(maps_as_pydicts="strict")
    if not columns["image"]:
        raise DataError(f"'{opened.path}' has no rows in split '{split}'")
    title = opened.origin.title or opened.path.parent.name
    every = opened.read(["split", "sha256"]).to_pydict()
    return Source(columns, opened.root, title, opened.digest(), split), every


def _without(found: Evaluation, leaking: Any) -> dict[str, float | None]:
    from mien.evaluation import bootstrap

    kept = found.answers[~leaking[found.scored.rows]]
    correct = kept.correct.astype(float)
    measured = bootstrap.measure(lambda w: {"accuracy": bootstrap.mean(correct, w)}, len(kept))
    accuracy: dict[str, float | None] = measured["accuracy"].to_dict()
    return accuracy


def _card(model: str, new: list[Metric]) -> None:
    """Write figures into the model folder, in the place of older ones of the same kind."""
    from mien import hub, manifest

    keys = {(m.name, m.head, m.dataset, m.split, m.protocol, m.precision) for m in new}
    old = manifest.read(hub.find(model)).metrics
    kept = [m for m in old if (m.name, m.head, m.dataset, m.split, m.protocol, m.precision) not in keys]
    _change(model, metrics=(*kept, *new))


def _change(model: str, **changes: object) -> None:
    """Change a model folder's manifest, and write its card anew."""
    from mien import hub, manifest
    from mien.export import card

    folder = hub.find(model)
    changed = manifest.read(folder).model_copy(update=changes)
    manifest.write(changed, folder)
    card.write(changed, folder)
