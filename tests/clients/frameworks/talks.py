"""What the client of every Python framework has in common: it reads a list of talks, holds each, and says what came of it.

A talk is one JSON object: the `model`, the user's `prompt`, whether it is `streamed`, and the `choice` of the first
turn. What comes of it is one, too: what the tool was `asked`, what the model `said` last, and how the talk `failed`.
"""

import asyncio
import json
import os
import sys

BASE_URL = os.environ["GATEWAY"] + "/v1"


class Weather:
    """The tool: it notes what it is asked, and what it answers lets the test model speak its last text."""

    def __init__(self):
        self.asked = []

    def get_weather(self, city: str, days: int = 1) -> str:
        """The weather of the coming days."""
        self.asked.append({"city": city, "days": days})
        return json.dumps({"degrees": 18, "sky": "[[final]]"})


async def outcome(hold, talk):
    weather = Weather()
    try:
        said, failed = await hold(talk, weather), None
    except Exception as error:  # Whatever a framework makes of a server's failure.
        said, failed = None, f"{type(error).__name__}: {error}"
    return {"asked": weather.asked, "said": said, "failed": failed}


def main(hold):
    """Holds the talks of the standard input, one after the other, with `hold(talk, weather)`."""

    async def all_of(talks):
        return [await outcome(hold, talk) for talk in talks]

    print(json.dumps(asyncio.run(all_of(json.load(sys.stdin)))))
