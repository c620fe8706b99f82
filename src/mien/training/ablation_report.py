"""What an ablation found, for people: differences to the base with their spread, and what each variant costs."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mien import charts, html

#: Figures that are shown, by the end of their names; all are better when larger, and given in points (hundredths).
SHOWN = ("_accuracy", "_f1", "_ccc")


@dataclass(frozen=True)
class Difference:
    """A figure's change against the base, over seeds.

    Attributes:
        mean: of the differences of runs with the same seed.
        sd: their standard deviation; NaN with one seed.
        count: seeds that both have.
    """

    mean: float
    sd: float
    count: int


@dataclass(frozen=True)
class Row:
    """A variant beside the base.

    Attributes:
        variant: its name.
        figures: mean over seeds of each figure that it has.
        changes: its differences to the base; a figure that only one of the two has is missing.
        parameters: of its network.
        seconds: its quickest epoch; NaN where none was timed.
        cost: its seconds as a part of the base's.
    """

    variant: str
    figures: Mapping[str, float]
    changes: Mapping[str, Difference]
    parameters: int
    seconds: float
    cost: float


def compare(record: Mapping[str, Any]) -> list[Row]:
    """Set every variant beside the base, which comes first; seeds are compared one by one.

    Args:
        record: what `ablation.ablate` gave.
    """
    runs: dict[str, dict[int, Mapping[str, Any]]] = {}
    for found in record["runs"]:
        runs.setdefault(found["variant"], {})[found["seed"]] = found
    base = next(iter(runs.values()))
    unit = _seconds(base)
    return [
        Row(
            variant,
            {name: statistics.mean(r["metrics"][name] for r in mine.values()) for name in _names(mine)},
            {name: _difference(mine, base, name) for name in _names(mine) if name in _names(base)},
            next(iter(mine.values()))["parameters"],
            _seconds(mine),
            _seconds(mine) / unit,
        )
        for variant, mine in runs.items()
    ]


def _names(runs: Mapping[int, Mapping[str, Any]]) -> list[str]:
    return sorted(name for name in next(iter(runs.values()))["metrics"] if name.endswith(SHOWN))


def _seconds(runs: Mapping[int, Mapping[str, Any]]) -> float:
    return min((r["seconds"] for r in runs.values() if r["seconds"] is not None), default=float("nan"))


def _difference(mine: Mapping[int, Mapping[str, Any]], base: Mapping[int, Mapping[str, Any]], name: str) -> Difference:
    found = [mine[seed]["metrics"][name] - base[seed]["metrics"][name] for seed in mine if seed in base]
    return Difference(statistics.mean(found), statistics.stdev(found) if len(found) > 1 else float("nan"), len(found))


def noise(rows: Sequence[Row], name: str) -> float:
    """Return the standard deviation of one seed's difference, pooled over variants; NaN with one seed."""
    spreads = [row.changes[name].sd for row in rows[1:] if name in row.changes]
    return float(np.sqrt(np.mean(np.square(spreads)))) if spreads else float("nan")


def table(record: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return columns and rows as text; a column of numbers ends with '#'. The base's row holds its own figures."""
    rows = compare(record)
    names = list(rows[0].figures)
    columns = ["variant", *(f"{_title(name)}#" for name in names), "parameters#", "s an epoch#", "cost#"]
    out = []
    for number, row in enumerate(rows):
        cells = [_own(row, name) if number == 0 else _changed(row, name) for name in names]
        cost = "" if np.isnan(row.seconds) else f"{row.seconds:.1f}"
        out.append([row.variant, *cells, f"{row.parameters:,}", cost, "" if np.isnan(row.cost) else f"{row.cost:.2f}"])
    return columns, out


def _title(name: str) -> str:
    head, _, figure = name.rpartition("_")
    return f"{head}: {figure.replace('f1', 'macro-F1')}"


def _own(row: Row, name: str) -> str:
    return f"{100 * row.figures[name]:.1f} %"


def _changed(row: Row, name: str) -> str:
    found = row.changes.get(name)
    if found is None:
        return "none"
    spread = "" if np.isnan(found.sd) else f" ± {100 * found.sd:.1f}"
    return f"{100 * found.mean:+.1f}{spread}"


def markdown(record: Mapping[str, Any], drawn: str = "ablation.svg") -> str:
    """Return the page: what was done, the table, how far the figures carry, the overrides of every variant.

    Args:
        record: what `ablation.ablate` gave.
        drawn: where the page finds its picture.
    """
    columns, cells = table(record)
    rows = compare(record)
    data, seeds = record["data"], len({run["seed"] for run in record["runs"]})
    limit = f"at most {data['limit']:,} rows a split" if data["limit"] else "all rows"
    clock = "processor seconds" if record["cost"] == "processor" else "seconds"
    lines = [
        f"# {record['title']}",
        "",
        record["note"],
        "",
        f"Made by `mien train ablate` on {data['name']} ({limit}): {record['epochs']} epochs, {seeds} "
        f"seed{'s' if seeds > 1 else ''} a variant, judged on the split `val` with one pass and flip. The first row is "
        "the base itself, in percent; every other row is the mean change in points against the base's run of the same "
        "seed, ± the standard deviation of that change over seeds. Cost is the quickest epoch in "
        f"{clock}, and as a part of the base's.",
        "",
        "| " + " | ".join(name.rstrip("#") for name in columns) + " |",
        "| " + " | ".join("--:" if name.endswith("#") else "---" for name in columns) + " |",
        *("| " + " | ".join(row) + " |" for row in cells),
        "",
    ]
    if seeds > 1:
        said = []
        for name in rows[0].figures:
            spread = noise(rows, name)
            said.append(f"{_title(name)} {100 * spread:.1f} (so {200 * spread / np.sqrt(seeds):.1f})")
        lines += [
            "A standard deviation out of so few seeds is itself uncertain, and every row shares the base's runs. "
            "Pooled over all variants, one seed's change spreads by the following points; a mean change that is "
            f"smaller than the figure in brackets, two standard errors of a mean over {seeds} seeds, says nothing: "
            f"{'; '.join(said)}.",
            "",
        ]
    lines += [f"![the changes as a picture]({drawn})", "", "## What each variant changes in the recipe", ""]
    for row in rows[1:]:
        changes = ", ".join(f"`{change}`" for change in record["variants"][row.variant])
        lines.append(f"- **{row.variant}**: {changes}")
    return "\n".join(lines) + "\n"


def picture(record: Mapping[str, Any]) -> str:
    """Return the changes of each head's main figure as an SVG file: a dot a variant, a whisker of one sd each way."""
    base, *rows = compare(record)
    names = [name for name in base.figures if not name.endswith("_f1")] or list(base.figures)
    series = []
    for name in names:
        found = [row.changes.get(name, Difference(float("nan"), float("nan"), 0)) for row in rows]
        series.append((_title(name), [100 * one.mean for one in found], [100 * one.sd for one in found]))
    return html.picture(charts.dots([row.variant for row in rows], series, x_name="change in points"))
