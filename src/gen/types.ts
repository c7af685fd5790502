// Generated from proto/containerd_types.proto by scripts/gen.ts; do not edit.
import { Any, Timestamp } from './google.ts';
import { message, type Message } from './wire.ts';

/** One mount that makes up a root file system, in the order to be applied. */
export interface Mount {
  type: string;
  source: string;
  /** Path below the root file system; set by containerd 1.7 and later. */
  target: string;
  options: string[];
}
export const Mount: Message<Mount> = message<Mount>(
  (init) => ({
    type: init.type ?? '',
    source: init.source ?? '',
    target: init.target ?? '',
    options: [...(init.options ?? [])],
  }),
  (out, from) => {
    if (from.type) out.tag(10).string(from.type);
    if (from.source) out.tag(18).string(from.source);
    if (from.target) out.tag(26).string(from.target);
    for (const value of from.options ?? []) out.tag(34).string(value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.type = input.string();
        return true;
      case 18:
        into.source = input.string();
        return true;
      case 26:
        into.target = input.string();
        return true;
      case 34:
        input.count();
        into.options.push(input.string());
        return true;
      default:
        return false;
    }
  },
);

export interface Platform {
  os: string;
  architecture: string;
  variant: string;
  osVersion: string;
  osFeatures: string[];
}
export const Platform: Message<Platform> = message<Platform>(
  (init) => ({
    os: init.os ?? '',
    architecture: init.architecture ?? '',
    variant: init.variant ?? '',
    osVersion: init.osVersion ?? '',
    osFeatures: [...(init.osFeatures ?? [])],
  }),
  (out, from) => {
    if (from.os) out.tag(10).string(from.os);
    if (from.architecture) out.tag(18).string(from.architecture);
    if (from.variant) out.tag(26).string(from.variant);
    if (from.osVersion) out.tag(34).string(from.osVersion);
    for (const value of from.osFeatures ?? []) out.tag(42).string(value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.os = input.string();
        return true;
      case 18:
        into.architecture = input.string();
        return true;
      case 26:
        into.variant = input.string();
        return true;
      case 34:
        into.osVersion = input.string();
        return true;
      case 42:
        input.count();
        into.osFeatures.push(input.string());
        return true;
      default:
        return false;
    }
  },
);

/** One metrics sample; `data` carries a cgroups Metrics message. */
export interface Metric {
  timestamp?: Timestamp | undefined;
  id: string;
  data?: Any | undefined;
}
export const Metric: Message<Metric> = message<Metric>(
  (init) => ({
    timestamp: init.timestamp && Timestamp.create(init.timestamp),
    id: init.id ?? '',
    data: init.data && Any.create(init.data),
  }),
  (out, from) => {
    if (from.timestamp) out.message(10, Timestamp, from.timestamp);
    if (from.id) out.tag(18).string(from.id);
    if (from.data) out.message(26, Any, from.data);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.timestamp = input.message(Timestamp, into.timestamp);
        return true;
      case 18:
        into.id = input.string();
        return true;
      case 26:
        into.data = input.message(Any, into.data);
        return true;
      default:
        return false;
    }
  },
);
