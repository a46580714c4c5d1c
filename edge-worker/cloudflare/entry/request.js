// A request as the frame that Rust reads: `now · entropy · method · target · headers · body`.

import { FrameWriter } from "./frame.js";

/** Where reading stops; `limits.rs` decides what is refused, and nothing there takes more. */
const BODY_BYTES_MAX = 5 * 1024 * 1024;

/** The frame; `whole` unless the body broke off, or says it is packed and cannot be unpacked. */
export async function encodeRequest(request, names) {
  const read = await readBody(request);
  const body = read ?? new Uint8Array();
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
  const address = request.headers.get("cf-connecting-ip");
  if (address) headers.push(["usher-edge-source", sourceOf(address)]);
  frame.number(headers.length);
  for (const [name, value] of headers) frame.text(name).text(value);
  return { frame: frame.bytes(body).done(), whole: read !== undefined };
}

/** Who is counted as one: an IPv4 address, or the /64 of an IPv6 address, which is one customer's. */
function sourceOf(address) {
  if (!address.includes(":")) return address;
  const [head, tail = ""] = address.split("::");
  const [front, back] = [head, tail].map((part) => part.split(":").filter(Boolean));
  const zeros = Array(Math.max(0, 8 - front.length - back.length)).fill("0");
  return [...front, ...zeros, ...back].slice(0, 4).join(":");
}

/** Path and query of the raw URL; parsing it would cost more than everything else here. */
function targetOf(url) {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  return start < 0 ? "/" : url.slice(start);
}

/** The body, and of one that is too large one byte more than any route takes; undefined when it cannot be read. */
async function readBody(request) {
  try {
    return await bounded(request);
  } catch {
    // The caller went away, or it is no gzip: one member and nothing after it. An empty body would mean something else.
    return undefined;
  }
}

async function bounded(request) {
  const packed = /^(x-)?gzip$/i.test(request.headers.get("content-encoding") ?? "");
  // Asked first, because the stream behind `request.body` is made only when somebody looks at it.
  const declared = Number(request.headers.get("content-length") ?? Number.NaN);
  if (!packed && declared <= BODY_BYTES_MAX) return new Uint8Array(await request.arrayBuffer());
  if (request.body === null) return new Uint8Array();
  const stream = packed ? request.body.pipeThrough(new DecompressionStream("gzip")) : request.body;
  const parts = [];
  let length = 0;
  for await (const part of stream) {
    parts.push(part);
    length += part.length;
    // One byte too many is enough to be refused.
    if (length > BODY_BYTES_MAX) break;
  }
  const body = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    body.set(part, at);
    at += part.length;
  }
  return body;
}
