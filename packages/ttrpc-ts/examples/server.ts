import { Code, type Codec, Server, type ServiceSpec, TtrpcError } from 'ttrpc-ts';

// Any codec will do; this one is JSON. See "Codecs" for protobuf.
function json<T>(): Codec<T> {
  return {
    encode: (message) => new TextEncoder().encode(JSON.stringify(message)),
    decode: (bytes) => JSON.parse(new TextDecoder().decode(bytes)),
  };
}

// A service is described once; clients and handlers derive their types from it.
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

const server = new Server();
server.add(Greeter, {
  async greet({ name }, { metadata, signal }) {
    if (name === '') throw new TtrpcError(Code.InvalidArgument, 'name is empty');
    signal.throwIfAborted(); // aborted on timeout, or when the caller has gone
    const [language] = metadata.get('language') ?? ['en'];
    return { text: language === 'de' ? `Hallo ${name}` : `Hello ${name}` };
  },
});

await server.listen({ path: process.argv[2] ?? '/tmp/greeter.sock' });
console.log('listening');

process.once('SIGTERM', () => server.shutdown({ timeoutMs: 5000 }));
