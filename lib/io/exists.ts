import { access } from "node:fs/promises";

/** Whether a path leads to something; a link that leads nowhere does not. */
export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
