import { networkFailure, type HttpResponse } from "../download/connection.js";
import { publicUrl } from "../download/public-url.js";
import { RewardModelScoreError } from "../errors.js";
import { formatBytes } from "../io/format.js";

/**
 * The whole body of an answer that says no more than fits into `limit` bytes. Throws TransientError when it does not end
 * within `patience` milliseconds, however slowly it goes on.
 */
export async function readBody(
  { body, url }: HttpResponse,
  limit: number,
  patience: number,
  signal?: AbortSignal,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  body.on("error", () => {}); // destroying a body that is under way reports its own end
  const timer = setTimeout(() => body.destroy(new Error(`no end within ${patience / 1000} s`)), patience);
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > limit) throw tooLong(url, limit);
      chunks.push(chunk);
    }
  } catch (error) {
    throw RewardModelScoreError.is(error) ? error : networkFailure(error, url, signal);
  } finally {
    clearTimeout(timer);
  }
  return Buffer.concat(chunks);
}

function tooLong(url: string, limit: number): RewardModelScoreError {
  return new RewardModelScoreError(
    "ERR_NETWORK",
    `${publicUrl(url)} answers with more than ${formatBytes(limit)}, which no answer of a Hub has. Check HF_ENDPOINT.`,
    { url: publicUrl(url) },
  );
}
