import { Code, type Codec, connect, createClient, type ServiceSpec, TtrpcError } from 'ttrpc-ts';

function json<T>(): Codec<T> {
  return {
    encode: (message) => new TextEncoder().encode(JSON.stringify(message)),
    decode: (bytes) => JSON.parse(new TextDecoder().decode(bytes)),
  };
}

const Greeter = {
  name: 'example.Greeter',
  methods: {
    greet: {
      name: 'Greet',
      kind: 'unary',
      request: json<{ name: string }>(),
      response: json<{ text: string }>(),
    },
  },
} as const satisfies ServiceSpec;

const connection = await connect({ path: process.argv[2] ?? '/tmp/greeter.sock' });
const greeter = createClient(Greeter, connection);

const plain = await greeter.greet({ name: 'World' });
console.log(plain.text);

const german = await greeter.greet(
  { name: 'Welt' },
  { timeoutMs: 1000, metadata: { language: 'de' }, signal: AbortSignal.timeout(2000) },
);
console.log(german.text);

try {
  await greeter.greet({ name: '' });
} catch (error) {
  if (error instanceof TtrpcError && error.code === Code.InvalidArgument) console.log(error.message);
  else throw error;
}

connection.close();
