// Generated from proto/runtime_info.proto by scripts/gen.ts; do not edit.
import { Any } from './google.ts';
import { message, type Message } from './wire.ts';

export interface RuntimeVersion {
  version: string;
  revision: string;
}
export const RuntimeVersion: Message<RuntimeVersion> = message<RuntimeVersion>(
  (init) => ({
    version: init.version ?? '',
    revision: init.revision ?? '',
  }),
  (out, from) => {
    if (from.version) out.tag(10).string(from.version);
    if (from.revision) out.tag(18).string(from.revision);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.version = input.string();
        return true;
      case 18:
        into.revision = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface RuntimeInfo {
  name: string;
  version?: RuntimeVersion | undefined;
  options?: Any | undefined;
  /** OCI runtime-spec Features as JSON. */
  features?: Any | undefined;
  annotations: Map<string, string>;
}
export const RuntimeInfo: Message<RuntimeInfo> = message<RuntimeInfo>(
  (init) => ({
    name: init.name ?? '',
    version: init.version && RuntimeVersion.create(init.version),
    options: init.options && Any.create(init.options),
    features: init.features && Any.create(init.features),
    annotations: new Map(init.annotations),
  }),
  (out, from) => {
    if (from.name) out.tag(10).string(from.name);
    if (from.version) out.message(18, RuntimeVersion, from.version);
    if (from.options) out.message(26, Any, from.options);
    if (from.features) out.message(34, Any, from.features);
    for (const [key, value] of from.annotations ?? []) {
      const start = out.tag(42).begin();
      out.tag(10).string(key);
      out.tag(18).string(value);
      out.end(start);
    }
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.name = input.string();
        return true;
      case 18:
        into.version = input.message(RuntimeVersion, into.version);
        return true;
      case 26:
        into.options = input.message(Any, into.options);
        return true;
      case 34:
        into.features = input.message(Any, into.features);
        return true;
      case 42: {
        let key: string = '';
        let value: string = '';
        input.entry((inner) => {
          if (inner === 10) key = input.string();
          else if (inner === 18) value = input.string();
          else return false;
          return true;
        });
        into.annotations.set(key, value);
        return true;
      }
      default:
        return false;
    }
  },
);
