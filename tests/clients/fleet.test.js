// The OpenAI JavaScript SDK in many conversations with tools at once, through the gateway to two real llama-servers.
// `GATEWAY` is the gateway's address.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';

const client = new OpenAI({ baseURL: `${process.env.GATEWAY}/v1`, apiKey: 'none', maxRetries: 0, timeout: 30_000 });

const parameters = { type: 'object', properties: { city: { type: 'string' }, days: { type: 'integer' } } };

async function converse(stream) {
  const asked = [];
  const get_weather = (args) => {
    asked.push(args);
    return JSON.stringify({ degrees: 18, sky: '[[final]]' });
  };
  const tool = { name: 'get_weather', parameters, parse: JSON.parse, function: get_weather };
  const runner = client.chat.completions.runTools({
    model: 'scripted',
    stream,
    messages: [{ role: 'user', content: 'What is the weather? [[hermes]]' }],
    tools: [{ type: 'function', function: tool }],
  });
  assert.equal(await runner.finalContent(), 'It is 18 °C in Paris, and the sun shines.');
  assert.deepEqual(asked, [{ city: 'Paris', days: 3 }]);
}

test('more conversations than slots', async () => {
  await Promise.all(Array.from({ length: 16 }, (_, n) => converse(n % 2 === 0)));
});
