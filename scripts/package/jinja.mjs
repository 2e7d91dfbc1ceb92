/**
 * Packs the package of packages/jinja, of which the package itself depends on the same version, into .packages/.
 *
 *     npm run package:jinja
 */
import { compile, jinja, pack } from "./packages.mjs";

compile();
process.stdout.write(`${pack(jinja)}\n`);
