"""`card.md`: what a model is, what it may be used for and how good it is, written from its manifest alone."""

from __future__ import annotations

from pathlib import Path

from mien.manifest import Manifest, Metric

_USES = {
    "expression": (
        "It says which expression people perceive in a face. It does not say what the person feels, and not who the "
        "person is. Faces that are small, blurred, turned away or hard to tell are marked as abstained.",
        "Do not use it to judge people at work or in education (prohibited in the EU, AI Act Art. 5(1)(f)), for "
        "hiring, policing or health decisions. Where it is used on people, tell them (Art. 50(3)).",
    ),
    "landmarks": (
        "It says which expression people perceive in a face, from the places of 478 landmarks alone: a study object "
        "and a second opinion. The model `expression` sees the picture itself and is right more often.",
        "Faces in which MediaPipe finds no landmarks get even scores. Do not use it to judge people at work or in "
        "education (prohibited in the EU, AI Act Art. 5(1)(f)), for hiring, policing or health decisions.",
    ),
    "scene": (
        "It says how pleasant and how arousing people who look at a picture say it is: a mean over a hundred raters. "
        "It is meant for pictures without faces.",
        "900 photos taught it, rated online by adults in the United States; it explains a quarter of what moves their "
        "ratings. Drawings, text, and things that ImageNet has no word for are read by colour and texture alone. It "
        "says nothing of people in the picture, and two numbers cannot tell anger from fear.",
    ),
    "detection": (
        "It finds faces and five points in each. It does not say who a person is.",
        "It was trained on a few thousand photos; faces that are rare in them are found less often. Do not use it for "
        "identification or surveillance.",
    ),
}
_OTHER = ("See the description above.", "No other use was tested.")


def write(manifest: Manifest, folder: Path) -> Path:
    """Write the card of a model folder and return its path."""
    path = folder / "card.md"
    path.write_text(render(manifest), encoding="utf-8")
    return path


def render(manifest: Manifest) -> str:
    """Return the card as Markdown."""
    use, misuse = _USES.get(manifest.task, _OTHER)
    parts = [f"# {manifest.name}, version {manifest.version}", manifest.description, *_facts(manifest)]
    parts += ["## Use", use, "## Misuse", misuse]
    if manifest.heads:
        parts += ["## Answers", _heads(manifest), *_trust(manifest)]
    if manifest.metrics:
        parts += [
            "## Measured",
            "95 % bootstrap intervals in brackets. Temperature, conformal threshold, abstention limits, the choice of "
            "the epoch and of the default graph were made on `val`; figures on `val` are optimistic by what those "
            "choices gain.",
            _metrics(manifest.metrics),
        ]
    if manifest.data:
        parts += ["## Data", _data(manifest)]
    parts += ["## Licence", _licence(manifest)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _facts(manifest: Manifest) -> list[str]:
    rows = [["task", manifest.task], ["exported", f"{manifest.created} by mien {manifest.mien}".strip()]]
    if manifest.parameters:
        rows.append(["parameters", f"{manifest.parameters:,}"])
    for key, graph in sorted(manifest.graphs.items()):
        default = ", default" if key == manifest.default else ""
        rows.append([f"{key} graph", f"`{graph.file}`, {graph.size / 1e6:.1f} MB{default}"])
    if manifest.crop:
        rows.append(["input", f"RGB uint8 crops of {manifest.crop.size}x{manifest.crop.size}, {manifest.crop.kind}"])
    if manifest.detector:
        found = manifest.detector
        rows.append(["input", f"RGB uint8, sides multiples of {found.multiple}; longest side {found.side} by default"])
        rows.append(["threshold", f"{found.score:.2f}"])
    return [_table(["what", ""], rows)]


def _heads(manifest: Manifest) -> str:
    rows = [
        [
            head.name,
            head.label_set,
            ", ".join(head.labels),
            f"{head.smoothing:g}",
            f"{head.temperature:.3f}",
            _number(head.conformal_90),
        ]
        for head in manifest.heads
    ]
    titles = ["head", "label set", "labels in order", "smoothing undone", "temperature", "threshold of the 90 % sets"]
    return _table(titles, rows)


def _trust(manifest: Manifest) -> list[str]:
    gate = {name: value for name, value in manifest.gate.model_dump().items() if value is not None}
    if not gate:
        return []
    said = ["It abstains by these limits: " + ", ".join(f"`{name}` {value:.3g}" for name, value in gate.items()) + "."]
    if manifest.quality is not None:
        signals = ", ".join(manifest.quality.curves)
        said.append(f"`quality` is the chance that an answer is right, fitted on `val` from: {signals}.")
    return said


def _metrics(metrics: tuple[Metric, ...]) -> str:
    rows = []
    for m in metrics:
        interval = "" if m.low is None or m.high is None else f" ({m.low:.3f} to {m.high:.3f})"
        rows.append(
            [m.name, f"{m.value:.3f}{interval}", m.head or "", m.precision, m.dataset, m.split, m.protocol, f"{m.n:,}"]
        )
    return _table(["figure", "value", "head", "graph", "data", "split", "protocol", "n"], rows)


def _data(manifest: Manifest) -> str:
    rows = [[d.name, d.use, f"{d.n:,}", d.licence, f"`{d.digest[:12]}`"] for d in manifest.data]
    return _table(["data set", "used for", "rows", "terms of the data", "digest"], rows)


def _licence(manifest: Manifest) -> str:
    return f"The weights are under {manifest.licence}; the data they were made from keep their own terms."


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
