import type { AddressInfo, Server } from "node:net";
import { onTestFinished } from "vitest";

/** Has a server listen on a free port of this machine, which it returns, until the test has ended. */
export async function listen(
  server: Server & { closeAllConnections?: () => void },
  host = "127.0.0.1",
): Promise<number> {
  await new Promise<void>((listening) => server.listen(0, host, listening));
  onTestFinished(() => {
    server.closeAllConnections?.();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}
