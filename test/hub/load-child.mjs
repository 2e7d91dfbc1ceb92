// Loads the model named on the command line; the environment says where from and where to.
import { resolveModel } from "#lib/hub/resolve-model.js";
import { readHubEnvironment } from "#lib/env.js";

const policy = { attempts: 4, baseDelay: 2, maxDelay: 10, maxRetryAfter: 2_000 };
const model = process.argv[2] ?? "";
const { directory } = await resolveModel({ model }, readHubEnvironment(), policy);
process.send?.({ directory });
process.disconnect?.();
