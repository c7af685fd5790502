/**
 * The command line that containerd and CRI-O use: Go flags (one or two dashes, `-flag value` or `-flag=value`)
 * followed by the action. parseArgs of node:util would split `-namespace` into single letters.
 */

/** Flags of a shim invocation (containerd runtime v2 contract). Absent flags are empty. */
export interface ShimArgs {
  readonly namespace: string;
  readonly id: string;
  /** containerd's gRPC socket; empty under CRI-O. */
  readonly address: string;
  readonly publishBinary: string;
  readonly bundle: string;
  /** serve only: where fd 3 listens. */
  readonly socket: string;
  readonly debug: boolean;
  readonly action: 'start' | 'delete' | 'serve' | 'info' | 'version' | 'help';
}

const VALUE_FLAGS = new Map<string, 'namespace' | 'id' | 'address' | 'publishBinary' | 'bundle' | 'socket'>([
  ['namespace', 'namespace'],
  ['id', 'id'],
  ['address', 'address'],
  ['publish-binary', 'publishBinary'],
  ['bundle', 'bundle'],
  ['socket', 'socket'],
]);

/**
 * @param argv the words after the program's name.
 * @throws Error that names the unknown word.
 */
export function parseArgs(argv: readonly string[]): ShimArgs {
  const values = { namespace: '', id: '', address: '', publishBinary: '', bundle: '', socket: '' };
  let debug = false;
  let action: ShimArgs['action'] | undefined;
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!;
    if (!word.startsWith('-')) {
      if (word !== 'start' && word !== 'delete' && word !== 'serve') {
        throw new Error(`unknown action ${JSON.stringify(word)}: expected start or delete`);
      }
      action = word;
      continue;
    }
    const [name, inline] = splitFlag(word);
    const key = VALUE_FLAGS.get(name);
    if (key !== undefined) {
      const value = inline ?? argv[++i];
      if (value === undefined) throw new Error(`flag -${name} needs a value`);
      if (NAMES.has(key) && value !== '') requireName(name, value);
      values[key] = value;
    } else if (name === 'debug') debug = inline === undefined || isTrue(inline);
    else if (name === 'v' || name === 'version') action = 'version';
    else if (name === 'info') action = 'info';
    else if (name === 'h' || name === 'help') action = 'help';
    else throw new Error(`unknown flag ${JSON.stringify(word)}`);
  }
  if (action === undefined) throw new Error('no action given: expected start or delete');
  return { ...values, debug, action };
}

/** Flags whose values become names of folders, sockets and control groups. */
const NAMES: ReadonlySet<string> = new Set(['namespace', 'id']);

/** Accepts all of containerd's own identifiers (pkg/identifiers of containerd) and those that CRI-O and Docker generate. */
function requireName(flag: string, value: string): void {
  if (/^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}$/.test(value)) return;
  throw new Error(
    `flag -${flag}: ${JSON.stringify(value)} is not a valid name: it must begin with a letter or digit and contain only ` +
      'letters, digits, ".", "_" and "-", at most 255 characters',
  );
}

function splitFlag(word: string): [string, string | undefined] {
  const bare = word.replace(/^--?/, '');
  const at = bare.indexOf('=');
  return at < 0 ? [bare, undefined] : [bare.slice(0, at), bare.slice(at + 1)];
}

function isTrue(value: string): boolean {
  return ['1', 't', 'true', 'T', 'TRUE', 'True'].includes(value);
}
