"""pydantic-ai, whose streamed run takes the first text of an answer for the last word."""

import openai
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

import talks

client = openai.AsyncOpenAI(base_url=talks.BASE_URL, api_key="none", max_retries=0)


async def hold(talk, weather):
    model = OpenAIChatModel(talk["model"], provider=OpenAIProvider(openai_client=client))

    def settings(context):
        return {"tool_choice": talk["choice"] if context.run_step == 1 else "auto"}

    agent = Agent(model, tools=[weather.get_weather], model_settings=settings)
    if not talk["streamed"]:
        return (await agent.run(talk["prompt"])).output
    async with agent.run_stream(talk["prompt"]) as run:
        return await run.get_output()


talks.main(hold)
