"""Local paths and paths in a store, through the same functions."""

from __future__ import annotations

from pathlib import Path

import pytest

from mien import storage
from mien.errors import DataError

pytest.importorskip("upath")


@pytest.fixture(params=["local", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An empty folder, on the disk and in fsspec's memory."""
    return tmp_path if request.param == "local" else storage.locate(f"memory://{tmp_path.name} [1]")


def test_a_plain_path_stays_a_plain_path(tmp_path: Path) -> None:
    assert storage.locate("a/b.png") == Path("a/b.png")
    assert storage.locate(tmp_path) is not None
    assert storage.locate(f"file://{tmp_path}/a") == tmp_path / "a"
    assert not storage.is_remote(storage.locate(tmp_path))
    assert storage.is_remote(storage.locate("memory://a"))
    assert not storage.is_url("http://host/a.jpg")


def test_what_is_written_is_read_and_replaced_whole(folder: Path) -> None:
    storage.write(folder / "a/b.bin", b"one")
    storage.write(folder / "a/b.bin", b"two")
    assert (folder / "a/b.bin").read_bytes() == b"two"
    assert [path.name for path in (folder / "a").iterdir()] == ["b.bin"], "a partial file was left"


def test_a_file_is_placed_moved_and_removed(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "source.bin"
    source.write_bytes(b"data")
    storage.place(source, folder / "in/there.bin", link=True)
    storage.move(folder / "in/there.bin", folder / "in/here.bin")
    assert not (folder / "in/there.bin").exists()
    assert (folder / "in/here.bin").read_bytes() == b"data"
    storage.remove(folder / "in")
    assert not (folder / "in/here.bin").exists()
    storage.remove(folder / "in")
    with pytest.raises(FileNotFoundError):
        storage.place(folder / "none.bin", tmp_path / "copy.bin")


def test_walking_gives_the_order_of_a_walk_through_folders() -> None:
    folder = storage.locate("memory://walked")
    for name in ("b.png", "a/2.png", "a/1.png", "a.png", "a/c/0.png"):
        storage.write(folder / name, b"")
    prefix = str(folder).rstrip("/") + "/"
    assert [str(path).removeprefix(prefix) for path in storage.walk(folder)] == [
        "a/1.png", "a/2.png", "a/c/0.png", "a.png", "b.png",
    ]  # fmt: skip


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match="cannot write"):
        storage.write(tmp_path / "file" / "below.bin", b"")
