// The edge of a tab behind a port, in node with an IndexedDB in memory: for the vectors. Prints its address as `usher serve` does,
// and stops when its input is closed.
//
// usage: node serve.mjs --dist <folder of the build> [--restart]; USHER_KEYS from the environment. With `--restart` each request has
// an edge of its own, which knows only what is stored.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { pathToFileURL } from "node:url";
import { inflateRawSync } from "node:zlib";

import { IDBFactory } from "fake-indexeddb";

import { Host } from "../entry/host.js";
import { answerOf, isPacked, partsOf } from "../entry/request.js";
import { openStorage } from "../entry/storage.js";

const { values } = parseArgs({ options: { dist: { type: "string" }, restart: { type: "boolean" } } });
const { start } = await import(pathToFileURL(resolve(values.dist, "service.mjs")));
const module = new WebAssembly.Module(readFileSync(join(values.dist, "service.wasm")));
const storage = await openStorage(new IDBFactory(), "usher");
const makeHost = () => new Host({ start: () => start(module), secret: process.env.USHER_KEYS ?? "", storage });
let host = makeHost();

const server = createServer(async (incoming, outgoing) => {
  const { method, url, headers } = incoming;
  const chunks = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const bodiless = method === "GET" || method === "HEAD";
  const request = new Request(`http://edge${url}`, { method, headers: pairs(headers), ...(!bodiless && { body: Buffer.concat(chunks) }) });
  if (values.restart) host = makeHost();
  const parts = await partsOf(request, url, host.bodyBytesMax);
  if (isPacked(request) && !isOneMember(Buffer.concat(chunks))) parts.body = undefined;
  const answer = answerOf(await host.serve(parts));
  outgoing.writeHead(answer.status, [...answer.headers].flat());
  outgoing.end(method === "HEAD" ? undefined : Buffer.from(await answer.arrayBuffer()));
});
server.listen(0, "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
process.stdin.resume();
process.stdin.once("end", () => process.exit(0));

/** True for one gzip member and nothing after it. Browsers refuse anything else themselves; node takes several members for one. */
function isOneMember(packed) {
  try {
    // The head that packers of one stream write has 10 bytes, the end 8.
    const { engine } = inflateRawSync(packed.subarray(10), { info: true });
    return engine.bytesWritten + 18 === packed.length;
  } catch {
    return false;
  }
}

/** Headers that a page's `fetch` would not send are of the connection. */
function pairs(headers) {
  const ofConnection = ["connection", "content-length", "host", "keep-alive", "transfer-encoding"];
  return Object.entries(headers).filter(([name]) => !ofConnection.includes(name)).map(([name, value]) => [name, String(value)]);
}
