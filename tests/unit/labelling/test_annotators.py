"""Annotators against real HTTP servers on loopback, through the services' own libraries."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openai import AsyncOpenAI
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.usage import RunUsage
from tests.fixtures import providers
from tests.fixtures.providers import TOKENS_IN, TOKENS_OUT, Act, Provider

from mien import labels
from mien.errors import DataError, UnknownNameError
from mien.imaging import image
from mien.labelling import annotators
from mien.labelling.annotators import Options
from mien.labelling.annotators._filling import Filling
from mien.labelling.answer import Answer, Reply, form
from mien.labelling.items import Item
from mien.labelling.review import Review, open_database
from mien.remote.campaign import Campaign, HaltedError, Limits
from mien.remote.ledger import Ledger
from mien.remote.work import Outcome

EKMAN = labels.get("ekman7")
# A listed model each, so that prices come from the list.
SERVICES = {"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5", "gemini": "gemini-2.5-flash"}


@pytest.fixture(autouse=True)
def api_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(variable, f"{variable.lower()}-0123456789")
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)


@pytest.fixture
def server() -> Iterator[Provider]:
    with providers.serve() as provider:
        yield provider


@pytest.fixture
def items(tmp_path: Path, rng: np.random.Generator) -> list[Item]:
    out = []
    for i in range(4):
        image.write(rng.integers(0, 256, (48, 48, 3), dtype=np.uint8), tmp_path / f"{i}.png")
        out.append(Item(f"{i}.png", f"{i}.png", None, tmp_path))
    return out


def ask(
    server: Provider,
    service: str,
    items: list[Item],
    ledger: Path,
    options: dict[str, Any] | None = None,
    **limits: Any,
) -> tuple[list[Outcome], int]:
    """Run a campaign and return outcomes and money spent; a million tokens cost a dollar in and ten out."""
    url = server.url + ("/v1" if service == "openai" else "")
    chosen = Options(**{"base_url": url, "price": (1.0, 10.0), "timeout": 6.0, **(options or {})})

    async def run() -> list[Outcome]:
        annotator = annotators.load(f"{service}:{SERVICES[service]}", EKMAN, chosen)
        try:
            campaign = Campaign(annotator, opened, Limits(**{"backoff": 0.01, "concurrency": 2, **limits}))
            return [outcome async for outcome in campaign.run(annotator.work(item) for item in items)]
        finally:
            await annotator.close()

    with Ledger(ledger) as opened:
        return asyncio.run(run()), opened.spent()


COST = TOKENS_IN * 1 + TOKENS_OUT * 10


@pytest.mark.parametrize("service", SERVICES)
def test_a_right_answer_becomes_a_distribution_with_its_cost(
    service: str, server: Provider, items: list[Item], tmp_path: Path
) -> None:
    outcomes, spent = ask(server, service, items, tmp_path / "l.sqlite")
    assert Counter(o.state for o in outcomes) == {"done": 4}
    answer = Answer.model_validate(outcomes[0].answer)
    assert answer.label == "happy"
    assert sum(answer.scores.values()) == pytest.approx(1.0)
    assert answer.action_units == ("AU6", "AU12")
    assert spent == 4 * COST
    assert len(server.pictures) == 4
    assert set(server.pictures.values()) == {1}


@pytest.mark.parametrize("service", SERVICES)
def test_an_answer_that_does_not_fit_is_corrected_by_the_model(
    service: str, server: Provider, items: list[Item], tmp_path: Path
) -> None:
    wrong = {**providers.right_answer(), "scores": {"angry": 2.0}}
    server.act = lambda number, body: Act(arguments=wrong) if number == 0 else Act()
    [outcome], spent = ask(server, service, items[:1], tmp_path / "l.sqlite")
    assert outcome.state == "done"
    assert len(server.requests) == 2
    assert spent == 2 * COST


@pytest.mark.parametrize("service", SERVICES)
def test_a_model_that_never_fits_the_form_is_set_aside_with_the_reason_and_paid(
    service: str, server: Provider, items: list[Item], tmp_path: Path
) -> None:
    wrong = {**providers.right_answer(), "scores": dict.fromkeys(EKMAN, 1.0)}
    server.act = lambda number, body: Act(arguments=wrong)
    [outcome], spent = ask(server, service, items[:1], tmp_path / "l.sqlite", {"repairs": 1})
    assert outcome.state == "refused"
    assert outcome.reason
    assert len(server.requests) == 2
    assert spent == 2 * COST


def test_a_model_without_tools_answers_in_words_of_json_and_is_corrected(server: Provider, items: list[Item]) -> None:
    fenced = f"Here it is:\n```json\n{json.dumps(providers.right_answer())}\n```"
    texts = ["I cannot tell.", fenced]
    server.act = lambda number, body: Act(raw=json.dumps(said(texts[number])).encode())
    usage = RunUsage()

    async def run() -> Reply:
        async with AsyncOpenAI(api_key="x", base_url=f"{server.url}/v1", max_retries=0) as sdk:
            profile: ModelProfile = {"supports_tools": False}
            model = OpenAIChatModel("local", provider=OpenAIProvider(openai_client=sdk), profile=profile)
            return await Filling(model, form(EKMAN), "Judge.", 1, {}).fill(items[0].picture(), usage)

    reply = asyncio.run(run())
    assert reply.answer().label == "happy"
    assert (usage.requests, usage.input_tokens) == (2, 2 * TOKENS_IN)
    assert "tools" not in server.requests[0]
    assert "does not fit the form" in json.dumps(server.requests[1]["messages"])


def said(text: str) -> dict[str, Any]:
    """What an OpenAI-compatible server sends when the model answers in text."""
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": "local",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": TOKENS_IN, "completion_tokens": TOKENS_OUT, "total_tokens": TOKENS_IN + TOKENS_OUT},
    }  # fmt: skip


@pytest.mark.parametrize("service", SERVICES)
def test_a_busy_service_is_waited_for_as_long_as_it_says(
    service: str, server: Provider, items: list[Item], tmp_path: Path
) -> None:
    server.act = lambda number, body: Act(429, {"Retry-After": "1"}) if number == 0 else Act()
    [outcome], spent = ask(server, service, items[:1], tmp_path / "l.sqlite")
    assert outcome.state == "done"
    assert server.times[1] - server.times[0] >= 0.99
    assert spent == COST


@pytest.mark.parametrize("service", SERVICES)
def test_errors_of_the_service_and_dropped_connections_are_tried_again(
    service: str, server: Provider, items: list[Item], tmp_path: Path
) -> None:
    acts = [Act(500), Act(503), Act(drop=True)]
    server.act = lambda number, body: acts[number] if number < len(acts) else Act()
    [outcome], spent = ask(server, service, items[:1], tmp_path / "l.sqlite", {"max_tokens": 100, "repairs": 0})
    assert outcome.state == "done"
    assert len(server.requests) == 4
    assert spent > COST, "the dropped request may have been charged, so it stays booked"
    assert max(server.charges.values()) == 1, "the server knew the request again by its key"


@pytest.mark.parametrize("raw", [b"", b"{", b"<html>gateway</html>", b'{"a": 1}'])
def test_a_body_that_is_no_answer_ends_in_a_reason_not_in_a_traceback(
    raw: bytes, server: Provider, items: list[Item], tmp_path: Path
) -> None:
    server.act = lambda number, body: Act(raw=raw)
    [outcome], _ = ask(server, "openai", items[:1], tmp_path / "l.sqlite", attempts=2)
    assert outcome.state in ("refused", "pending")
    assert outcome.reason


def test_a_slow_service_runs_into_the_timeout_and_is_tried_again(
    server: Provider, items: list[Item], tmp_path: Path
) -> None:
    server.act = lambda number, body: Act(delay=4.0) if number == 0 else Act()
    [outcome], _ = ask(server, "openai", items[:1], tmp_path / "l.sqlite", {"timeout": 1.0})
    assert outcome.state == "done"


def test_a_wrong_key_stops_the_run_and_is_never_repeated(server: Provider, items: list[Item], tmp_path: Path) -> None:
    server.act = lambda number, body: Act(401, message="incorrect key openai_api_key-0123456789 given")
    with pytest.raises(HaltedError) as caught:
        ask(server, "openai", items, tmp_path / "l.sqlite", concurrency=1)
    assert "0123456789" not in str(caught.value)
    assert len(server.requests) == 1
    assert b"0123456789" not in (tmp_path / "l.sqlite").read_bytes()


def test_a_budget_is_kept_at_every_moment(server: Provider, items: list[Item], tmp_path: Path) -> None:
    many = [Item(f"{i}", items[i % 4].image, (0.0, 0.0, 20.0 + i, 30.0), items[0].root) for i in range(20)]
    outcomes, spent = ask(
        server,
        "openai",
        many,
        tmp_path / "l.sqlite",
        {"repairs": 0, "max_tokens": 100},
        concurrency=8,
        budget=11 * COST,
    )
    assert spent <= 11 * COST
    states = Counter(o.state for o in outcomes)
    assert states["done"] * COST == spent
    assert states["unpaid"] == 20 - states["done"]
    assert states["done"] >= 8


def test_an_unknown_model_away_from_here_needs_a_price() -> None:
    with pytest.raises(DataError, match="nobody knows what 'no-such-model' costs"):
        annotators.load("openai:no-such-model", EKMAN, Options(base_url="https://models.example.org/v1"))
    listed = annotators.load("openai:gpt-4o-mini", EKMAN)
    assert listed.destination == "api.openai.com"
    assert listed.price(None) > 0  # type: ignore[arg-type]
    asyncio.run(listed.close())


def test_the_form_has_a_field_a_label_and_refuses_what_does_not_sum_to_one() -> None:
    compound = form(labels.get("rafce14"))
    assert "happily_surprised" in compound.model_json_schema()["$defs"]["Scores"]["required"]
    with pytest.raises(ValueError, match="must sum to 1"):
        form(EKMAN).model_validate({**providers.right_answer(), "scores": dict.fromkeys(EKMAN, 0.5)})
    multi = form(labels.get("social8")).model_validate(
        {**providers.right_answer(), "scores": dict.fromkeys(labels.get("social8"), 0.5)}
    )
    assert set(multi.answer().scores.values()) == {0.5}


def test_a_box_is_shown_with_a_margin_and_no_smaller_than_224_pixels(tmp_path: Path) -> None:
    pixels = np.zeros((100, 100, 3), np.uint8)
    pixels[40:60, 40:60] = 255
    image.write(pixels, tmp_path / "a.png")
    seen = image.read(Item("k", "a.png", (40.0, 40.0, 60.0, 60.0), tmp_path).picture())
    assert seen.shape == (224, 224, 3)
    assert seen[112, 112].min() > 200
    assert seen[5, 5].max() < 60
    with pytest.raises(DataError, match="outside its picture"):
        Item("k", "a.png", (300.0, 300.0, 320.0, 320.0), tmp_path).picture()


def collect(annotator: annotators.Annotator, items: list[Item], ledger: Path) -> dict[str, Outcome]:
    async def run() -> dict[str, Outcome]:
        works = (annotator.work(item) for item in items)
        found = {o.work.key: o async for o in Campaign(annotator, opened, Limits(backoff=0.01)).run(works)}
        await annotator.close()
        return found

    with Ledger(ledger) as opened:
        return asyncio.run(run())


def test_a_file_of_labels_answers_and_what_it_lacks_waits(items: list[Item], tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("image,label\n0.png,Anger\n1.png,not_a_face\n")
    found = collect(annotators.load(f"file:{tmp_path / 'a.csv'}", EKMAN), items, tmp_path / "l.sqlite")
    assert Answer.model_validate(found["0.png"].answer).label == "angry"
    assert Answer.model_validate(found["1.png"].answer).verdict == "not_a_face"
    assert found["2.png"].state == "pending"
    (tmp_path / "b.csv").write_text("image,label\n0.png,hungry\n")
    with pytest.raises(DataError, match=r"line 2 of .*no label of ekman7 named 'hungry'"):
        annotators.load(f"file:{tmp_path / 'b.csv'}", EKMAN)


def test_our_own_models_answer_with_their_mean(items: list[Item], tiny_expression: Path, tmp_path: Path) -> None:
    from mien.recognition.expression import ExpressionModel

    found = collect(
        annotators.load(f"ensemble:{tiny_expression},{tiny_expression}", EKMAN), items, tmp_path / "l.sqlite"
    )
    model = ExpressionModel(tiny_expression)
    expected = model.predict(np.stack([image.read(items[0].path)]))["expression7"].values[0]
    scores = Answer.model_validate(found["0.png"].answer).scores
    assert list(scores.values()) == pytest.approx(expected.tolist(), abs=1e-5)


def test_people_are_asked_once_and_their_verdicts_come_with_a_later_run(items: list[Item], tmp_path: Path) -> None:
    url, options = str(tmp_path / "review.sqlite"), Options(batch="b", raters=2)
    first = collect(annotators.load(f"human:{url}", EKMAN, options), items, tmp_path / "l.sqlite")
    assert {o.state for o in first.values()} == {"pending"}
    review = Review(open_database(url), "b")
    for rater in ("ann", "bob"):
        while (question := review.ask(rater)) is not None:
            review.rate(rater, question.item, "label", "sad" if question.key == "0.png" or rater == "ann" else "fear")
    second = collect(annotators.load(f"human:{url}", EKMAN, options), items, tmp_path / "l.sqlite")
    assert second["0.png"].state == "done"
    assert Answer.model_validate(second["0.png"].answer).label == "sad"
    assert second["1.png"].state == "pending", "the raters disagree"
    assert review.counts()["conflict"] == 3
    review.engine.dispose()


def test_unknown_annotators_are_named() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'openai'"):
        annotators.load("opnai:x", EKMAN)
    with pytest.raises(DataError, match="needs more"):
        annotators.load("file", EKMAN)
