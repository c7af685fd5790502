/**
 * Placement: does a container get a VM of its own, or does it join the VM of its pod? Pure; the same rules serve
 * `start` (which shim?) and Create (boot or join?).
 */
import { classify } from '../oci/annotations.ts';

/** What to do with a container, and the reasons, in words for an operator. */
export type Placement =
  | {
      readonly t: 'boot';
      readonly sandboxId: string;
      readonly pod: boolean;
      readonly reasons: readonly string[];
    }
  | { readonly t: 'join'; readonly sandboxId: string; readonly reasons: readonly string[] }
  | { readonly t: 'reject'; readonly reasons: readonly string[] };

/**
 * Decides by the annotations of the container manager.
 * @param id the container's id (containerd's `-id`).
 * @param annotations the OCI spec's annotations.
 */
export function place(id: string, annotations: Readonly<Record<string, string>>): Placement {
  const found = classify(annotations);
  switch (found.kind) {
    case 'reject':
      return { t: 'reject', reasons: found.reasons };
    case 'single':
      return { t: 'boot', sandboxId: id, pod: false, reasons: found.reasons };
    case 'sandbox':
      if (found.sandboxId !== undefined && found.sandboxId !== id) {
        return {
          t: 'reject',
          reasons: [
            ...found.reasons,
            `a sandbox container must be its own sandbox, but ${id} names ${found.sandboxId}`,
          ],
        };
      }
      return { t: 'boot', sandboxId: id, pod: true, reasons: found.reasons };
    case 'container':
      if (found.sandboxId === undefined || found.sandboxId === id) {
        return {
          t: 'reject',
          reasons: [...found.reasons, `container ${id} does not name the sandbox it belongs to`],
        };
      }
      return { t: 'join', sandboxId: found.sandboxId, reasons: found.reasons };
  }
}
