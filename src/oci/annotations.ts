// Determines from its annotations how a manager placed a container: alone, as a pod's sandbox, or in a pod. Pure.

/** What a container is to its manager, with reasons for the operator. */
export type Classification =
  | { readonly kind: 'single'; readonly reasons: readonly string[] }
  | { readonly kind: 'sandbox'; readonly sandboxId: string | undefined; readonly reasons: readonly string[] }
  | { readonly kind: 'container'; readonly sandboxId: string; readonly reasons: readonly string[] }
  | { readonly kind: 'reject'; readonly reasons: readonly string[] };

type Annotations = Readonly<Record<string, string>>;

/** The annotation keys that one container manager uses for its pods. */
interface Manager {
  readonly name: string;
  readonly typeKey: string;
  readonly sandboxType: string;
  /** The key that holds the sandbox's id. */
  readonly idKey: string;
  /** On a sandbox: the key that holds its own id, when it is not `idKey`. */
  readonly ownIdKey?: string;
}

const managers: readonly Manager[] = [
  {
    name: 'containerd',
    typeKey: 'io.kubernetes.cri.container-type',
    sandboxType: 'sandbox',
    idKey: 'io.kubernetes.cri.sandbox-id',
  },
  {
    name: 'CRI-O',
    typeKey: 'io.kubernetes.cri-o.ContainerType',
    sandboxType: 'sandbox',
    idKey: 'io.kubernetes.cri-o.SandboxID',
  },
  {
    name: 'dockershim',
    typeKey: 'io.kubernetes.docker.type',
    sandboxType: 'podsandbox',
    idKey: 'io.kubernetes.sandbox.id',
  },
  {
    name: 'CRI-O before 1.0',
    typeKey: 'ocid/container_type',
    sandboxType: 'sandbox',
    idKey: 'ocid/sandbox_name',
    ownIdKey: 'ocid/container_id',
  },
];

/** Ids become folder names, so they must not contain anything that leads elsewhere. */
const idPattern = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;

type Finding =
  | { readonly kind: 'sandbox' | 'container'; readonly id: string | undefined; readonly reason: string }
  | { readonly kind: 'reject'; readonly reason: string };

/**
 * Classifies a container. Without any key it is a container on its own. The keys of several managers must agree. An
 * unknown type, a missing id or a contradiction is rejected: a guess could put a container into the wrong VM.
 */
export function classify(annotations: Annotations | undefined): Classification {
  const given = annotations ?? {};
  const findings = managers.flatMap((manager) => find(manager, given) ?? []);
  const [first] = findings;
  if (first === undefined) {
    return {
      kind: 'single',
      reasons: ['no annotation of a container manager names a type: a container on its own'],
    };
  }
  const reasons = findings.map((finding) => finding.reason);
  const rejected = findings.some((finding) => finding.kind === 'reject');
  if (rejected || first.kind === 'reject') return { kind: 'reject', reasons };
  const conflict = findConflict(findings);
  if (conflict !== undefined) return { kind: 'reject', reasons: [...reasons, conflict] };
  const id = findings
    .map((finding) => ('id' in finding ? finding.id : undefined))
    .find((found) => found !== undefined);
  if (first.kind === 'sandbox') return { kind: 'sandbox', sandboxId: id, reasons };
  if (id === undefined) return { kind: 'reject', reasons: [...reasons, 'no annotation names its sandbox'] };
  return { kind: 'container', sandboxId: id, reasons };
}

function find(manager: Manager, annotations: Annotations): Finding | undefined {
  const type = annotations[manager.typeKey];
  const id = annotations[manager.idKey] || undefined;
  const { name, typeKey, sandboxType, idKey } = manager;
  if (type === undefined) {
    if (id === undefined) return undefined;
    return { kind: 'reject', reason: `${idKey} is set but ${typeKey} is not: ${name} sets both` };
  }
  const said = `${name}: ${typeKey} is ${JSON.stringify(type)}`;
  if (type === sandboxType) {
    const own = (manager.ownIdKey === undefined ? undefined : annotations[manager.ownIdKey]) || id;
    return checkId(
      { kind: 'sandbox', id: own, reason: own === undefined ? said : `${said}, sandbox ${own}` },
      name,
    );
  }
  if (type !== 'container') {
    return { kind: 'reject', reason: `${said}, which is unknown: ${sandboxType} or container are possible` };
  }
  if (id === undefined) return { kind: 'reject', reason: `${said} but ${idKey} does not name its sandbox` };
  return checkId({ kind: 'container', id, reason: `${said}, in sandbox ${id}` }, name);
}

function checkId(finding: Finding, name: string): Finding {
  if (finding.kind === 'reject' || finding.id === undefined || idPattern.test(finding.id)) return finding;
  return {
    kind: 'reject',
    reason: `${name}: the sandbox id ${JSON.stringify(finding.id.slice(0, 140))} is not a valid id`,
  };
}

function findConflict(findings: readonly Finding[]): string | undefined {
  const kinds = new Set(findings.map((finding) => finding.kind));
  if (kinds.size > 1) return 'the annotations of several managers contradict each other on the type';
  const ids = new Set(
    findings.flatMap((finding) => ('id' in finding && finding.id !== undefined ? [finding.id] : [])),
  );
  if (ids.size > 1) return 'the annotations of several managers name different sandboxes';
  return undefined;
}
