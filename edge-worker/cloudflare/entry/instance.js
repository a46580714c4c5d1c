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
export const DUE = 23;
export const SETTLE = 24;
export const COMMITTED = 25;
export const JOIN = 26;
export const COMPILE = 27;
export const KEYS = 28;
export const DUE_DRAFT = 29;
export const SEND_TURN = 30;
export const SCHEMA = 31;

/** The first byte of a fold's output when more parts of the message follow. */
export const IS_PART = 2;
/** The same when other shards have to be asked, and when it is for the control plane. */
export const ASKS = 3;
export const IS_BEYOND = 4;

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

  /** Counts what sources used there from now on, beginning with what an instance before it counted, if there was one. */
  count(address, length, before) {
    this.#used = { address, length };
    if (before) this.used.set(before);
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

  /** What sources used: a view of its memory, which a trap leaves as it is. */
  get used() {
    return new Uint8Array(this.#exports.memory.buffer, this.#used.address, this.#used.length);
  }
}
