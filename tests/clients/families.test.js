// The OpenAI JavaScript SDK runs the tool of models of three families, which their servers' own templates write for.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';

const client = new OpenAI({ baseURL: `${process.env.GATEWAY}/v1`, apiKey: 'none', maxRetries: 0, timeout: 30_000 });

const parameters = {
  type: 'object',
  properties: { city: { type: 'string' }, days: { type: 'integer' } },
  required: ['city'],
};

for (const model of ['deepseek-v3.1', 'glm', 'olmo3']) {
  for (const stream of [true, false]) {
    test(`${model}, ${stream ? 'streamed' : 'whole'}`, async () => {
      const asked = [];
      const get_weather = (args) => {
        asked.push(args);
        return '18 degrees [[final]]';
      };
      const runner = client.chat.completions.runTools({
        model,
        stream,
        messages: [{ role: 'user', content: `What is the weather? [[${model}-calls]]` }],
        tools: [
          { type: 'function', function: { name: 'get_weather', parameters, parse: JSON.parse, function: get_weather } },
        ],
      });
      assert.equal(await runner.finalContent(), 'It is 18 °C in Paris, and the sun shines.');
      assert.deepEqual(asked, [
        { city: 'Paris', days: 3 },
        { city: 'Rome', days: 1 },
      ]);
    });
  }
}
