// Encodes a request as the frames that Rust reads: its head, `now · entropy · method · target · headers`, and then its
// body.

import { FrameWriter } from "./frame.js";

/**
 * A body of at most this declared length is read before its caller is known, which saves a call into wasm for nearly every
 * request. It takes no more memory than a head, for which the platform has the same bound.
 */
const SMALL_BYTES_MAX = 64 * 1024;

/** The same as in the native server. */
const DISCARDED_BYTES_MAX = 20 * 1024 * 1024;
const DISCARD_MS = 2_000;

/** The head of a request; its body can be appended. */
export function encodeHead(request, names) {
  const frame = new FrameWriter(2048);
  frame.long(Date.now()).raw(crypto.getRandomValues(new Uint8Array(32)));
  frame.text(request.method).text(targetOf(request.url));
  const headers = [];
  for (const name of names) {
    const value = request.headers.get(name);
    if (value !== null) headers.push([name, value]);
  }
  // The platform's facts, under names that are never read from a caller.
  if (request.cf?.country) headers.push(["usher-edge-country", request.cf.country]);
  if (request.cf?.city) headers.push(["usher-edge-city", request.cf.city]);
  const source = sourceOf(request);
  if (source) headers.push(["usher-edge-source", source]);
  frame.number(headers.length);
  for (const [name, value] of headers) frame.text(name).text(value);
  return frame;
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
  const packed = /^\s*(x-)?gzip\s*$/i.test(request.headers.get("content-encoding") ?? "");
  const length = request.headers.get("content-length");
  if (length !== null) {
    const declared = Number(length);
    return { packed, declared, small: !packed && declared <= SMALL_BYTES_MAX };
  }
  // Checked last, because reading `request.body` creates its stream.
  return { packed, declared: request.body === null ? 0 : -1, small: request.body === null };
}

/**
 * Appends the body to its head, and at most one byte more than the bound. False when it cannot be read, because the caller
 * disconnected or it is not one gzip member; an empty body is read.
 */
export async function appendBody(frame, request, { packed, declared }, max) {
  try {
    // A route without a body ignores one.
    if (max === 0) frame.bytes(new Uint8Array());
    else if (declared >= 0 && !packed) frame.bytes(new Uint8Array(await request.arrayBuffer()));
    else await appendStream(frame, packed ? request.body.pipeThrough(new DecompressionStream("gzip")) : request.body, packed, max);
    return true;
  } catch {
    return false;
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

async function appendStream(frame, stream, packed, max) {
  const begin = frame.length;
  frame.number(0);
  let length = 0;
  let discarded = 0;
  for await (const part of stream) {
    const kept = part.subarray(0, max + 1 - length);
    frame.raw(kept);
    length += kept.length;
    // One byte too many is enough to refuse; the rest is read only so far that the caller sees the answer.
    discarded += part.length - kept.length;
    if (length > max && (packed || discarded > DISCARDED_BYTES_MAX)) break;
  }
  frame.setNumber(begin, length);
}
