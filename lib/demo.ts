import { fileURLToPath } from "node:url";

/** The folder of the small model that is part of this package; `model: "demo"` names it. */
export const DEMO_MODEL = fileURLToPath(new URL("../models/demo", import.meta.url));
