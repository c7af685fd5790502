// Generated from proto/runtimeoptions.proto by scripts/gen.ts; do not edit.
import { message, type Message } from './wire.ts';

export interface Options {
  typeUrl: string;
  configPath: string;
  /** The handler's options table as TOML when config_path is empty (containerd 1.7 and later). */
  configBody: Uint8Array;
}
export const Options: Message<Options> = message<Options>(
  (init) => ({
    typeUrl: init.typeUrl ?? '',
    configPath: init.configPath ?? '',
    configBody: init.configBody ?? new Uint8Array(0),
  }),
  (out, from) => {
    if (from.typeUrl) out.tag(10).string(from.typeUrl);
    if (from.configPath) out.tag(18).string(from.configPath);
    if (from.configBody?.length) out.tag(26).bytes(from.configBody);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.typeUrl = input.string();
        return true;
      case 18:
        into.configPath = input.string();
        return true;
      case 26:
        into.configBody = input.bytes();
        return true;
      default:
        return false;
    }
  },
);
