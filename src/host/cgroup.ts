/** Control groups of the host, version 1, 2 and hybrid: one folder per hierarchy for the VM's processes. */

/** A control group: the same path in every mounted hierarchy. */
export interface Cgroup {
  /** Path below the mount of each hierarchy, begins with `/`. */
  readonly path: string;
  /** Absolute folders, one per hierarchy. */
  readonly folders: readonly string[];
  /** Files a process writes `0` into to join. */
  readonly procsFiles: readonly string[];
  /** Pids in it now, each once. */
  procs(): number[];
  /** SIGKILL to all that is in it, until it is empty; throws at the limit. Nothing there is fine. */
  kill(limits: { timeoutMs: number }): Promise<void>;
  /** Removes the folders, waits for dying processes; throws at the limit. Nothing there is fine. */
  remove(limits: { timeoutMs: number }): Promise<void>;
}
