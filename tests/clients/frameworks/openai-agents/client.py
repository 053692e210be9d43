"""OpenAI's Agents SDK for Python."""

import openai
from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, Runner, function_tool, set_tracing_disabled

import talks

set_tracing_disabled(True)
client = openai.AsyncOpenAI(base_url=talks.BASE_URL, api_key="none", max_retries=0)


async def hold(talk, weather):
    agent = Agent(
        name="forecaster",
        model=OpenAIChatCompletionsModel(talk["model"], client),
        tools=[function_tool(weather.get_weather)],
        model_settings=ModelSettings(tool_choice=talk["choice"], parallel_tool_calls=True),
    )
    if not talk["streamed"]:
        return (await Runner.run(agent, talk["prompt"])).final_output
    run = Runner.run_streamed(agent, talk["prompt"])
    async for _ in run.stream_events():
        pass
    return run.final_output


talks.main(hold)
