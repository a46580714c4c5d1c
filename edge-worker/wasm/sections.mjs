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
