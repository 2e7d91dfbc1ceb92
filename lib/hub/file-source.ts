import type { Connection } from "../download/connection.js";
import { Source } from "../download/source.js";
import { errorFromResponse } from "./errors.js";

/** A file of a repository, as the Hub serves it. */
export function fileSource(options: {
  connection: Connection;
  model: string;
  commit: string;
  path: string;
  size: number;
  idleTimeout: number;
}): Source {
  const { connection, model, commit, path, size, idleTimeout } = options;
  const name = path.split("/").map(encodeURIComponent).join("/");
  return new Source({
    connection,
    url: `${connection.endpoint}/${model}/resolve/${commit}/${name}`,
    size,
    idleTimeout,
    failure: (response) => errorFromResponse(response, connection, { model, revision: commit }),
  });
}
