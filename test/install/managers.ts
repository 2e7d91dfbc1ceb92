/** The package managers: how an empty project gets the package, and how its command is called, without install scripts. */
import { resolve } from "node:path";
import type { Project, Result } from "./project.js";

export interface Manager {
  name: string;
  /** Whether it lets Node find what a module that is required imports; Plug'n'Play does so only for `import`. */
  canRequire: boolean;
  install(project: Project, registry: string): Promise<Result>;
  /** The command line of the package. */
  run(project: Project, args: string[], environment: Record<string, string>): Promise<Result>;
  /** A script of the project. */
  node(project: Project, script: string, environment: Record<string, string>): Promise<Result>;
}

const PNPM = resolve("node_modules/pnpm/bin/pnpm.cjs");
const YARN = resolve("node_modules/yarn/bin/yarn.js");
const BERRY = resolve("node_modules/@yarnpkg/cli-dist/bin/yarn.js");

const node: Manager["node"] = (project, script, environment) => project.run("node", [script], environment);

export const npm: Manager = {
  name: "npm",
  canRequire: true,
  install: (project, registry) =>
    project.run("npm", ["install", "reward-model-score", "--ignore-scripts", "--no-audit", "--no-fund"], {
      npm_config_registry: registry,
    }),
  run: (project, args, environment) => project.run("npx", ["reward-model-score", ...args], environment),
  node,
};

const pnpm: Manager = {
  name: "pnpm",
  canRequire: true,
  install: (project, registry) =>
    project.run("node", [PNPM, "add", "reward-model-score", "--ignore-scripts", `--registry=${registry}`]),
  run: (project, args, environment) =>
    project.run("node", [PNPM, "exec", "reward-model-score", ...args], environment),
  node,
};

const yarnClassic: Manager = {
  name: "yarn 1",
  canRequire: true,
  install: (project, registry) =>
    project.run("node", [YARN, "add", "reward-model-score", "--ignore-scripts", "--registry", registry]),
  run: (project, args, environment) =>
    project.run("node", [YARN, "--silent", "reward-model-score", ...args], environment),
  node,
};

function yarnBerry(linker: "node-modules" | "pnp"): Manager {
  return {
    name: `yarn 4 (${linker})`,
    canRequire: linker !== "pnp",
    install: (project, registry) => {
      project.write(
        ".yarnrc.yml",
        `nodeLinker: ${linker}\nnpmRegistryServer: ${registry}\nunsafeHttpWhitelist: ["127.0.0.1"]\n` +
          "enableScripts: false\nenableTelemetry: false\n",
      );
      return project.run("node", [BERRY, "add", "reward-model-score"]);
    },
    run: (project, args, environment) =>
      project.run("node", [BERRY, "reward-model-score", ...args], environment),
    node: (project, script, environment) => project.run("node", [BERRY, "node", script], environment),
  };
}

export const managers: Manager[] = [npm, pnpm, yarnClassic, yarnBerry("node-modules"), yarnBerry("pnp")];
