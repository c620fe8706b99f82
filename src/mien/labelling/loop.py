"""The loop: queue, annotate, apply, train, evaluate, again and again; beside it the same with random choice.

With a table whose labels are known, they are hidden and an annotator tells them face by face, so that the gain of
choosing shows before anybody is paid. Every round leaves its tables, ledger and figures in a folder, and a loop that
was killed goes on where it was.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.curation.table import Origin, Table, open_table, write_table
from mien.errors import DataError, RecipeError, UnknownNameError
from mien.evaluation.classification import Answers, metrics
from mien.labelling import queue
from mien.labelling.annotators import Annotator
from mien.labelling.apply import Rules, apply
from mien.labelling.items import item_of
from mien.labelling.learners import Learner
from mien.labels import LabelSet
from mien.remote.campaign import Campaign, Limits
from mien.remote.ledger import Ledger

FIGURES = ("accuracy", "balanced_accuracy", "macro_f1", "nll")
#: Strategies that one model can follow among faces without labels.
CHOICES = tuple(by for by in queue.CHOICES if by not in ("disagreement", "label_error"))
Float = NDArray[np.float32]


@dataclass(frozen=True)
class Plan:
    """What a loop does.

    Attributes:
        by: strategy of the arm that chooses.
        against: strategy of the arm beside it; None runs one arm alone.
        start: faces that are labelled at random before the first training, the same for both arms.
        budget: faces a round.
        rounds: rounds after the first training.
        seeds: seeds of start, choice and training; each gives a curve a arm.
        strata: whether each predicted label gets an equal share of a round.
        pool: faces of the train split that take part; None is all.
        val: faces of the val split that judge; None is all.
        known: whether only faces take part whose label the table knows, since an oracle is silent about the others.
        without: labels whose faces are left out of pool and val, such as one that is too rare to be judged on.
    """

    by: str = "margin"
    against: str | None = "random"
    start: int = 500
    budget: int = 250
    rounds: int = 4
    seeds: tuple[int, ...] = (1, 2, 3)
    strata: bool = False
    pool: int | None = None
    val: int | None = None
    known: bool = False
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Point:
    """One trained model of a curve.

    Attributes:
        arm: strategy that chose its training faces.
        seed: of the run.
        round: 0 is the first training.
        labels: faces with a label that it was trained on.
        figures: on the val split.
    """

    arm: str
    seed: int
    round: int
    labels: int
    figures: dict[str, float]


def run(
    table: Table,
    out: Path,
    learner: Learner,
    annotator: Annotator,
    plan: Plan,
    *,
    limits: Limits | None = None,
    tell: Callable[[Point], None] = lambda point: None,
) -> list[Point]:
    """Run every arm and seed and return the curves' points.

    Args:
        table: rows of train (the pool) and val (the judge).
        out: folder of the loop.
        learner: what is trained each round.
        annotator: who labels the faces.
        plan: see `Plan`.
        limits: of the annotator.
        tell: called after each training.

    Raises:
        DataError: the table has too few rows.
        RecipeError: the folder holds a loop of another plan or learner.
        UnknownNameError: no such strategy, or none that a loop can follow.
    """
    arms = list(dict.fromkeys(name for name in (plan.by, plan.against) if name))
    for arm in arms:
        if arm not in CHOICES:
            raise UnknownNameError("strategy of a loop", arm, CHOICES)
    # Checked first, so that a plan that cannot be carried out leaves no folder that refuses the next one.
    work = _Work(table, out, learner, annotator, plan, limits or Limits())
    out.mkdir(parents=True, exist_ok=True)
    _same_plan(out, plan, learner, annotator)
    work.link(table.root)
    points: list[Point] = []
    for seed in plan.seeds:
        for arm in arms:
            for point in work.curve(arm, seed):
                tell(point)
                points.append(point)
    return points


class _Work:
    """The rows of a loop and what is done with them."""

    def __init__(
        self, table: Table, out: Path, learner: Learner, annotator: Annotator, plan: Plan, limits: Limits
    ) -> None:
        self.out, self.learner, self.labels = out, learner, learner.labels
        self.annotator, self.plan, self.limits, self.origin = annotator, plan, limits, table.origin
        told = [(row, queue.known_label(row, self.labels)) for row in table.rows() if not row["ignore"]]
        told = [(row, label) for row, label in told if label not in plan.without]
        train = [row for row, label in told if row["split"] == "train" and (label is not None or not plan.known)]
        val = [row for row, label in told if row["split"] == "val" and label is not None]
        self.pool, self.val = _some(train, plan.pool), _some(val, plan.val)
        needed = plan.start + plan.rounds * plan.budget
        if len(self.pool) < needed or not self.val:
            raise DataError(
                f"the loop needs {needed} faces in train and some with a label over '{self.labels.name}' in val; "
                f"'{table.path}' has {len(self.pool)} and {len(self.val)}"
            )

    def link(self, root: Path) -> None:
        """Put the pictures into the loop's folder, where its tables look for them."""
        for row in [*self.pool, *self.val]:
            _link(root / row["image"], self.out / row["image"])

    def curve(self, arm: str, seed: int) -> Sequence[Point]:
        """Run one arm with one seed; rounds that are done are read."""
        points = []
        chosen = list(np.random.default_rng(seed).permutation(len(self.pool))[: self.plan.start])
        for number in range(self.plan.rounds + 1):
            # The first training is the same for every arm, so it is done once a seed.
            folder = self.out / (f"seed{seed}" if number == 0 else f"seed{seed}-{arm}-{number}")
            done = folder / "round.json"
            if not done.exists():
                self._round(folder, chosen, seed)
            said = json.loads(done.read_text(encoding="utf-8"))
            points.append(Point(arm, seed, number, said["labels"], said["figures"]))
            if number < self.plan.rounds:
                chosen += self._choose(arm, folder, chosen, seed * 1000 + number)
        return points

    def _round(self, folder: Path, chosen: Sequence[int], seed: int) -> None:
        """Annotate, apply, train, evaluate."""
        folder.mkdir(parents=True, exist_ok=True)
        asked = [self.pool[i] for i in chosen]
        hidden = [_hide(row, self.labels) for row in asked]
        # Image names are relative to the table's folder, so every round's tables lie in the loop's own folder.
        stem = self.out / folder.name
        blank = write_table(stem.with_suffix(".asked.parquet"), [*hidden, *self.val], self.origin)
        with Ledger(self.out / "answers.sqlite") as ledger:
            asyncio.run(self._annotate(ledger, hidden))
            labelled = stem.with_suffix(".parquet")
            applied = apply(blank, labelled, ledger.answers(), self.labels, Rules(replace=True))
        on_pool, on_val = self.learner.learn(
            _labelled_only(labelled, self.labels),
            folder,
            seed,
            pool=[self.out / row["image"] for row in self.pool],
            val=[self.out / row["image"] for row in self.val],
        )
        known = [self.labels.index(queue.known_label(row, self.labels) or "") for row in self.val]
        answers = Answers(self.labels, on_val.astype(np.float64), np.array(known, np.int64))
        found = metrics(answers, np.ones((1, len(answers))))
        np.save(folder / "pool.npy", on_pool)
        figures = {name: round(float(found[name][0]), 5) for name in FIGURES}
        said = {"labels": applied.labelled, "figures": figures}
        (folder / "round.json").write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")

    async def _annotate(self, ledger: Ledger, rows: Sequence[dict[str, Any]]) -> None:
        works = (self.annotator.work(item_of(row, self.out)) for row in rows)
        async for outcome in Campaign(self.annotator, ledger, self.limits).run(works):
            if outcome.state == "unpaid":
                raise DataError("the budget does not reach for the next round; the rounds before it are kept")

    def _choose(self, arm: str, folder: Path, chosen: Sequence[int], seed: int) -> list[int]:
        """Choose the next faces among those that nobody was asked about."""
        scores: Float = np.load(folder / "pool.npy")
        left = np.setdiff1d(np.arange(len(self.pool)), np.array(chosen))
        predicted = [self.labels.labels[i] for i in scores[left].argmax(axis=1)]
        strata = predicted if self.plan.strata and arm != "random" else None
        picked, _ = queue.choose(arm, scores[None, left], self.plan.budget, strata=strata, seed=seed)
        return [int(i) for i in left[picked]]


