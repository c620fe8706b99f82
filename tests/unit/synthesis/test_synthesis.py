"""Synthesis: a balanced grid, generators behind real HTTP servers and a real tiny pipeline, provenance, acceptance."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from tests.fixtures import providers
from tests.fixtures.providers import Act, Provider
from typer.testing import CliRunner

from mien import hub, labels
from mien.cli.synth import app
from mien.curation.table import open_table
from mien.errors import DataError, ModelError, UnknownNameError
from mien.recognition.pipeline import Recognizer
from mien.remote.campaign import HaltedError, Limits
from mien.remote.ledger import Ledger
from mien.remote.work import Outcome
from mien.synthesis import acceptance, generators, grid, production, report, template
from mien.synthesis.generators import Options
from mien.synthesis.grid import Shot
from mien.synthesis.signing import Trust

EKMAN = labels.get("ekman7")
PRICE = 40_000


@pytest.fixture(autouse=True)
def api_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    monkeypatch.setenv("GEMINI_API_KEY", "gm-test-0123456789")
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)


@pytest.fixture
def server() -> Iterator[Provider]:
    with providers.serve() as provider:
        yield provider


def shots(count: int = 3) -> list[Shot]:
    return grid.plan(template.load(), EKMAN, {"happy": count}, seed=1)


def make(spec: str, todo: list[Shot], out: Path, options: Options, **limits: Any) -> tuple[list[Outcome], int]:
    async def run() -> list[Outcome]:
        generator = generators.load(spec, options)
        chosen = Limits(**{"backoff": 0.01, "concurrency": 3, **limits})
        return [outcome async for outcome in production.produce(todo, generator, out, ledger, chosen)]

    with Ledger(out / "ledger.sqlite") as ledger:
        return asyncio.run(run()), ledger.spent()


@pytest.mark.parametrize("count", [1, 7, 40])
def test_every_value_of_every_attribute_is_balanced_within_each_label(count: int) -> None:
    found = grid.plan(template.load(), EKMAN, dict.fromkeys(EKMAN, count), seed=4)
    assert Counter(shot.label for shot in found) == dict.fromkeys(EKMAN, count)
    assert len({shot.id for shot in found}) == len(found)
    for label in EKMAN:
        for name, values in template.load().attributes.items():
            counts = Counter(shot.attributes[name] for shot in found if shot.label == label)
            per_value = [counts[value] for value in values]
            assert max(per_value) - min(per_value) <= 1


def test_attributes_do_not_go_together() -> None:
    found = grid.plan(template.load(), EKMAN, {"sad": 400}, seed=0)
    pairs = Counter((shot.attributes["sex"], shot.attributes["age"]) for shot in found)
    assert min(pairs.values()) > 20, "every pair of ten occurs; forty are expected of each"


def test_the_same_seed_gives_the_same_plan_and_prompts_say_the_cues(tmp_path: Path) -> None:
    assert shots() == shots()
    assert grid.plan(template.load(), EKMAN, {"happy": 3}, seed=2) != shots()
    assert "AU6 + AU12" in shots()[0].prompt
    assert shots()[0].name.startswith("happy_")
    grid.write(tmp_path / "p.jsonl", shots())
    assert grid.read(tmp_path / "p.jsonl") == shots()
    (tmp_path / "bad.jsonl").write_text('{"id": 1}\n')
    with pytest.raises(DataError, match="line 1"):
        grid.read(tmp_path / "bad.jsonl")


def test_a_template_of_ones_own_is_checked(tmp_path: Path) -> None:
    own = tmp_path / "t.toml"
    own.write_text('[attributes]\nhat = ["a red hat", "no hat"]\n')
    assert "hat: " in grid.plan(template.load(own), EKMAN, {"sad": 1})[0].prompt
    own.write_text('[expressions.awe]\nunits = ["brow"]\nlooks = "x"\n')
    with pytest.raises(DataError, match="no action unit"):
        template.load(own)
    with pytest.raises(DataError, match="does not say how 'amusement' looks"):
        grid.plan(template.load(), labels.get("mikels8"), {"amusement": 1})


@pytest.mark.parametrize(("service", "base"), [("openai:gpt-image-1", "/v1"), ("gemini:gemini-2.5-flash-image", "")])
def test_pictures_are_made_paid_for_once_and_carry_their_origin(
    service: str, base: str, server: Provider, tmp_path: Path
) -> None:
    options = Options(server.url + base, PRICE)
    outcomes, spent = make(service, shots(5)[:4], tmp_path, options)
    assert Counter(o.state for o in outcomes) == {"done": 4}
    assert spent == 4 * PRICE
    for shot in shots(5)[:4]:
        said = production.read_sidecar(tmp_path / "images" / shot.name)
        assert said is not None
        hashed = said["assertions"][1]["data"]["hash"]
        assert hashed == hashlib.sha256((tmp_path / "images" / shot.name).read_bytes()).hexdigest()
        assert said["assertions"][0]["data"]["actions"][0]["digitalSourceType"].endswith("trainedAlgorithmicMedia")
        assert said["mien"]["generator"] == service
        assert said["mien"]["shot"]["prompt"] == shot.prompt
    again, spent = make(service, shots(5), tmp_path, options)
    assert sum(o.cached for o in again) == 4
    assert spent == 5 * PRICE
    assert len(server.requests) == 5


@pytest.mark.parametrize(("service", "base"), [("openai:gpt-image-1", "/v1"), ("gemini:gemini-2.5-flash-image", "")])
def test_troubled_services_are_waited_for_and_bad_pictures_set_aside(
    service: str, base: str, server: Provider, tmp_path: Path
) -> None:
    acts = [Act(429, {"Retry-After": "1"}), Act(500), Act(drop=True)]
    server.act = lambda number, body: acts[number] if number < len(acts) else Act()
    outcomes, spent = make(service, shots(1), tmp_path, Options(server.url + base, PRICE))
    assert [o.state for o in outcomes] == ["done"]
    assert spent == 2 * PRICE, "the dropped request may have been paid"
    assert server.times[1] - server.times[0] >= 0.99
    server.act = lambda number, body: Act(400, message="not allowed by the safety system")
    [outcome], _ = make(service, shots(2)[1:], tmp_path, Options(server.url + base, PRICE))
    assert outcome.state == "refused"
    assert "safety" in (outcome.reason or "")
    server.act = lambda number, body: Act(401, message="bad key sk-test-0123456789 gm-test-0123456789")
    with pytest.raises(HaltedError) as caught:
        make(service, shots(3)[2:], tmp_path, Options(server.url + base, PRICE))
    assert "0123456789" not in str(caught.value)


def test_the_budget_of_pictures_is_kept(server: Provider, tmp_path: Path) -> None:
    options = Options(server.url + "/v1", PRICE)
    outcomes, spent = make("openai:m", shots(10), tmp_path, options, budget=int(3.5 * PRICE), concurrency=8)
    assert Counter(o.state for o in outcomes) == {"done": 3, "unpaid": 7}
    assert spent == 3 * PRICE
    assert len(server.requests) == 3


def test_a_picture_that_was_on_the_disk_when_the_run_was_killed_is_not_asked_for_again(
    server: Provider, tmp_path: Path
) -> None:
    options = Options(server.url + "/v1", PRICE)
    make("openai:m", shots(1), tmp_path, options)
    (tmp_path / "ledger.sqlite").unlink()
    [outcome], spent = make("openai:m", shots(1), tmp_path, options)
    assert outcome.state == "done"
    assert spent == 0
    assert len(server.requests) == 1


def test_what_is_no_picture_is_refused_but_paid(tmp_path: Path) -> None:
    with providers.serve(picture=lambda n, body: b"not a picture") as provider:
        [outcome], spent = make("openai:m", shots(1), tmp_path, Options(provider.url + "/v1", PRICE))
    assert outcome.state == "refused"
    assert spent == PRICE


def test_away_from_here_a_price_must_be_said() -> None:
    with pytest.raises(DataError, match="--price"):
        generators.load("openai:m")
    with pytest.raises(UnknownNameError, match="Did you mean 'gemini'"):
        generators.load("gemin:m")


@pytest.mark.filterwarnings("ignore")  # of diffusers and transformers, about each other
def test_a_real_tiny_diffusion_pipeline_makes_the_same_picture_for_the_same_shot(tmp_path: Path) -> None:
    import torch
    from diffusers import DDIMPipeline, DDIMScheduler, UNet2DModel

    folder = tmp_path / "unconditional"
    unet = UNet2DModel(
        sample_size=16, in_channels=3, out_channels=3, layers_per_block=1, block_out_channels=(8, 8),
        norm_num_groups=4, down_block_types=("DownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "UpBlock2D"),
    )  # fmt: skip
    DDIMPipeline(unet, DDIMScheduler()).save_pretrained(folder, safe_serialization=True)
    with pytest.raises(ModelError, match=r"model_index.json is missing"):
        generators.load(f"diffusers:{tmp_path}")
    with pytest.raises(ModelError, match="does not make pictures from text"):
        generators.load(f"diffusers:{folder}")
    from tests.fixtures.diffusion import tiny_text_to_image

    text = tiny_text_to_image(tmp_path / "text")
    torch.manual_seed(0)
    options = Options(size=64, steps=2)
    make(f"diffusers:{text}", shots(2), tmp_path / "a", options)
    make(f"diffusers:{text}", shots(2), tmp_path / "b", options)
    first, second = ([(tmp_path / run / "images" / shot.name).read_bytes() for shot in shots(2)] for run in ("a", "b"))
    assert first == second
    assert first[0] != first[1]


def portrait(photo: Path, change: int) -> bytes:
    """The astronaut's face in different light and place, so that pictures of it are no duplicates."""
    picture = Image.open(photo).convert("RGB")
    shift = (change * 37) % 90
    picture = picture.crop((100 - shift, 0, 400 + shift // 2, 300))
    picture = ImageEnhance.Brightness(picture).enhance(0.7 + 0.15 * (change % 5))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


@pytest.mark.skipif(not (hub.assets() / "face").is_dir(), reason="needs the models inside the package")
def test_only_fitting_faces_become_rows_and_every_other_has_its_reason(photo: Path, tmp_path: Path) -> None:
    plan = grid.plan(template.load(), EKMAN, {"happy": 6, "sad": 1}, seed=1)
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    made = {
        plan[0].prompt: portrait(photo, 0),
        plan[1].prompt: portrait(photo, 0),
        plan[2].prompt: buffer.getvalue(),
        plan[3].prompt: portrait(photo, 1),
        plan[4].prompt: portrait(photo, 2),
        plan[6].prompt: portrait(photo, 3),
    }
    with providers.serve(picture=lambda n, body: made[body["prompt"]]) as provider:
        make("openai:m", [plan[i] for i in (0, 1, 2, 3, 4, 6)], tmp_path, Options(provider.url + "/v1", PRICE))
    recognizer = Recognizer(detector="mien", model="expression")
    judged = acceptance.judge(plan, tmp_path, recognizer, acceptance.Gates(min_quality=0.05, distance=0, cap=2))
    assert [one.reason for one in judged] == [None, "duplicate", "no face", None, "cap", "missing", "expression"]
    assert judged[6].read == "happy", "she smiles, whatever was intended"
    table = acceptance.write(tmp_path / "table.parquet", judged, "test")
    rows = list(table.rows())
    assert [row["synthetic"] for row in rows] == [True, True]
    assert {row["split"] for row in rows} == {"train"}
    assert {row["source"] for row in rows} == {"synthetic:openai:m"}
    assert [Path(row["image"]).name.split("_")[0] for row in rows] == ["happy", "happy"]
    assert len(rows[0]["points"]) == 10
    again = acceptance.judge(
        plan[:1], tmp_path, recognizer, acceptance.Gates(min_quality=0.05), acceptance.hashes(open_table(tmp_path))
    )
    assert again[0].reason == "duplicate"
    summary = report.summarise(judged)
    assert (summary["planned"], summary["accepted"]) == (7, 2)
    assert summary["reasons"] == {"duplicate": 1, "no face": 1, "cap": 1, "missing": 1, "expression": 1}
    assert sum(n["planned"] for n in summary["grid"]["age"].values()) == 7
    assert summary["read"]["sad"] == {"happy": 1}
    json.dumps(summary)
    page = report.html(summary)
    assert "Nobody in these pictures lives" in page
    assert "http" not in page.replace("http://www.w3.org", "")


def test_a_sidecar_that_does_not_fit_its_picture_does_not_count(server: Provider, tmp_path: Path) -> None:
    make("openai:m", shots(1), tmp_path, Options(server.url + "/v1", PRICE))
    path = tmp_path / "images" / shots(1)[0].name
    path.write_bytes(providers.face_png(99))
    assert production.read_sidecar(path) is None
    with pytest.raises(DataError, match="no picture was accepted"):
        acceptance.write(tmp_path / "t.parquet", [acceptance.Judged(shots(1)[0], "missing")], "x")


def test_signed_sidecars_are_told_from_others(
    server: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    grid.write(tmp_path / "plan.jsonl", shots(2)[:2])
    runner = CliRunner()
    assert runner.invoke(app, ["key", "-o", "own.pem"]).exit_code == 0
    run = ["run", "plan.jsonl", "--with", "openai:m", "--base-url", f"{server.url}/v1", "--price", "0.04", "-o", "made"]
    done = runner.invoke(app, [*run, "--sign", "own.pem"])
    assert done.exit_code == 0, done.output
    trust = Trust.read(tmp_path / "own.pub.pem")
    for shot in shots(2)[:2]:
        said = production.read_sidecar(tmp_path / "made" / "images" / shot.name)
        assert said is not None
        assert trust.holds(said)
    path = production.sidecar_path(tmp_path / "made" / "images" / shots(2)[0].name)
    said = json.loads(path.read_text())
    path.write_text(json.dumps({**said, "title": "another.png"}))
    judged = acceptance.judge(shots(2)[:2], tmp_path / "made", Recognizer(), trust=trust)
    assert [one.reason for one in judged] == ["unsigned", "no face"]
