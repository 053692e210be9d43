"""instructor, which demands a call and takes its arguments for the answer. It runs no tool, so nothing is said after."""

from collections.abc import Iterable

import instructor
import openai
from pydantic import BaseModel

import talks


class get_weather(BaseModel):
    """The weather of the coming days."""

    city: str
    days: int = 1


async def hold(talk, weather):
    mode = instructor.Mode.TOOLS if talk["choice"] == "required" else instructor.Mode.PARALLEL_TOOLS
    client = instructor.from_openai(openai.OpenAI(base_url=talks.BASE_URL, api_key="none", max_retries=0), mode=mode)
    asked = {"model": talk["model"], "messages": [{"role": "user", "content": talk["prompt"]}], "max_retries": 0}
    if mode is instructor.Mode.PARALLEL_TOOLS:
        for found in client.chat.completions.create(response_model=Iterable[get_weather], **asked):
            weather.get_weather(found.city, found.days)
    elif talk["streamed"]:
        # The function has another name then, which the test model has to say.
        asked["messages"][0]["content"] = talk["prompt"].replace("[[thought]]", "[[partial]]")
        for found in client.chat.completions.create_partial(response_model=get_weather, **asked):
            pass
        weather.get_weather(found.city, found.days)
    else:
        found = client.chat.completions.create(response_model=get_weather, **asked)
        weather.get_weather(found.city, found.days)


talks.main(hold)