def _some(rows: list[dict[str, Any]], count: int | None) -> list[dict[str, Any]]:
    """Take rows at random, the same ones each time, so that class folders that stand in order do no harm."""
    if count is None or count >= len(rows):
        return rows
    return [rows[i] for i in sorted(np.random.default_rng(0).permutation(len(rows))[:count])]


def _hide(row: dict[str, Any], labels: LabelSet) -> dict[str, Any]:
    """Return a row that says nothing over a label set."""
    hidden = {**row, "other_labels": _without(row["other_labels"], labels.name)}
    hidden["other_votes"] = _without(row["other_votes"], labels.name)
    if row["label_set"] == labels.name:
        hidden |= {"label": None, "label_set": None}
    if row["votes_set"] == labels.name:
        hidden |= {"votes": None, "votes_set": None, "votes_outside": None}
    return hidden


def _without(said: dict[str, Any] | None, name: str) -> dict[str, Any] | None:
    return {key: value for key, value in (said or {}).items() if key != name} or None


def _labelled_only(path: Path, labels: LabelSet) -> Path:
    """Drop the training rows that nobody gave a label, which would only cost time."""
    table = open_table(path)
    rows = [r for r in table.rows() if r["split"] != "train" or queue.known_label(r, labels) is not None]
    return write_table(path, rows, Origin(**table.origin.__dict__)).path


def _link(source: Path, target: Path) -> None:
    """Put a picture into the loop's folder without copying it where the file system allows that."""
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _same_plan(out: Path, plan: Plan, learner: Learner, annotator: Annotator) -> None:
    """Refuse to go on with a folder that another plan began."""
    said = {"plan": asdict(plan), **learner.facts(), "annotator": annotator.name}
    text = json.dumps(said, indent=2, sort_keys=True) + "\n"
    path = out / "plan.json"
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise RecipeError(f"'{out}' holds a loop of another plan or learner; give another folder")
    path.write_text(text, encoding="utf-8")
