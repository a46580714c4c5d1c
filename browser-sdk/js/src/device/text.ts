// Bytes as text, for storage.

/** Arguments of one call. */
const PART = 8_192;

export function toText(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += PART) text += String.fromCharCode(...bytes.subarray(at, at + PART));
  return btoa(text);
}

export const fromText = (text: string): Uint8Array => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
