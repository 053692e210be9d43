// Both JavaScript SDKs in turns whose tools run on the server. `GATEWAY` is the gateway's address.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';

const options = { apiKey: 'none', maxRetries: 0, timeout: 30_000 };
const openai = new OpenAI({ baseURL: `${process.env.GATEWAY}/v1`, ...options });
const anthropic = new Anthropic({ baseURL: process.env.GATEWAY, ...options });

// Reading, and then the end: nothing is changed, so that each turn finds the same files.
const messages = [{ role: 'user', content: 'What is the word? [[turn-last]]' }];
const WORDS = ['One more look. ', 'The word is egret.'];

test('a chat, streamed', async () => {
  const stream = openai.chat.completions.stream({ model: 'silent', messages });
  const [choice] = (await stream.finalChatCompletion()).choices;
  assert.equal(choice.message.content, WORDS.join('\n\n'));
  assert.equal(choice.finish_reason, 'stop');
});

test('a chat, whole', async () => {
  const { choices } = await openai.chat.completions.create({ model: 'silent', messages });
  assert.equal(choices[0].message.content, WORDS.join('\n\n'));
});

for (const streamed of [true, false]) {
  test(`a message, ${streamed ? 'streamed' : 'whole'}`, async () => {
    const request = { model: 'silent', max_tokens: 999, messages };
    const message = streamed
      ? await anthropic.messages.stream(request).finalMessage()
      : await anthropic.messages.create(request);
    assert.deepEqual(
      message.content.map((block) => block.type),
      ['text', 'mcp_tool_use', 'mcp_tool_result', 'text'],
    );
    assert.deepEqual(message.content[1].input, { file_path: 'last.txt' });
    assert.match(message.content[2].content[0].text, /nothing more/);
    assert.equal(message.stop_reason, 'end_turn');
  });
}
