// Anthropic's JavaScript SDK in a conversation with tools, through the gateway to a real llama-server.
// `GATEWAY` is the gateway's address. The SDK throws by itself where a stream ends without its last event.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';

const client = new Anthropic({ baseURL: process.env.GATEWAY, apiKey: 'none', maxRetries: 0, timeout: 30_000 });

const FINAL = 'It is 18 °C in Paris, and the sun shines.';
const PROSE = 'Let me look.\n';
const PARIS = { city: 'Paris', days: 3 };
const ROME = { city: 'Rome', days: 1 };
const RESULT = '{"degrees": 18, "sky": "[[final]]"}';

const schema = {
  type: 'object',
  properties: { city: { type: 'string' }, days: { type: 'integer' } },
  required: ['city'],
};
const tools = [{ name: 'get_weather', input_schema: schema }];

const ask = (name) => [{ role: 'user', content: `What is the weather? [[${name}]]` }];

// One answer; of a stream, after it was seen that the SDK's own pieces are the whole.
const say = async (request, streamed) => {
  const asked = { max_tokens: 2000, tools, ...request };
  if (!streamed) return await client.messages.create(asked);
  const stream = client.messages.stream(asked);
  let text = '';
  const inputs = [];
  stream.on('text', (piece) => (text += piece));
  stream.on('contentBlock', (block) => block.type === 'tool_use' && inputs.push(block.input));
  const message = await stream.finalMessage();
  const blocks = (type) => message.content.filter((block) => block.type === type);
  assert.equal(text, blocks('text').map((block) => block.text).join(''));
  assert.deepEqual(inputs, blocks('tool_use').map((block) => block.input));
  return message;
};

// The texts and the calls, in order.
const said = (message) =>
  message.content.filter((block) => block.type !== 'thinking').map((block) => block.text ?? block.input);

for (const streamed of [true, false]) {
  const how = streamed ? 'streamed' : 'whole';

  for (const [model, name, expected] of [
    ['hermes', 'hermes', [PROSE, PARIS]],
    ['qwen3-coder', 'qwen3-coder', [PROSE, PARIS]],
    ['python-code', 'python-code', [PROSE, PARIS]],
    ['parse', 'hermes', [PROSE, PARIS]],
    // Its own ids are none that this API takes.
    ['kimi-k2', 'kimi-k2-calls', [PROSE, PARIS, ROME]],
    ['hermes', 'two', [PARIS, ROME]],
    ['hermes', 'think', ['One moment.\n', PARIS]],
  ]) {
    test(`two turns of ${name} by ${model}, ${how}`, async () => {
      const first = await say({ model, messages: ask(name) }, streamed);
      assert.deepEqual([said(first), first.stop_reason], [expected, 'tool_use']);
      assert.equal(first.content[0].type === 'thinking', name === 'think');
      const ids = first.content.filter((block) => block.type === 'tool_use').map((block) => block.id);
      assert.ok(ids.every((id) => /^[A-Za-z0-9_-]{1,64}$/.test(id)) && new Set(ids).size === ids.length, `${ids}`);
      const results = ids.map((id) => ({ type: 'tool_result', tool_use_id: id, content: RESULT }));
      const turns = [
        { role: 'assistant', content: first.content },
        { role: 'user', content: results },
      ];
      const second = await say({ model, messages: [...ask(name), ...turns] }, streamed);
      assert.deepEqual([said(second), second.stop_reason], [[FINAL], 'end_turn']);
      assert.ok(second.usage.output_tokens > 5 && second.usage.input_tokens + second.usage.cache_read_input_tokens > 5);
    });
  }

  test(`the SDK runs the tools, ${how}`, async () => {
    const asked = [];
    const run = (input) => {
      asked.push(input);
      return RESULT;
    };
    const runner = client.beta.messages.toolRunner({
      model: 'hermes',
      max_tokens: 2000,
      messages: ask('two'),
      tools: [{ ...tools[0], run, parse: (input) => input }],
      stream: streamed,
    });
    for await (const turn of runner) if (streamed) await turn.finalMessage();
    assert.deepEqual(said(await runner.done()), [FINAL]);
    assert.deepEqual(asked, [PARIS, ROME]);
  });

  test(`a call that is cut off has nothing to run with, ${how}`, async () => {
    const message = await say({ model: 'hermes', messages: ask('cut'), max_tokens: 75 }, streamed);
    assert.deepEqual([said(message), message.stop_reason], [[{}], 'max_tokens']);
  });

  test(`a model that is not there is an error, ${how}`, async () => {
    await assert.rejects(say({ model: 'nobody', messages: ask('text') }, streamed), (error) => {
      assert.ok(error instanceof Anthropic.NotFoundError && error.requestID);
      assert.equal(error.error.error.type, 'not_found_error');
      return true;
    });
  });

  test(`a prompt that is too long is told in the words that are looked for, ${how}`, async () => {
    const answer = say({ model: 'hermes', messages: ask('x'.repeat(20_000)) }, streamed);
    await assert.rejects(answer, /prompt is too long: \d+ tokens > 16384 maximum/);
  });

  for (const [name, words] of [
    ['breaks', /boom/],
    ['dies', /the server failed before its answer was complete/],
  ]) {
    test(`an answer that ${name} is an error and no message, ${how}`, async () => {
      await assert.rejects(say({ model: 'trouble', messages: ask(name) }, streamed), words);
    });
  }
}

test('who waits loses nothing', async () => {
  const message = await say({ model: 'slow', messages: ask('So many words. '.repeat(5)) }, true);
  assert.deepEqual(said(message), [PROSE, PARIS]);
});

test('a client may leave', async () => {
  const stream = client.messages.stream({ model: 'hermes', max_tokens: 15_000, messages: ask('loop') });
  stream.on('text', () => stream.abort());
  await assert.rejects(stream.finalMessage(), Anthropic.APIUserAbortError);
});

test('tokens are counted and models listed', async () => {
  const { input_tokens } = await client.messages.countTokens({ model: 'hermes', messages: ask('text'), tools });
  const { usage } = await say({ model: 'hermes', messages: ask('text') }, false);
  assert.equal(input_tokens, usage.input_tokens + usage.cache_read_input_tokens);
  const names = [];
  for await (const model of client.models.list({ limit: 2 })) names.push(model.id);
  assert.ok(names.length > 4 && names.includes('hermes') && names.includes('claude-local'));
});
