// A request as the frame that Rust reads: `now · entropy · method · target · headers · body`.

import { FrameWriter } from "./frame.js";

/** Where reading stops; `limits.rs` decides what is refused, and nothing there takes more. */
const BODY_BYTES_MAX = 5 * 1024 * 1024;

export async function encodeRequest(request, names) {
  const body = await readBody(request);
  const frame = new FrameWriter(body.length + 1024);
  frame.long(Date.now()).raw(crypto.getRandomValues(new Uint8Array(32)));
  frame.text(request.method).text(targetOf(request.url));
  const headers = [];
  for (const name of names) {
    const value = request.headers.get(name);
    if (value !== null) headers.push([name, value]);
  }
  // What the platform knows, under names that no caller's header is read by.
  if (request.cf?.country) headers.push(["usher-edge-country", request.cf.country]);
  if (request.cf?.city) headers.push(["usher-edge-city", request.cf.city]);
  frame.number(headers.length);
  for (const [name, value] of headers) frame.text(name).text(value);
  return frame.bytes(body).done();
}

/** Path and query of the raw URL; parsing it would cost more than everything else here. */
function targetOf(url) {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  return start < 0 ? "/" : url.slice(start);
}

async function readBody(request) {
  const packed = /^(x-)?gzip$/i.test(request.headers.get("content-encoding") ?? "");
  // Asked first, because the stream behind `request.body` is made only when somebody looks at it.
  const declared = Number(request.headers.get("content-length") ?? Number.NaN);
  if (!packed && declared <= BODY_BYTES_MAX) return new Uint8Array(await request.arrayBuffer());
  if (request.body === null) return new Uint8Array();
  const stream = packed ? request.body.pipeThrough(new DecompressionStream("gzip")) : request.body;
  const parts = [];
  let length = 0;
  try {
    for await (const part of stream) {
      parts.push(part);
      length += part.length;
      // One byte too many is enough to be refused.
      if (length > BODY_BYTES_MAX) break;
    }
  } catch {
    // What cannot be inflated is no body; Rust refuses the empty one.
    return new Uint8Array();
  }
  const body = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    body.set(part, at);
    at += part.length;
  }
  return body;
}
