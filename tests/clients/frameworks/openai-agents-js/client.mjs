// OpenAI's Agents SDK for JavaScript.

import { Agent, OpenAIChatCompletionsModel, run, setTracingDisabled, tool } from '@openai/agents';
import OpenAI from 'openai';
import { z } from 'zod';
import { baseURL, main } from '../talks.mjs';

setTracingDisabled(true);
const client = new OpenAI({ baseURL, apiKey: 'none', maxRetries: 0 });

await main(async (talk, weather) => {
  const agent = new Agent({
    name: 'forecaster',
    model: new OpenAIChatCompletionsModel(client, talk.model),
    modelSettings: { toolChoice: talk.choice, parallelToolCalls: true },
    tools: [
      tool({
        name: 'get_weather',
        description: 'The weather of the coming days.',
        parameters: z.object({ city: z.string(), days: z.number().int() }),
        execute: (args) => weather.get_weather(args),
      }),
    ],
  });
  if (!talk.streamed) return (await run(agent, talk.prompt)).finalOutput;
  const streamed = await run(agent, talk.prompt, { stream: true });
  await streamed.completed;
  return streamed.finalOutput;
});
