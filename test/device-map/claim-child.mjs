// Claims GPU 0 in the given folder and waits for a message before it exits.
import { GpuClaims } from "#lib/device-map/gpu-claims.js";

await new GpuClaims(process.argv[2]).claim("child", () => ({ gpus: ["0"], chosen: undefined }));
process.on("message", () => process.exit(0));
process.send("claimed");
