import { duplexPair } from 'node:stream';
import { type Codec, Connection, createClient, Server, type ServiceSpec } from 'ttrpc-ts';

const number: Codec<number> = {
  encode: (value) => new TextEncoder().encode(String(value)),
  decode: (bytes) => Number(new TextDecoder().decode(bytes)),
};

const Numbers = {
  name: 'example.Numbers',
  methods: {
    sum: { name: 'Sum', kind: 'client-stream', request: number, response: number },
    count: { name: 'Count', kind: 'server-stream', request: number, response: number },
    squares: { name: 'Squares', kind: 'bidi', request: number, response: number },
  },
} as const satisfies ServiceSpec;

// Both sides take any Duplex; here they are connected in memory.
const [near, far] = duplexPair();
const server = new Server();
server.add(Numbers, {
  async sum(numbers) {
    let total = 0;
    for await (const n of numbers) total += n;
    return total;
  },
  async *count(limit) {
    for (let n = 1; n <= limit; n++) yield n;
  },
  async *squares(numbers) {
    for await (const n of numbers) yield n * n;
  },
});
server.accept(far);

const numbers = createClient(Numbers, new Connection(near));

async function* source() {
  yield 1;
  yield 2;
  yield 3;
}

console.log('sum', await numbers.sum(source()));
for await (const square of numbers.squares(source())) console.log('square', square);
for await (const n of numbers.count(1000)) {
  console.log('count', n);
  if (n === 2) break; // leaving the loop cancels the call
}

await server.shutdown({ timeoutMs: 1000 });
