// Places of panics in a module: for each the name of a source file, with its length, the line and the column. A silent panic
// reads none of them, and the names tell where the module was built.

import { dataOf } from "./sections.mjs";

/** The module with zeros instead; wasm-opt drops them. */
export function withoutLocations(built) {
  const bytes = Buffer.from(built);
  const data = dataOf(bytes);
  /** The position in the file of bytes at an address. */
  const at = (address, length) => {
    const found = data.find((segment) => segment.address <= address && address + length <= segment.address + segment.length);
    return found && found.start + address - found.address;
  };
  const names = new Map();
  for (const { address, start, length } of data) {
    for (let offset = -address & 3; offset + 16 <= length; offset += 4) {
      const [text, size, line, column] = [0, 4, 8, 12].map((field) => bytes.readUInt32LE(start + offset + field));
      const name = size > 3 && size < 256 && line > 0 && line < 1e5 && column > 0 && column < 1e3 ? at(text, size) : undefined;
      if (name === undefined || !/^[\w/.-]+\.rs$/.test(bytes.toString("latin1", name, name + size))) continue;
      names.set(name, size);
      bytes.fill(0, start + offset, start + offset + 16);
    }
  }
  for (const [name, size] of names) bytes.fill(0, name, name + size);
  // The toolchain is pinned; another one may place them otherwise.
  if (/\.rs(?![\w.])/.test(data.map(({ start, length }) => bytes.toString("latin1", start, start + length)).join(" "))) {
    throw new Error("a name of a source file is left in the data");
  }
  return bytes;
}
