// critest's own report, and ours: how many specs of each group gave what, and which differ.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repoRoot } from '../../scripts/stand/paths.ts';
import { differences } from './differences.ts';

export interface Outcome {
  readonly state: string;
  /** Of a failure. */
  readonly message: string;
  readonly group: string;
}

interface Spec {
  readonly ContainerHierarchyTexts: readonly string[] | null;
  readonly LeafNodeText: string;
  readonly State: string;
  readonly Failure?: { readonly Message: string };
}

/** Outcomes by the specs' full names, of ginkgo's JSON; without those that were not asked. */
export function outcomesOf(json: string): Map<string, Outcome> {
  const suites = JSON.parse(json) as readonly { readonly SpecReports: readonly Spec[] }[];
  return new Map(
    suites.flatMap(({ SpecReports }) =>
      SpecReports.filter((spec) => spec.LeafNodeText !== '').flatMap((spec): [string, Outcome][] => {
        const message = (spec.Failure?.Message ?? '').split('\n').slice(0, 6).join(' ');
        if (spec.State === 'skipped' && message === '') return [];
        const texts = spec.ContainerHierarchyTexts ?? [];
        const name = [...texts, spec.LeafNodeText].join(' ').replace(/^\[k8s\.io\] /, '');
        return [[name, { state: spec.State, message, group: texts[0]?.replace(/^\[k8s\.io\] /, '') ?? '' }]];
      }),
    ),
  );
}

/** Writes `build/cri.md` and prints it. */
export function report(heading: string, answers: ReadonlyMap<string, ReadonlyMap<string, Outcome>>): void {
  const handlers = [...answers.keys()];
  const all = new Map([...answers.values()].flatMap((outcomes) => [...outcomes]));
  const groups = [...new Set([...all.values()].map(({ group }) => group))].sort();
  const head = (first: string, ...more: string[]): string[] => {
    const columns = [first, ...handlers, ...more];
    return [`| ${columns.join(' | ')} |`, `|${'---|'.repeat(columns.length)}`];
  };
  const counts = groups.map((group) => {
    const specs = [...all].filter(([, one]) => one.group === group).map(([spec]) => spec);
    return `| ${group} | ${handlers.map((handler) => count(specs, answers.get(handler)!)).join(' | ')} |`;
  });
  const odd = [...all.keys()].sort().filter((spec) => {
    const states = handlers.map((handler) => answers.get(handler)!.get(spec)?.state);
    return states.some((state) => state !== states[0] || state === 'failed');
  });
  const lines = odd.map((spec) => {
    const states = handlers.map((handler) => answers.get(handler)!.get(spec)?.state ?? '-');
    const messages = handlers.flatMap((handler) => answers.get(handler)!.get(spec)?.message || []);
    const why = differences[spec] ?? messages[0]?.slice(0, 200) ?? '';
    return `| ${[spec, ...states, why].map((text) => text.replaceAll('|', '\\|')).join(' | ')} |`;
  });
  const text = [
    heading,
    '',
    ...head('group'),
    ...counts,
    '',
    ...head('failed somewhere, or not alike', 'why'),
    ...lines,
    '',
  ].join('\n');
  writeFileSync(join(repoRoot, 'build', 'cri.md'), text);
  console.log(text);
}

/** Such as `12 passed, 1 failed`. */
function count(specs: readonly string[], outcomes: ReadonlyMap<string, Outcome>): string {
  const states = specs.map((spec) => outcomes.get(spec)?.state ?? 'not there');
  return [...new Set(states)]
    .sort()
    .map((state) => `${states.filter((one) => one === state).length} ${state}`)
    .join(', ');
}
