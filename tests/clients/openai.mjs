// OpenAI's client for Node, unchanged but for its base URL. By hand: ./quire serve --port 8124 --api-key secret, then, in a folder of your
// own, npm install openai and node path/to/openai.mjs. The .NET client has its tests in Quire.Server.Tests.
import OpenAI from 'openai';
import assert from 'node:assert';
const c = new OpenAI({ baseURL: 'http://127.0.0.1:8124/v1', apiKey: 'secret' });
const models = await c.models.list(); console.log('models', models.data.map(m => m.id));
console.log('retrieve', (await c.models.retrieve('quill')).id);
const comp = await c.completions.create({ model: 'quill', prompt: 'The cat', max_tokens: 5, temperature: 0, logprobs: 2 });
console.log('completion', comp.choices[0].text, comp.choices[0].logprobs.tokens);
const chat = await c.chat.completions.create({ model: 'quill', messages: [{ role: 'user', content: 'Define kitten.' }], temperature: 0, logprobs: true, top_logprobs: 2 });
console.log('chat', chat.choices[0].message.content, chat.usage.completion_tokens, chat.choices[0].logprobs.content.length);
let text = ''; let usage;
for await (const chunk of await c.chat.completions.create({ model: 'quill', messages: [{ role: 'user', content: 'Count from 3 to 12.' }], temperature: 0, stream: true, stream_options: { include_usage: true } })) { text += chunk.choices[0]?.delta?.content ?? ''; usage = chunk.usage ?? usage; }
console.log('stream', text, usage.total_tokens); assert.equal(text, '3, 4, 5, 6, 7, 8, 9, 10, 11, 12');
const n3 = await c.chat.completions.create({ model: 'quill', messages: [{ role: 'user', content: 'Define kitten.' }], n: 3, seed: 5, temperature: 1 });
console.log('n3', n3.choices.map(x => x.message.content)); assert.equal(n3.choices.length, 3);
const stop = await c.chat.completions.create({ model: 'quill', messages: [{ role: 'user', content: 'Count from 3 to 12.' }], temperature: 0, stop: [', 7'] });
assert.equal(stop.choices[0].message.content, '3, 4, 5, 6'); assert.equal(stop.choices[0].finish_reason, 'stop');
for (const [name, f, status] of [['unknown model', () => c.chat.completions.create({ model: 'nope', messages: [{ role: 'user', content: 'x' }] }), 404], ['bad temperature', () => c.chat.completions.create({ model: 'quill', messages: [{ role: 'user', content: 'x' }], temperature: 9 }), 400], ['key', () => new OpenAI({ baseURL: 'http://127.0.0.1:8124/v1', apiKey: 'wrong' }).models.list(), 401]]) {
  try { await f(); assert.fail(name); } catch (e) { assert.equal(e.status, status, name + ' ' + e.message); console.log(name, e.status, e.message); }
}
const abort = new AbortController(); const s = await c.chat.completions.create({ model: 'quill', messages: [{ role: 'user', content: 'Tell me.' }], max_tokens: 3000, ignore_eos: true, stream: true }, { signal: abort.signal });
let k = 0; try { for await (const x of s) { if (++k == 3) abort.abort(); } } catch (e) { }
await new Promise(r => setTimeout(r, 500));
const m = await (await fetch('http://127.0.0.1:8124/metrics', { headers: { Authorization: 'Bearer secret' } })).text();
console.log(m.match(/vllm:num_requests_running\{[^\n]*/)[0], m.match(/vllm:request_success_total\{[^\n]*abort[^\n]*/)[0]);
