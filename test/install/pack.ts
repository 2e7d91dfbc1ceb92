/** Packs the packages once, as for publishing, before the tests. */
import { execFileSync } from "node:child_process";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    /** Path of the tarball of the package itself. */
    mainTarball: string;
    /** Path of the tarball of what it renders templates with. */
    jinjaTarball: string;
    /** Path of the tarball of the package for this platform. */
    platformTarball: string;
  }
}

export default function setup({ provide }: TestProject): void {
  const pack = (script: string, ...args: string[]) =>
    execFileSync("npm", ["run", "--silent", script, "--", ...args], { encoding: "utf8" }).trim();
  provide("jinjaTarball", pack("package:jinja"));
  provide("mainTarball", pack("package:main"));
  provide("platformTarball", pack("package:platform", "--any-system"));
}
