"""pydantic-ai with its model for Anthropic's API; its streamed run takes the first text for the last word."""

import os

import anthropic
from pydantic_ai import Agent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider

import talks

client = anthropic.AsyncAnthropic(base_url=os.environ["GATEWAY"], api_key="none", max_retries=0)


async def hold(talk, weather):
    model = AnthropicModel(talk["model"], provider=AnthropicProvider(anthropic_client=client))

    def settings(context):
        return {"max_tokens": 15_000, "tool_choice": talk["choice"] if context.run_step == 1 else "auto"}

    agent = Agent(model, tools=[weather.get_weather], model_settings=settings)
    if not talk["streamed"]:
        return (await agent.run(talk["prompt"])).output
    async with agent.run_stream(talk["prompt"]) as run:
        return await run.get_output()


talks.main(hold)
