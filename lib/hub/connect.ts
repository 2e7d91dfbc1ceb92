import { Connection } from "../download/connection.js";
import { publicUrl } from "../download/public-url.js";
import type { HubEnvironment } from "../env.js";
import { RewardModelScoreError } from "../errors.js";

/** A connection to the Hub that the environment names. */
export function connectToHub(env: HubEnvironment, token: string | undefined): Connection {
  const { endpoint, proxy, apiTimeout: timeout } = env;
  if (URL.canParse(endpoint) && /^https?:$/.test(new URL(endpoint).protocol)) {
    return new Connection({ endpoint, token, proxy, timeout });
  }
  throw new RewardModelScoreError(
    "ERR_INVALID_OPTION",
    `HF_ENDPOINT is "${publicUrl(endpoint)}"; use the address of a Hub, such as https://huggingface.co.`,
    { option: "HF_ENDPOINT" },
  );
}
