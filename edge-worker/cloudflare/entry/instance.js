// One wasm instance: its operations, as bytes in and bytes out.

// In the order of `operation.rs`.
export const CONFIGURE = 0;
export const FRONT = 1;
export const ANSWER = 2;
export const OPEN = 3;
export const FOLD = 4;
export const BEHIND = 5;
export const INSTALL = 6;
export const UNAVAILABLE = 7;
export const CONSTANTS = 8;
export const DEGRADE = 9;
export const FAILED = 10;
export const ADMIT = 11;
export const EARLIER = 12;
export const STAND_IN = 13;
export const MEET = 14;
export const METER = 15;
export const NOTE_STORAGE_FAULT = 16;
export const CHARGE = 17;
export const UPKEEP = 18;
export const MISPLACE = 19;
export const COPY = 20;
export const REMEMBER = 21;
export const FORGET = 22;

/** The first byte of a fold's output when more parts of the message follow. */
export const IS_PART = 2;

export class Instance {
  #exports;
  /** Where it has what sources used. */
  #used = { address: 0, length: 0 };

  constructor(module) {
    this.#exports = new WebAssembly.Instance(module, {}).exports;
  }

  /** The size of its memory, which never shrinks. */
  get bytes() {
    return this.#exports.memory.buffer.byteLength;
  }

  /** Counts what sources used there from now on, beginning with what an instance counted before it trapped. */
  count(address, length, before) {
    this.#used = { address, length };
    if (before) this.#usedBytes().set(before.#usedBytes());
  }

  /** Runs one operation. After a trap the instance is of no use any more. */
  run(operation, input) {
    const { memory, input: reserve, call, output } = this.#exports;
    // `reserve` may grow memory, which makes earlier views stale; so may the call.
    const at = reserve(input.length);
    new Uint8Array(memory.buffer, at, input.length).set(input);
    const length = call(operation);
    return new Uint8Array(memory.buffer, output(), length).slice();
  }

  /** A view of its memory. A trap leaves memory as it is. */
  #usedBytes() {
    return new Uint8Array(this.#exports.memory.buffer, this.#used.address, this.#used.length);
  }
}
