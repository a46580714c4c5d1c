// Ids of events: UUIDv7, so that their text sorts by time, in one tab also within a millisecond.

let last = 0;
let within = 0;

/** A new id of this moment, in Unix ms. */
export function newId(nowMs: number): string {
  if (nowMs > last) {
    last = nowMs;
    within = 0;
  } else if (++within > 0xfff) {
    last++;
    within = 0;
  }
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  bytes[0] = (bytes[0]! & 0x3f) | 0x80;
  const hex = (value: number, digits: number) => value.toString(16).padStart(digits, "0");
  const time = hex(last, 12);
  const tail = Array.from(bytes, (byte) => hex(byte, 2)).join("");
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hex(within, 3)}-${tail.slice(0, 4)}-${tail.slice(4)}`;
}

/** The moment of an id, in Unix ms. */
export const timeOf = (id: string): number => parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
