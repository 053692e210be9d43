// The JavaScript library of Ollama's API in a conversation with tools, through the gateway to a real llama-server.
// `GATEWAY` is the gateway's address. The library throws by itself where a stream ends without a line that is done.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ollama } from 'ollama';

const client = new Ollama({ host: process.env.GATEWAY });

const FINAL = 'It is 18 °C in Paris, and the sun shines.';
const TEXT = 'Hello! This is a real server, and no call is in sight.';
const PARIS = { city: 'Paris', days: 3 };
const ROME = { city: 'Rome', days: 1 };

const parameters = {
  type: 'object',
  properties: { city: { type: 'string' }, days: { type: 'integer' } },
  required: ['city'],
};
const tools = [{ type: 'function', function: { name: 'get_weather', parameters } }];

const ask = (name) => [{ role: 'user', content: `What is the weather? [[${name}]]` }];

// One answer as one message, and the line that ended it.
const chat = async (request, stream) => {
  if (!stream) {
    const answer = await client.chat({ ...request, stream: false });
    return { message: answer.message, last: answer };
  }
  const message = { role: 'assistant', content: '', thinking: '', tool_calls: [] };
  let last;
  for await (const line of await client.chat({ ...request, stream: true })) {
    assert.ok(!last?.done, 'nothing comes behind the last line');
    message.content += line.message.content;
    message.thinking += line.message.thinking ?? '';
    message.tool_calls.push(...(line.message.tool_calls ?? []));
    last = line;
  }
  return { message, last };
};

const asked = ({ message }) => (message.tool_calls ?? []).map((call) => call.function.arguments);

for (const stream of [true, false]) {
  const how = stream ? 'streamed' : 'whole';

  for (const [name, said, calls] of [
    ['hermes', 'Let me look.\n', [PARIS]],
    ['two', '', [PARIS, ROME]],
    ['think', 'One moment.\n', [PARIS]],
  ]) {
    test(`two turns of ${name}, ${how}`, async () => {
      const first = await chat({ model: 'hermes', messages: ask(name), tools }, stream);
      assert.deepEqual(asked(first), calls);
      assert.equal(first.message.content, said);
      assert.equal((first.message.thinking ?? '').trim(), name === 'think' ? 'The user wants the weather.' : '');
      assert.equal(first.last.done_reason, 'stop');
      const indices = first.message.tool_calls.map((call) => call.function.index);
      assert.deepEqual(indices, [...calls.keys()]);
      const results = first.message.tool_calls.map((call) => ({
        role: 'tool',
        tool_name: call.function.name,
        content: '{"degrees": 18, "sky": "[[final]]"}',
      }));
      const messages = [...ask(name), first.message, ...results];
      const second = await chat({ model: 'hermes', messages, tools }, stream);
      assert.equal(second.message.content, FINAL);
      assert.deepEqual(asked(second), []);
    });
  }

  test(`every answer ends with a line that is done, ${how}`, async () => {
    for (const [name, options, reason] of [
      ['text', {}, 'stop'],
      ['loop', { num_predict: 30 }, 'length'],
      ['cut', { num_predict: 75 }, 'length'],
    ]) {
      const { last } = await chat({ model: 'hermes', messages: ask(name), tools, options }, stream);
      assert.deepEqual([last.done, last.done_reason], [true, reason]);
      for (const count of [last.prompt_eval_count, last.eval_count, last.total_duration, last.eval_duration]) {
        assert.ok(Number.isInteger(count) && count > 0);
      }
    }
  });

  test(`what some take for a line's end is text, ${how}`, async () => {
    const answer = await chat({ model: 'hermes', messages: ask('separators'), tools }, stream);
    assert.equal(answer.message.content, 'One\u2028two\u2029three\u0085four.\n');
    assert.deepEqual(asked(answer), [{ city: 'Paris\u2028Rome\u2029Oslo\u0085', days: 3 }]);
  });

  test(`a model that is not there is an error, ${how}`, async () => {
    await assert.rejects(chat({ model: 'nobody', messages: ask('text') }, stream), (error) => {
      assert.deepEqual([error.status_code, error.message], [404, "model 'nobody' not found"]);
      return true;
    });
  });
}

test('a prompt that is too long is an error in words', async () => {
  await assert.rejects(chat({ model: 'hermes', messages: ask('x'.repeat(20_000)) }, true), /available context size/);
});

test('who waits hears lines that say nothing, and loses none', async () => {
  const lines = [];
  const messages = [{ role: 'user', content: 'So many words that reading them takes much longer than silence lasts.' }];
  for await (const line of await client.chat({ model: 'slow', messages, tools, stream: true })) {
    lines.push(line);
  }
  assert.deepEqual([lines[0].message.content, lines[0].done], ['', false]);
  assert.equal(lines.map((line) => line.message.content).join(''), 'Let me look.\n');
  assert.deepEqual(lines.flatMap(asked), [PARIS]);
});

test('a client may leave', async () => {
  const lines = await client.chat({ model: 'hermes', messages: ask('loop'), stream: true });
  await assert.rejects(
    async () => {
      for await (const line of lines) if (line.message.content) lines.abort();
    },
    { name: 'AbortError' },
  );
});

test('models are listed and shown', async () => {
  const { models } = await client.list();
  const names = models.map((model) => model.model);
  assert.ok(names.includes('hermes:latest') && models.every((model) => model.name === model.model));
  assert.ok(models.every((model) => !Number.isNaN(new Date(model.modified_at).getTime())));
  const { models: running } = await client.ps();
  assert.deepEqual(running.map((model) => model.model), names);
  for (const model of ['hermes', 'hermes:latest']) {
    const shown = await client.show({ model });
    assert.ok(shown.capabilities.includes('tools') && shown.template.includes('<tool_call>'));
  }
  await assert.rejects(client.show({ model: 'nobody' }), /model 'nobody' not found/);
});

test('other pages', async () => {
  assert.equal((await client.generate({ model: 'hermes', prompt: '[[text]]' })).response, TEXT);
  assert.equal((await client.generate({ model: 'hermes', prompt: '' })).done_reason, 'load');
  assert.equal((await client.pull({ model: 'hermes' })).status, 'success');
  for await (const progress of await client.pull({ model: 'hermes', stream: true })) {
    assert.equal(progress.status, 'success');
  }
  await assert.rejects(client.delete({ model: 'hermes' }), /toolgate does not manage models/);
  const { embeddings } = await client.embed({ model: 'embeds', input: ['one', 'two'] });
  assert.equal(embeddings.length, 2);
});
