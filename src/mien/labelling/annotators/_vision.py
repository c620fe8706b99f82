"""What all vision-language models share: the question, the typed answer, prices, and how failures are told apart.

pydantic-ai speaks to the services (see `_filling`). Its own retries and those of the services' libraries are off: each
request is one attempt that the campaign has booked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import cast
from urllib.parse import urlsplit

import httpx2
from genai_prices import calc_price
from pydantic_ai import exceptions
from pydantic_ai.models import Model
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RunUsage

from mien.errors import DataError
from mien.labelling.annotators import Options
from mien.labelling.annotators._filling import Filling
from mien.labelling.answer import Reply, form
from mien.labelling.items import Item, digest
from mien.labels import LabelSet
from mien.remote import money
from mien.remote.keys import is_local, redact
from mien.remote.work import Busy, Done, Halt, Lost, Refused, Work

# Tokens that one picture of at most 768 pixels a side costs at the services known to us, rounded up. A model that
# counts otherwise corrects the estimate with its first answer.
PICTURE_TOKENS = 1600

INSTRUCTIONS = """\
You judge the perceived facial expression of one person in a photo: what an observer would say the face shows, not \
what the person feels. Look at brows, eyelids, nose, cheeks and mouth. Do not guess identity, and let age, sex, \
ethnicity and surroundings count for nothing.

Give the probability of each of these labels: {labels}. Spread it over several labels where observers would differ; a \
face at rest is neutral where that is a label. Name the action units that you see. If the picture shows no face that \
could be judged, say that no face is visible and give every label the same probability."""


class Vision:
    """A vision-language model as an annotator.

    Args:
        service: 'openai', 'anthropic' or 'gemini'.
        model: the model as pydantic-ai knows it.
        provider: the name under which its prices are listed.
        url: where requests go.
        labels: the labels to choose from.
        options: see `Options`.

    Raises:
        DataError: nobody knows what the model costs.
    """

    def __init__(
        self, service: str, model: Model, provider: str, url: str, labels: LabelSet, options: Options,
        client: httpx2.AsyncClient,
    ) -> None:  # fmt: skip
        self.name = f"{service}:{model.model_name}"
        self.destination = None if is_local(url) else urlsplit(url).netloc
        self.labels, self.options, self._client = labels, options, client
        self._form: type[Reply] = form(labels)
        self._instructions = INSTRUCTIONS.format(labels=", ".join(labels))
        self._prices = Prices(model.model_name, provider, options.price, free=is_local(url))
        settings = {"max_tokens": options.max_tokens, "timeout": options.timeout, "max_retries": 0, **options.settings}
        self._filling = Filling(model, self._form, self._instructions, options.repairs, cast(ModelSettings, settings))
        schema = json.dumps(self._form.model_json_schema(), sort_keys=True)
        self._question = digest(self.name, url, self._instructions, schema, json.dumps(settings, sort_keys=True))
        self._input = (len(self._instructions) + len(schema)) // 3 + 300 + PICTURE_TOKENS

    def work(self, item: Item) -> Work:
        """Make an item ready; equal pictures under an equal question have an equal digest."""
        picture = item.picture()
        return Work(item.key, digest(self._question, picture), picture)

    def price(self, work: Work) -> int:
        """Return the most that one run can cost: every allowed correction used, every answer of full length."""
        answers = self.options.repairs + 1
        # A correction sends everything before it again.
        tokens_in = sum(self._input + i * (self.options.max_tokens + 200) for i in range(answers))
        return self._prices.of(RunUsage(input_tokens=tokens_in, output_tokens=answers * self.options.max_tokens))

    async def do(self, work: Work) -> Done:
        """Ask the model about one picture."""
        usage = RunUsage()
        try:
            reply = await self._filling.fill(work.content, usage)
        except exceptions.AgentRunError as error:
            raise self._failure(error, usage) from None
        self._learn(usage)
        return Done(reply.answer().model_dump(mode="json"), self._prices.of(usage), _counts(usage))

    def _learn(self, usage: RunUsage) -> None:
        if usage.requests:
            self._input = max(self._input, usage.input_tokens // usage.requests)

    def _failure(self, error: exceptions.AgentRunError, usage: RunUsage) -> Exception:
        """Say what a failure means for the campaign, with keys taken out of its text."""
        self._learn(usage)
        text = redact(" ".join(str(error).split()))[:500]
        cost, counts = self._prices.of(usage), _counts(usage)
        # What was paid before the request that failed (a correction, say) is not forgotten.
        paid = cost > 0
        match error:
            case exceptions.ModelQuotaExceededError() | exceptions.ModelAuthenticationError():
                return Halt(text)
            case exceptions.ModelNotFoundError():
                return Halt(text)
            case _ if paid and isinstance(error, exceptions.ModelAPIError):
                return Refused(text, cost, counts)
            case exceptions.ModelRateLimitError() | exceptions.ModelUnavailableError():
                return Busy(text, error.retry_after)
            case exceptions.ModelServerError():
                return Busy(text, error.retry_after)
            case exceptions.ModelConnectionError(phase="connect" | "pool"):
                return Busy(text)
            case exceptions.ModelConnectionError():
                return Lost(text)
            case exceptions.ModelHTTPError(status_code=408 | 409 | 425):
                return Busy(text, error.retry_after)
            case _:
                return Refused(text, cost, counts)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


class Prices:
    """What a model's tokens cost.

    Args:
        model: its name.
        provider: the name under which prices are listed.
        given: dollars for a million tokens (in, out), which come before the list.
        free: whether a model that nobody named a price for costs nothing (a server on this machine).

    Raises:
        DataError: no price was given and none is listed.
    """

    def __init__(self, model: str, provider: str, given: tuple[float, float] | None, *, free: bool) -> None:
        self._model, self._provider = model, provider
        self._given = (0.0, 0.0) if given is None and free else given
        if self._given is None:
            try:
                calc_price(RunUsage(input_tokens=1, output_tokens=1), model, provider_id=provider)
            except LookupError as error:
                raise DataError(
                    f"nobody knows what '{model}' costs; give --price IN,OUT in dollars for a million tokens "
                    "(0,0 when it is free)"
                ) from error

    def of(self, usage: RunUsage) -> int:
        """Return what a usage costs, in millionths of a dollar."""
        if self._given is not None:
            rate_in, rate_out = (Decimal(str(rate)) for rate in self._given)
            return money.micro((usage.input_tokens * rate_in + usage.output_tokens * rate_out) / 1_000_000)
        return money.micro(calc_price(usage, self._model, provider_id=self._provider).total_price)


def _counts(usage: RunUsage) -> Mapping[str, int]:
    return {"requests": usage.requests, "input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
