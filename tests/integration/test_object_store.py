"""Tables, pictures and models in a store, through the commands: local servers that speak as S3, Google and Azure do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fixtures import stores

from mien import hub, storage
from mien.cli.main import main
from mien.curation.table import open_table, write_table
from mien.errors import DataError, ModelError

pytestmark = [
    pytest.mark.slow,
    # The stores' libraries leave sockets to the collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module", params=sorted(stores.KINDS))
def bucket(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of an empty bucket in a local store."""
    with stores.KINDS[request.param]() as address:
        yield address


@pytest.fixture
def raw(tmp_path: Path, photo: Path) -> Path:
    """A folder of two photos in folders named by label."""
    for name in ("happy/a.jpg", "sad/b.jpg"):
        (tmp_path / "raw" / name).parent.mkdir(parents=True)
        shutil.copyfile(photo, tmp_path / "raw" / name)
    return tmp_path / "raw"


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


def test_a_table_goes_through_the_store_and_stays_the_same(bucket: str, raw: Path, tmp_path: Path) -> None:
    assert run("data", "import", "folder", str(raw), "-o", f"{bucket}/one", "--on", "threads") == 0
    assert run("data", "import", "folder", str(raw), "-o", str(tmp_path / "one")) == 0
    there, here = open_table(storage.locate(f"{bucket}/one")), open_table(tmp_path / "one")
    assert there.digest() == here.digest()
    for row in here.rows(["image"]):
        assert (there.root / row["image"]).read_bytes() == (here.root / row["image"]).read_bytes()

    assert run("data", "crop", f"{bucket}/one", "-o", f"{bucket}/crops", "--size", "48") == 0
    assert run("data", "crop", str(tmp_path / "one"), "-o", str(tmp_path / "crops"), "--size", "48") == 0
    cropped = open_table(storage.locate(f"{bucket}/crops"))
    assert cropped.digest() == open_table(tmp_path / "crops").digest()
    assert not any("/.crop" in str(path) for path in storage.walk(storage.locate(f"{bucket}/crops")))

    assert run("data", "dedupe", f"{bucket}/one", "--action", "drop", "-o", f"{bucket}/distinct") == 0
    assert len(open_table(storage.locate(f"{bucket}/distinct"))) == 1

    assert run("data", "show", f"{bucket}/crops", "-o", f"{bucket}/seen/sheet.png", "--side", "48") == 0
    assert run("data", "show", str(tmp_path / "crops"), "-o", str(tmp_path / "sheet.png"), "--side", "48") == 0
    assert storage.locate(f"{bucket}/seen/sheet.png").read_bytes() == (tmp_path / "sheet.png").read_bytes()
    assert run("data", "report", f"{bucket}/one", "-o", f"{bucket}/seen/report.html", "--no-labels") == 0
    assert "data:image/" in storage.locate(f"{bucket}/seen/report.html").read_text(encoding="utf-8")
    assert run("data", "audit", f"{bucket}/one", "--no-labels", "--json", f"{bucket}/seen/audit.json") == 0
    said = json.loads(storage.locate(f"{bucket}/seen/audit.json").read_bytes())
    assert said["duplicates"]["exact"]["groups"] == 1
    assert said["pictures"] == {}


def test_pictures_are_read_from_and_predictions_written_to_the_store(
    bucket: str, raw: Path, tiny_expression: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in raw.rglob("*.jpg"):
        storage.write(storage.locate(f"{bucket}/pictures/{path.relative_to(raw).as_posix()}"), path.read_bytes())
    model = ["--crops", "--model", str(tiny_expression)]
    assert run("predict", f"{bucket}/pictures/", *model, "--csv", "-") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == [
        f"{bucket}/pictures/happy/a.jpg",
        f"{bucket}/pictures/sad/b.jpg",
    ]
    assert run("predict", f"{bucket}/pictures/", *model, "--shards", f"{bucket}/read") == 0
    assert {path.name for path in storage.walk(storage.locate(f"{bucket}/read"))} == {
        "part-0000000.parquet",
        "shards.jsonl",
    }


def test_a_model_comes_from_the_store_once_and_is_checked(
    bucket: str, tiny_expression: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "cache"))
    hub.publish(tiny_expression, f"{bucket}/models/tiny")
    folder = hub.find(f"{bucket}/models/tiny")
    assert folder.is_relative_to(tmp_path / "cache")
    assert (folder / "model.onnx").read_bytes() == (tiny_expression / "model.onnx").read_bytes()
    made = (folder / "model.onnx").stat().st_mtime_ns
    assert (hub.find(f"{bucket}/models/tiny") / "model.onnx").stat().st_mtime_ns == made

    storage.write(storage.locate(f"{bucket}/models/bad/model.json"), (tiny_expression / "model.json").read_bytes())
    storage.write(storage.locate(f"{bucket}/models/bad/model.onnx"), b"another graph")
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "other"))
    with pytest.raises(ModelError, match="has sha256"):
        hub.find(f"{bucket}/models/bad")
    assert not list((tmp_path / "other").rglob("model.json"))


def test_what_is_not_there_is_said_in_one_line(bucket: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError, match=f"no table at '{bucket}/nowhere'"):
        open_table(storage.locate(f"{bucket}/nowhere"))
    with pytest.raises(ModelError, match=f"{bucket}/nowhere is not a model folder"):
        hub.find(f"{bucket}/nowhere")
    assert run("predict", f"{bucket}/nowhere/a.jpg") == 2
    assert run("predict", f"{bucket.partition(':')[0]}://no-such-bucket/a.jpg") == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_table_is_written_to_memory_and_back(tmp_path: Path) -> None:
    pytest.importorskip("upath")
    rows = [{"image": "a.png", "source": "made", "label": "happiness"}]
    made = write_table(storage.locate("memory://tables/one/table.parquet"), rows)
    assert made.digest() == write_table(tmp_path / "table.parquet", rows).digest()
