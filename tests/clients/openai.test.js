// The OpenAI JavaScript SDK in a conversation with tools, through the gateway to a real llama-server.
// `GATEWAY` is the gateway's address.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';

const client = new OpenAI({ baseURL: `${process.env.GATEWAY}/v1`, apiKey: 'none', maxRetries: 0, timeout: 30_000 });

const FINAL = 'It is 18 °C in Paris, and the sun shines.';
const PARIS = { city: 'Paris', days: 3 };
const DIALECTS = ['hermes', 'qwen3-coder', 'gemma4', 'llama3-json', 'json-envelope', 'python-code'];

const parameters = {
  type: 'object',
  properties: { city: { type: 'string' }, days: { type: 'integer' } },
  required: ['city'],
};
const tools = [{ type: 'function', function: { name: 'get_weather', parameters } }];

const ask = (name) => [{ role: 'user', content: `What is the weather? [[${name}]]` }];

for (const model of DIALECTS) {
  for (const stream of [true, false]) {
    test(`${model}: the SDK runs the tool, ${stream ? 'streamed' : 'whole'}`, async () => {
      const asked = [];
      const get_weather = (args) => {
        asked.push(args);
        return JSON.stringify({ degrees: 18, sky: '[[final]]' });
      };
      const runner = client.chat.completions.runTools({
        model,
        stream,
        messages: ask(model),
        tools: [
          { type: 'function', function: { name: 'get_weather', parameters, parse: JSON.parse, function: get_weather } },
        ],
      });
      assert.equal(await runner.finalContent(), FINAL);
      assert.deepEqual(asked, [PARIS]);
    });
  }
}

test('arguments stream in pieces', async () => {
  const pieces = [];
  const stream = client.chat.completions.stream({ model: 'hermes', messages: ask('large'), tools });
  stream.on('tool_calls.function.arguments.delta', ({ arguments_delta }) => pieces.push(arguments_delta));
  const [choice] = (await stream.finalChatCompletion()).choices;
  assert.equal(choice.finish_reason, 'tool_calls');
  const [call] = choice.message.tool_calls;
  assert.match(call.id, /^call_\w+$/);
  assert.equal(pieces.join(''), call.function.arguments);
  assert.equal(JSON.parse(call.function.arguments).city.length, 200 * 'Zürich 東京 "quoted" \\ back\nnew line. '.length);
  assert.ok(pieces.length > 400, `the arguments came in ${pieces.length} pieces`);
});

test('two calls in one answer', async () => {
  const stream = client.chat.completions.stream({ model: 'hermes', messages: ask('two'), tools });
  const { tool_calls } = await stream.finalMessage();
  assert.deepEqual(
    tool_calls.map((call) => JSON.parse(call.function.arguments)),
    [PARIS, { city: 'Rome', days: 1 }],
  );
  assert.notEqual(tool_calls[0].id, tool_calls[1].id);
});

test('text stays text', async () => {
  const stream = client.chat.completions.stream({ model: 'hermes', messages: ask('text'), tools });
  const message = await stream.finalMessage();
  assert.equal(message.content, 'Hello! This is a real server, and no call is in sight.');
  assert.equal(message.tool_calls, undefined);
});
