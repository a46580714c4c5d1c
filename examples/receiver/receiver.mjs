// A small receiver of activations: it verifies their signatures, and keeps each message once.
//
// usage: WEBHOOK_SECRET=whsec_… node receiver.mjs [--port 8090] [--file received.ndjson]

import { appendFileSync, existsSync, fsyncSync, openSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { parseArgs } from "node:util";

import { Webhook } from "standardwebhooks";

/** Larger bodies are not sent. */
const MOST_BYTES = 256 * 1024;

const { values } = parseArgs({
  options: { port: { type: "string", default: "8090" }, file: { type: "string", default: "received.ndjson" } },
});
const webhook = new Webhook(process.env.WEBHOOK_SECRET);

/** The visitor whom a message is about: as the body of your activations says it. */
const visitor = (body) => body.customer;

const known = new Set();
const latest = new Map();
for (const line of existsSync(values.file) ? readFileSync(values.file, "utf8").split("\n") : []) {
  // The last line may have been cut off by a crash; its message was not answered, and comes again.
  if (line.endsWith("}")) note(JSON.parse(line));
}
const file = openSync(values.file, "a");

function note({ id, sequence, body }) {
  known.add(id);
  latest.set(visitor(body), Math.max(sequence, latest.get(visitor(body)) ?? 0));
}

/** The status of the answer; anything from 200 to 299 says that the message need not come again. */
function take(headers, text) {
  let body;
  try {
    // It also refuses requests that are more than five minutes old.
    body = webhook.verify(text, headers);
  } catch {
    return 401;
  }
  const [id, sequence] = [headers["webhook-id"], Number(headers["usher-sequence"])];
  if (known.has(id)) return 204;
  const late = sequence < (latest.get(visitor(body)) ?? 0);
  // On its own line, whatever is before it.
  appendFileSync(file, `\n${JSON.stringify({ id, sequence, late, body })}`);
  fsyncSync(file);
  note({ id, sequence, body });
  return 204;
}

const server = createServer((request, response) => {
  const parts = [];
  let length = 0;
  request.on("data", (part) => {
    length += part.length;
    if (length > MOST_BYTES) request.destroy();
    else parts.push(part);
  });
  // The signature is of the bytes that came, so nothing parses and prints them first.
  request.on("end", () => response.writeHead(take(request.headers, Buffer.concat(parts).toString("utf8"))).end());
});
server.listen(Number(values.port), "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${server.address().port}/in`));
