"""Pictures that were left out are listed beside the table."""

from __future__ import annotations

from pathlib import Path

from mien.curation import shards
from mien.curation.crop import Spec, crop
from mien.curation.importing import import_dataset
from mien.imaging import image


def test_what_import_and_crop_leave_out_is_listed_with_the_reason(photo: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw/happy"
    image.write(image.read(photo), raw / "a.jpg")
    (raw / "b.jpg").write_bytes(b"no picture")
    done = import_dataset("folder", tmp_path / "raw", tmp_path / "table")
    listed = (tmp_path / "table" / shards.QUARANTINE).read_text().splitlines()
    assert listed == list(done.failures) == ["happy/b.jpg: not a picture: the format is not known"]

    image.write(image.read(photo), raw / "b.jpg")
    again = import_dataset("folder", tmp_path / "raw", tmp_path / "again")
    assert not (tmp_path / "again" / shards.QUARANTINE).exists()
    assert again.table is not None
    (again.table.root / "images/happy/a.jpg").write_bytes(b"damaged since")
    crop(again.table, Spec(detector="none", kind="box", size=16), tmp_path / "crops")
    assert (tmp_path / "crops" / shards.QUARANTINE).read_text().startswith("images/happy/a.jpg: not a picture")


def test_a_list_of_an_earlier_run_goes_when_nothing_fails(tmp_path: Path) -> None:
    shards.quarantine(tmp_path, ["a.jpg: damaged"])
    shards.quarantine(tmp_path, [])
    assert not (tmp_path / shards.QUARANTINE).exists()
