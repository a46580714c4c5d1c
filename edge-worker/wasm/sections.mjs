// Reads the sections of a wasm module.

/** A position in a module. */
class Cursor {
  constructor(bytes, at) {
    this.bytes = bytes;
    this.at = at;
  }

  /** An unsigned LEB128 number. */
  number() {
    for (let [value, scale] = [0, 1]; ; scale *= 128) {
      const byte = this.bytes[this.at++];
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  /** A text behind its length. */
  text() {
    const length = this.number();
    this.at += length;
    return this.bytes.toString("latin1", this.at - length, this.at);
  }
}

/** The content of the section of this id; `absent` if there is none. */
export function sectionOf(bytes, id, absent) {
  // Behind the magic number and the version.
  const cursor = new Cursor(bytes, 8);
  while (cursor.at < bytes.length) {
    const found = bytes[cursor.at++];
    const size = cursor.number();
    if (found === id) return cursor;
    cursor.at += size;
  }
  if (absent === undefined) throw new Error(`a module without section ${id}`);
  return absent;
}

/** The content of the custom section of this name, and its end; undefined if there is none. */
export function customSection(bytes, name) {
  const cursor = new Cursor(bytes, 8);
  while (cursor.at < bytes.length) {
    const found = bytes[cursor.at++];
    const end = cursor.number() + cursor.at;
    if (found === 0 && cursor.text() === name) return { cursor, end };
    cursor.at = end;
  }
  return undefined;
}

/** The module without the custom sections of these names. */
export function withoutSections(bytes, isDropped) {
  const kept = [bytes.subarray(0, 8)];
  const cursor = new Cursor(bytes, 8);
  while (cursor.at < bytes.length) {
    const start = cursor.at;
    const found = bytes[cursor.at++];
    const end = cursor.number() + cursor.at;
    if (found !== 0 || !isDropped(cursor.text())) kept.push(bytes.subarray(start, end));
    cursor.at = end;
  }
  return Buffer.concat(kept);
}

/** The segments of a module's data: address, position in the file, length. */
export function dataOf(bytes) {
  const segments = [];
  const cursor = sectionOf(bytes, 11);
  for (let left = cursor.number(); left > 0; left--) {
    // Flags and the opcode of a constant, the constant, the opcode of the end.
    cursor.at += 2;
    const address = cursor.number();
    cursor.at += 1;
    const length = cursor.number();
    segments.push({ address, start: cursor.at, length });
    cursor.at += length;
  }
  return segments;
}
