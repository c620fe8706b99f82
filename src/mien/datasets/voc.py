"""Pascal VOC: a picture a folder ``JPEGImages`` (or ``images``), its boxes in an XML file in ``Annotations``.

Pictures that a list in ``ImageSets/Main`` names get its split. An object marked ``difficult`` is to be ignored. A
picture without objects is one row without a box. Class names become the label ``class``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from mien.datasets import Info, Sample, Split, _splits
from mien.datasets._annotation import lines, number
from mien.datasets._root import Root
from mien.errors import DataError

INFO = Info(
    title="Pascal VOC boxes",
    licence="as the owner of the pictures says",
    citation="Everingham et al., The Pascal visual object classes challenge, IJCV 2010 (the format)",
    label_set=None,
    home="",
)
MAX_BYTES = 5_000_000


def read(source: Path) -> Iterator[Sample]:
    """Yield a sample a box, in the order of the XML files.

    Raises:
        DataError: no annotations, XML that does not parse, a box without area or outside its picture.
    """
    root = Root(source, INFO.title, "Annotations/*.xml and JPEGImages/")
    notes = sorted(root.child("Annotations").glob("*.xml"))
    if not notes:
        raise DataError(f"'{source}' has no Annotations/*.xml; expected {root.expected}")
    pictures = root.child("JPEGImages", "images")
    splits = _lists(root)
    for path in notes:
        yield from _objects(root, pictures, path, splits.get(path.stem))


def _lists(root: Root) -> dict[str, Split]:
    found: dict[str, Split] = {}
    for path in sorted((root.folder / "ImageSets" / "Main").glob("*.txt")):
        split = _splits.maybe(path.stem)
        if split is not None:
            found |= {line.split()[0]: split for _, line in lines(path)}
    return found


def _objects(root: Root, pictures: Path, note: Path, split: Split | None) -> Iterator[Sample]:
    if note.stat().st_size > MAX_BYTES:
        raise DataError(f"'{note}' has more than {MAX_BYTES:,} bytes; that is no annotation of one picture")
    try:
        tree = ElementTree.parse(note).getroot()  # noqa: S314 - expat bounds entities, MAX_BYTES the rest
    except ElementTree.ParseError as error:
        raise DataError(f"'{note}' is not XML: {error}") from error
    name = (tree.findtext("filename") or "").strip()
    if not name:
        raise DataError(f"'{note}' has no <filename>")
    inner = "" if pictures == root.folder else f"{root.name(pictures)}/"
    path = root.inside(inner + name, f"'{note}'")
    objects = tree.findall("object")
    if not objects:
        yield Sample(root.name(path), path=path, split=split)
    for at, thing in enumerate(objects):
        where = f"'{note}', object {at}"
        corners = [number(thing.findtext(f"bndbox/{side}") or "", where) for side in ("xmin", "ymin", "xmax", "ymax")]
        if corners[2] <= corners[0] or corners[3] <= corners[1]:
            raise DataError(f"{where}: the box {corners} has no area; expected xmin < xmax and ymin < ymax")
        yield Sample(
            root.name(path),
            path=path,
            split=split,
            box=np.array(corners, np.float32),
            ignore=(thing.findtext("difficult") or "0").strip() == "1",
            other_labels={"class": (thing.findtext("name") or "").strip() or "face"},
        )
