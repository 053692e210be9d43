"""The OpenAI client of AutoGen's extensions, in the loop that its agents run."""

import json

from autogen_core.models import (
    AssistantMessage, CreateResult, FunctionExecutionResult, FunctionExecutionResultMessage, ModelFamily, ModelInfo, UserMessage
)
from autogen_core.tools import FunctionTool
from autogen_ext.models.openai import OpenAIChatCompletionClient

import talks

INFO = ModelInfo(
    vision=False, function_calling=True, json_output=True, structured_output=True, family=ModelFamily.UNKNOWN,
    multiple_system_messages=True,
)


async def hold(talk, weather):
    tools = [FunctionTool(weather.get_weather, description="The weather of the coming days.")]
    client = OpenAIChatCompletionClient(
        model=talk["model"], base_url=talks.BASE_URL, api_key="none", model_info=INFO, max_retries=0
    )
    messages, choice = [UserMessage(content=talk["prompt"], source="user")], talk["choice"]
    while True:
        if talk["streamed"]:
            async for result in client.create_stream(messages, tools=tools, tool_choice=choice):
                pass
        else:
            result = await client.create(messages, tools=tools, tool_choice=choice)
        assert isinstance(result, CreateResult)
        if isinstance(result.content, str):
            return result.content
        choice = "auto"
        messages.append(AssistantMessage(content=result.content, thought=result.thought, source="assistant"))
        results = [
            FunctionExecutionResult(
                content=weather.get_weather(**json.loads(call.arguments)), call_id=call.id, name=call.name, is_error=False
            )
            for call in result.content
        ]
        messages.append(FunctionExecutionResultMessage(content=results))


talks.main(hold)
