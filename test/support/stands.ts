/**
 * What all tests of a file stand on: started when the file is loaded, stopped after its tests, whatever fails. `clean` is
 * what belonged to it before any test: the baseline of leak checks.
 */
import { after } from 'node:test';
import { Containerd, type ContainerdOptions } from '../../scripts/stand/containerd.ts';
import { FakeContainerd } from './fake-containerd.ts';
import { type Belongings, belongings } from './leaks.ts';
import { PodHost } from './pod.ts';

/** @param start gives another one than the usual. */
export async function useFakeContainerd(
  start: () => Promise<FakeContainerd> = FakeContainerd.start,
): Promise<{ readonly fake: FakeContainerd; readonly clean: Belongings }> {
  const fake = await used(start(), (it) => it.stop());
  return { fake, clean: belongings(fake) };
}

export async function useContainerd(
  options?: ContainerdOptions,
): Promise<{ readonly daemon: Containerd; readonly clean: Belongings }> {
  const daemon = await used(Containerd.start(options), (it) => it.stop());
  return { daemon, clean: belongings(daemon) };
}

export async function usePodHost(): Promise<{ readonly host: PodHost; readonly clean: Belongings }> {
  const host = await used(PodHost.start(), (it) => it.stop());
  return { host, clean: belongings(host.daemon) };
}

/** Anything else that is started and stopped. */
export async function used<T>(starting: Promise<T>, stop: (it: T) => unknown): Promise<T> {
  const it = await starting;
  after(() => stop(it));
  return it;
}
