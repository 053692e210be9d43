// Vercel's AI SDK, with its provider for servers that speak as OpenAI's do.

import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';
import { baseURL, main } from '../talks.mjs';

const provider = createOpenAICompatible({ name: 'toolgate', baseURL });

await main(async (talk, weather) => {
  const settings = {
    model: provider(talk.model),
    prompt: talk.prompt,
    tools: {
      get_weather: tool({
        description: 'The weather of the coming days.',
        inputSchema: z.object({ city: z.string(), days: z.number().int() }),
        execute: (args) => weather.get_weather(args),
      }),
    },
    stopWhen: stepCountIs(3),
    prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? talk.choice : 'auto' }),
    maxRetries: 0,
  };
  if (!talk.streamed) return (await generateText(settings)).text;

  let failed = null;
  const run = streamText({ ...settings, onError: ({ error }) => (failed = error) });
  await run.consumeStream();
  if (failed) throw failed;
  return await run.text;
});
