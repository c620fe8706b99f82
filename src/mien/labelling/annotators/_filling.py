"""How a language model fills a form about a picture: it is asked, and may correct an answer that does not fit.

pydantic-ai translates between its messages and the services. Its agents are left out: one question with one form needs
none of their machinery, which costs more of this machine's time than everything else about a request.
"""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from pydantic_ai import BinaryContent, exceptions
from pydantic_ai.direct import model_request
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.usage import RunUsage

from mien.labelling.answer import Reply

TOOL = "final_result"


class Filling:
    """Asks a model to fill a form.

    Args:
        model: the model as pydantic-ai knows it.
        form: what is to be filled.
        instructions: what the form is about.
        repairs: how often an answer that does not fit may be corrected.
        settings: of every request.
    """

    def __init__(
        self, model: Model, form: type[Reply], instructions: str, repairs: int, settings: ModelSettings
    ) -> None:
        self._model, self._form, self._instructions = model, form, instructions
        self._repairs, self._settings = repairs, settings
        self._tools = bool(model.profile.get("supports_tools", True))
        schema, about = form.model_json_schema(), form.__doc__
        self._parameters = (
            ModelRequestParameters(
                output_mode="tool",
                output_tools=[
                    ToolDefinition(name=TOOL, parameters_json_schema=schema, description=about, kind="output")
                ],
                allow_text_output=False,
            )
            if self._tools
            else ModelRequestParameters(
                output_mode="prompted", output_object=OutputObjectDefinition(schema, form.__name__, about)
            )
        )

    async def fill(self, picture: bytes, usage: RunUsage) -> Reply:
        """Return the filled form.

        Args:
            picture: JPEG bytes.
            usage: counts what every request used, also when this fails.

        Raises:
            AgentRunError: the service failed (see `pydantic_ai.exceptions`), or no answer fits the form.
        """
        asked = UserPromptPart([BinaryContent(picture, media_type="image/jpeg")])
        messages: list[ModelMessage] = [ModelRequest([asked], instructions=self._instructions)]
        for left in range(self._repairs, -1, -1):
            response = await model_request(
                self._model, messages, model_settings=self._settings, model_request_parameters=self._parameters
            )
            usage.requests += 1
            usage.incr(response.usage)
            call = next((part for part in response.parts if isinstance(part, ToolCallPart)), None)
            try:
                return self._read(response, call)
            except ValidationError as error:
                wrong = [
                    f"{'.'.join(map(str, e['loc'])) or 'the answer'}: {e['msg']}"
                    for e in error.errors(include_url=False, include_context=False, include_input=False)
                ]
            if left:
                messages += [response, self._complaint("; ".join(wrong), call)]
        raise exceptions.UnexpectedModelBehavior(
            f"no answer fits the form after {self._repairs + 1} requests: {'; '.join(wrong)}"
        )

    def _read(self, response: ModelResponse, call: ToolCallPart | None) -> Reply:
        if call is not None:
            return self._form.model_validate(_arguments(call))
        text = response.text or ""
        # A model that was asked for nothing but JSON may still wrap it into words or a block of code.
        return self._form.model_validate_json(text[text.find("{") : text.rfind("}") + 1])

    def _complaint(self, wrong: str, call: ToolCallPart | None) -> ModelRequest:
        text = f"The answer does not fit the form: {wrong}. Correct it and answer again."
        if call is not None:
            part = ToolReturnPart(call.tool_name, text, tool_call_id=call.tool_call_id, outcome="retried")
            return ModelRequest([part], instructions=self._instructions)
        return ModelRequest([UserPromptPart(text)], instructions=self._instructions)


def _arguments(call: ToolCallPart) -> dict[str, Any] | None:
    """Return what a model filled in; None (which fits no form) where it is no JSON object."""
    try:
        return call.args_as_dict(raise_if_invalid=True)
    except (ValueError, AssertionError):
        return None
