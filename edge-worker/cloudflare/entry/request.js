// Reads a request and encodes it as the frames that Rust reads: its head, `now · entropy · text`, and then its body.

import { FrameWriter } from "./frame.js";

/**
 * A body of at most this declared length is read before its caller is known, which saves a call into wasm for nearly every
 * request. It takes no more memory than a head, for which the platform has the same bound.
 */
const SMALL_BYTES_MAX = 64 * 1024;

/** The same as in the native server. */
const DISCARDED_BYTES_MAX = 20 * 1024 * 1024;
const DISCARD_MS = 2_000;

const NOTHING = new Uint8Array();

/**
 * The head of a request, before it is encoded: `text` is a line each for method and target, and then for the name and the value
 * of each header. None of them can hold a line's end. One text is encoded in one step.
 */
export function headOf(request, { headers, readsFacts }) {
  const { method } = request;
  let text = `${method}\n${targetOf(request.url)}`;
  text += linesOf(request, headers.any);
  if (method === "OPTIONS") text += linesOf(request, headers.preflight);
  else if (readsFacts) text += factsOf(request, headers.facts);
  const source = sourceOf(request);
  if (source) text += `\nusher-edge-source\n${source}`;
  const random = entropy();
  return { request, now: Date.now(), entropy: random, id: requestId(request, random), text };
}

/** Facts of a request: the platform's, which cost the most of a head, have names that are never read from a caller. */
function factsOf(request, names) {
  let text = linesOf(request, names);
  const { cf } = request;
  if (cf?.country) text += `\nusher-edge-country\n${cf.country}`;
  if (cf?.city) text += `\nusher-edge-city\n${cf.city}`;
  return text;
}

/** Appends the frame of a head. */
export function encodeHead(frame, { now, entropy, text }) {
  return frame.long(now).raw(entropy).text(text);
}

/** The head with more of its headers. */
export function withHeaders(head, names) {
  return { ...head, text: head.text + linesOf(head.request, names) };
}

/** Each question costs, so that only those are asked for that are read. */
function linesOf({ headers }, names) {
  let lines = "";
  for (const name of names) {
    const value = headers.get(name);
    if (value !== null) lines += `\n${name}\n${value}`;
  }
  return lines;
}

/** The header of every answer. */
export const REQUEST_ID = "usher-request-id";

/**
 * The id of a request, as `usher_edge::request_id` decides it: its caller's, if that is 32 hexadecimal digits or a UUID, or one
 * of its own. It is not asked of Rust, because that would be a call more for each request.
 */
export function requestId(request, random = entropy()) {
  const sent = request.headers.get("x-request-id");
  if (sent !== null && ID.test(sent)) return sent;
  let id = "";
  for (let index = ENTROPY_BYTES / 2; index < ENTROPY_BYTES; index++) id += DIGITS[random[index]];
  return id;
}

const ID = /^(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i;

/** The two digits of each byte. */
const DIGITS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

const ENTROPY_BYTES = 32;

/** Randomness for many requests, taken at once. */
const pool = new Uint8Array(128 * ENTROPY_BYTES);
let used = pool.length;

function entropy() {
  if (used === pool.length) {
    crypto.getRandomValues(pool);
    used = 0;
  }
  return pool.slice(used, (used += ENTROPY_BYTES));
}

/** The unit that rates count: an IPv4 address, or the /64 of an IPv6 address, which belongs to one customer. */
export function sourceOf(request) {
  const address = request.headers.get("cf-connecting-ip");
  if (!address?.includes(":")) return address;
  const [head, tail = ""] = address.split("::");
  const [front, back] = [head, tail].map((part) => part.split(":").filter(Boolean));
  const zeros = Array(Math.max(0, 8 - front.length - back.length)).fill("0");
  return [...front, ...zeros, ...back].slice(0, 4).join(":");
}

/** Path and query of the raw URL; parsing it would cost more than the rest of this function. */
function targetOf(url) {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  return start < 0 ? "/" : url.slice(start);
}

/**
 * The declared length of a request's body, if any, and whether it is compressed. `small`: it may be read before its caller
 * is known.
 */
export function bodyOf(request) {
  const { headers } = request;
  const coding = headers.get("content-encoding");
  const packed = coding !== null && /^\s*(x-)?gzip\s*$/i.test(coding);
  const length = headers.get("content-length");
  if (length !== null) {
    const declared = Number(length);
    return { packed, declared, small: !packed && declared <= SMALL_BYTES_MAX };
  }
  // Checked last, because reading `request.body` creates its stream.
  return { packed, declared: request.body === null ? 0 : -1, small: request.body === null };
}

/**
 * The body, and at most one byte more than the bound; undefined when it cannot be read, because the caller disconnected or it is
 * not one gzip member.
 */
export async function readBody(request, { packed, declared }, max) {
  try {
    // A route without a body ignores one.
    if (max === 0 || (declared === 0 && !packed)) return NOTHING;
    if (declared >= 0 && !packed) return new Uint8Array(await request.arrayBuffer());
    return await readStream(packed ? request.body.pipeThrough(new DecompressionStream("gzip")) : request.body, packed, max);
  } catch {
    return undefined;
  }
}

/** Reads for a while and discards, because a caller does not see its answer while it is sending. */
export async function discardBody(request) {
  if (request.body === null) return;
  // Reuses one buffer: new ones would become garbage faster than it is collected.
  const reader = request.body.getReader({ mode: "byob" });
  let buffer = new Uint8Array(SMALL_BYTES_MAX);
  const until = Date.now() + DISCARD_MS;
  try {
    for (let discarded = 0; discarded <= DISCARDED_BYTES_MAX && Date.now() < until; ) {
      const { done, value } = await reader.read(buffer);
      if (done) break;
      discarded += value.length;
      buffer = new Uint8Array(value.buffer);
    }
  } catch {
    // The caller disconnected.
  }
}

async function readStream(stream, packed, max) {
  const bytes = new FrameWriter(4 * 1024);
  let discarded = 0;
  for await (const part of stream) {
    const kept = part.subarray(0, max + 1 - bytes.length);
    bytes.raw(kept);
    // One byte too many is enough to refuse; the rest is read only so far that the caller sees the answer.
    discarded += part.length - kept.length;
    if (bytes.length > max && (packed || discarded > DISCARDED_BYTES_MAX)) break;
  }
  return bytes.done();
}
