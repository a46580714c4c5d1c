// What the fuzzer's module does in V8, the engine that workers and browsers have: no trap, whatever it is given. The
// kept cases, and the first inputs of each target by their numbers. Without fuel; `make fuzz` counts that.
//
// USHER_FUZZ_MODULE names the module, USHER_FUZZ_INPUTS how many inputs each target gets (2,000).

import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const wasm = process.env.USHER_FUZZ_MODULE;
const inputs = Number(process.env.USHER_FUZZ_INPUTS ?? 2_000);
/** In the order of their numbers. */
const TARGETS = ["criteria", "condition", "bundle", "definition", "profile", "event", "batch", "import"];
/** How many outcomes of a target's inputs differ at least: fewer, and they are all refused at the door. */
const OUTCOMES_LEAST = 4;

assert.ok(wasm, "USHER_FUZZ_MODULE names the module: see README.md");
const module = new WebAssembly.Module(readFileSync(wasm));

for (const [number, target] of TARGETS.entries()) {
  test(`${target}: kept cases`, () => {
    const machine = new Machine();
    const folder = join(here, "cases", target);
    for (const name of existsSync(folder) ? readdirSync(folder).sort() : []) {
      machine.run(target, readFileSync(join(folder, name)), `cases/${target}/${name}`);
    }
  });

  test(`${target}: ${inputs} inputs`, () => {
    const machine = new Machine();
    const outcomes = new Set();
    for (let index = 0; index < inputs; index += 1) {
      const input = machine.take(machine.exports.make(number, index)).slice();
      outcomes.add(machine.run(target, input, `${target} ${index}`));
    }
    assert.ok(outcomes.size >= OUTCOMES_LEAST, `only ${outcomes.size} outcomes: ${[...outcomes].join(", ")}`);
  });
}

class Machine {
  constructor() {
    this.exports = new WebAssembly.Instance(module).exports;
    this.exports.prepare();
  }

  /** The output, as long as it is told to be. */
  take(length) {
    return new Uint8Array(this.exports.memory.buffer, this.exports.output(), length);
  }

  /** Runs an input; what its outcome is called. */
  run(target, input, name) {
    const at = this.exports.input(input.length);
    new Uint8Array(this.exports.memory.buffer, at, input.length).set(input);
    let length;
    try {
      length = this.exports[target]();
    } catch (trap) {
      throw new Error(`${name}: ${trap.message}\n${Buffer.from(input).toString("base64")}`);
    }
    const output = this.take(length);
    return new TextDecoder().decode(output.subarray(0, output.indexOf(10)));
  }
}
