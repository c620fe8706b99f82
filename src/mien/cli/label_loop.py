"""`mien label loop`: the whole way round, with a learning curve beside random choice."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli import output

if TYPE_CHECKING:
    from mien.labelling.learners import Learner
    from mien.labelling.loop import Point


def loop(
    table: Annotated[Path, typer.Argument(help="Table with a train and a val split.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder of the loop; it can be resumed.")],
    recipe: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Recipe of one training; default a quick probe."),
    ] = None,
    head: Annotated[str | None, typer.Option(help="The recipe's head that is labelled; default the first.")] = None,
    labels: Annotated[str | None, typer.Option(metavar="SET", help="Label set of the probe; default ekman7.")] = None,
    with_: Annotated[
        str, typer.Option("--with", metavar="ANNOTATOR", help="'oracle' tells the table's own labels, hidden before.")
    ] = "oracle",
    by: Annotated[str, typer.Option(help="margin, entropy, least_confidence, coreset or random.")] = "margin",
    against: Annotated[str, typer.Option(help="Strategy beside it, or 'none'.")] = "random",
    start: Annotated[int, typer.Option(min=1, help="Faces labelled at random at the start.")] = 500,
    budget: Annotated[int, typer.Option(min=1, help="Faces a round.")] = 250,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds after the first training.")] = 4,
    seeds: Annotated[int, typer.Option(min=1, help="Curves a strategy.")] = 3,
    strata: Annotated[bool, typer.Option("--strata", help="Equal shares by predicted label.")] = False,
    without: Annotated[list[str] | None, typer.Option(metavar="LABEL", help="Leave out faces of this label.")] = None,
    pool: Annotated[int | None, typer.Option(min=1, help="Faces of train that take part.")] = None,
    val: Annotated[int | None, typer.Option(min=1, help="Faces of val that judge.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe.")] = None,
    figure: Annotated[str, typer.Option(help="Figure to draw.")] = "balanced_accuracy",
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Default DIR/curve.json.")] = None,
    svg: Annotated[Path | None, typer.Option(metavar="FILE", help="Default DIR/curve.svg.")] = None,
    send_images: Annotated[bool, typer.Option("--send-images", help="Let pictures leave this machine.")] = False,
) -> None:
    """Queue, annotate, apply, train and evaluate in rounds, and draw the learning curve."""
    from mien.cli.label_ask import consent
    from mien.curation.table import open_table
    from mien.labelling import annotators, curve
    from mien.labelling import loop as loops

    learner = _learner(recipe, head, labels, set_)
    if figure not in loops.FIGURES:
        raise typer.BadParameter(f"'{figure}' is none of {', '.join(loops.FIGURES)}", param_hint="--figure")
    opened = open_table(table)
    oracle = with_ == "oracle"
    annotator = annotators.load(f"file:{opened.path}" if oracle else with_, learner.labels)
    plan = loops.Plan(
        by=by, against=None if against == "none" else against, start=start, budget=budget, rounds=rounds,
        seeds=tuple(range(1, seeds + 1)), strata=strata, pool=pool, val=val, known=oracle,
        without=tuple(learner.labels.canonical(label) for label in without or ()),
    )  # fmt: skip
    arms = 2 if plan.against else 1
    consent(annotator, f"up to {seeds * (start + arms * rounds * budget)} pictures of faces", send_images)

    def tell(point: Point) -> None:
        figures = "  ".join(f"{name} {value:.4f}" for name, value in point.figures.items())
        output.stdout.print(
            f"seed {point.seed}  {point.arm}  {point.labels} labels  {figures}", soft_wrap=True, highlight=False
        )

    points = loops.run(opened, out, learner, annotator, plan, tell=tell)
    facts = {
        "title": f"{opened.origin.title or opened.path.parent.name}: {by} against {against}",
        "data": opened.origin.title,
        "split": "val",
        "label_set": learner.labels.name,
        "annotator": annotator.name,
        **learner.facts(),
    }
    found = curve.summarise(points, plan, facts)
    (json or out / "curve.json").write_text(json_module.dumps(found, indent=2) + "\n", encoding="utf-8")
    (svg or out / "curve.svg").write_text(curve.svg(found, figure), encoding="utf-8")
    for name, gain in found.get("gain", {}).items():
        output.stdout.print(
            f"{by} less {against}, {name}: {gain['mean']:+.4f}{_within(gain)}, in the last round {gain['last']:+.4f}",
            soft_wrap=True,
            highlight=False,
        )


def _learner(recipe: Path | None, head: str | None, labels: str | None, changes: list[str] | None) -> Learner:
    """Make what is trained each round: a recipe's network, or the probe."""
    from mien import labels as label_sets

    if recipe is None:
        if head or changes:
            raise typer.BadParameter("they concern a recipe; give --recipe FILE", param_hint="--head, --set")
        from mien.labelling.learners.probe import Probe

        return Probe(label_sets.get(labels or "ekman7"))
    if labels:
        raise typer.BadParameter("the recipe's head says which labels; give --head", param_hint="--labels")
    from mien.cli.train import _options
    from mien.labelling.learners.network import Network

    return Network(_options.recipe(recipe, changes, None), head)


def _within(gain: dict[str, Any]) -> str:
    """Say between what the mean lies 19 times in 20, where there are seeds enough to tell."""
    if "interval" not in gain:
        return ""
    low, high = gain["interval"]
    return f" ({low:+.4f} to {high:+.4f})"
