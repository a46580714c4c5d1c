// Frames, as `usher_edge::wire::frame` reads and writes them: little-endian, lengths as 32-bit numbers.

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Numbers of 64 bits are written in halves: a BigInt for each would cost more than the rest. */
const TWO_TO_32 = 4_294_967_296;

/** A larger buffer is given back after its frame. */
const KEPT_BYTES = 256 * 1024;

let shared;

/**
 * A frame in a buffer that all such frames share: it must be passed on before the next one begins, without waiting. A new buffer
 * for each would cost more than what is written.
 */
export function sharedFrame() {
  if (!shared || shared.capacity > KEPT_BYTES) shared = new FrameWriter(16 * 1024);
  shared.length = 0;
  return shared;
}

export class FrameWriter {
  #bytes;
  #view;
  length = 0;

  constructor(capacity = 1024) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  get capacity() {
    return this.#bytes.length;
  }

  byte(value) {
    this.#reserve(1);
    this.#bytes[this.length++] = value;
    return this;
  }

  number(value) {
    this.#reserve(4);
    this.#view.setUint32(this.length, value, true);
    this.length += 4;
    return this;
  }

  /** A whole number that JavaScript holds exactly. */
  long(value) {
    this.#reserve(8);
    const high = Math.floor(value / TWO_TO_32);
    this.#view.setUint32(this.length, value - high * TWO_TO_32, true);
    this.#view.setInt32(this.length + 4, high, true);
    this.length += 8;
    return this;
  }

  /** Bytes without a length prefix. */
  raw(bytes) {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
    return this;
  }

  bytes(bytes) {
    return this.number(bytes.length).raw(bytes);
  }

  text(text) {
    // At most three bytes per UTF-16 unit.
    this.#reserve(4 + text.length * 3);
    const { written } = encoder.encodeInto(text, this.#bytes.subarray(this.length + 4));
    this.#view.setUint32(this.length, written, true);
    this.length += 4 + written;
    return this;
  }

  done() {
    return this.#bytes.subarray(0, this.length);
  }

  #reserve(more) {
    const needed = this.length + more;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

export class FrameReader {
  #bytes;
  #view;
  #at = 0;

  constructor(bytes) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  byte() {
    return this.#bytes[this.#at++];
  }

  number() {
    const value = this.#view.getUint32(this.#at, true);
    this.#at += 4;
    return value;
  }

  long() {
    const value = this.#view.getInt32(this.#at + 4, true) * TWO_TO_32 + this.#view.getUint32(this.#at, true);
    this.#at += 8;
    return value;
  }

  /** A part of the frame, not a copy. */
  bytes() {
    const length = this.number();
    return this.#bytes.subarray(this.#at, (this.#at += length));
  }

  text() {
    return decoder.decode(this.bytes());
  }

  list(read) {
    return Array.from({ length: this.number() }, () => read(this));
  }
}
