import { setImmediate, setTimeout } from "node:timers/promises";

/**
 * Waits for what tells nobody that it has come: what another process does to a file, what a thread of libtorch does after
 * its work. If it never comes, the time that the test has ends the wait.
 */
export async function until(condition: () => unknown): Promise<void> {
  while (!(await condition())) await setTimeout(10);
}

/** So many turns of the event loop. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await setImmediate();
}
