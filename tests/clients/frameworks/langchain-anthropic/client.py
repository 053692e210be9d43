"""LangChain's chat model for Anthropic's API, which is handed its tool's results by hand."""

import os

from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool

import talks

CHOICES = {"required": "any", "auto": "auto"}


async def hold(talk, weather):
    get_weather = tool(weather.get_weather)
    model = ChatAnthropic(
        model=talk["model"], base_url=os.environ["GATEWAY"], api_key="none", max_retries=0, max_tokens=15_000
    )

    async def say(messages, choice):
        asked = model.bind_tools([get_weather], tool_choice=CHOICES[choice])
        if not talk["streamed"]:
            return await asked.ainvoke(messages)
        whole = None
        async for piece in asked.astream(messages):
            whole = piece if whole is None else whole + piece
        return whole

    messages, choice = [HumanMessage(talk["prompt"])], talk["choice"]
    while True:
        answer = await say(messages, choice)
        assert answer.usage_metadata["output_tokens"] > 0
        if not answer.tool_calls:
            return answer.text
        messages += [answer, *[await get_weather.ainvoke(call) for call in answer.tool_calls]]
        choice = "auto"


talks.main(hold)
