// What the client of every JavaScript framework has in common; `talks.py` says what a talk is and what comes of it.

import { text } from 'node:stream/consumers';

export const baseURL = `${process.env.GATEWAY}/v1`;

// The tool: it notes what it is asked, and what it answers lets the test model speak its last text.
class Weather {
  asked = [];

  get_weather({ city, days }) {
    this.asked.push({ city, days });
    return JSON.stringify({ degrees: 18, sky: '[[final]]' });
  }
}

// Holds the talks of the standard input, one after the other, with `hold(talk, weather)`.
export async function main(hold) {
  const outcomes = [];
  for (const talk of JSON.parse(await text(process.stdin))) {
    const weather = new Weather();
    let said = null;
    let failed = null;
    try {
      said = await hold(talk, weather);
    } catch (error) {
      failed = error.message ?? JSON.stringify(error);
    }
    outcomes.push({ asked: weather.asked, said, failed });
  }
  console.log(JSON.stringify(outcomes));
}
