// The engine's two files: the glue by `import()`, the wasm by its hash, handed over as bytes.

/** The engine with a program. */
export interface Engine {
  load(extract: Uint8Array): void;
  decide(request: Uint8Array): Uint8Array;
  free(): void;
}
/** What the glue exports. It names its wasm, so that only one address has to be known. */
export interface Glue {
  default(from: { module_or_path: ArrayBuffer }): Promise<unknown>;
  Device: new (program: Uint8Array) => Engine;
  wasm: string;
  integrity: string;
}

/** The engine at an address, or why there is none: `engine` (no address), `network`, `wasm` (the browser or a policy forbids it). */
export async function loadEngine(url: string): Promise<[Glue, null] | [null, string]> {
  if (!url) return [null, "engine"];
  if (typeof WebAssembly === "undefined") return [null, "wasm"];
  let glue: Glue;
  let bytes: ArrayBuffer;
  try {
    glue = await import(url);
    const response = await fetch(new URL(glue.wasm, url), { integrity: glue.integrity });
    if (!response.ok) return [null, "network"];
    bytes = await response.arrayBuffer();
  } catch {
    return [null, "network"];
  }
  try {
    await glue.default({ module_or_path: bytes });
    return [glue, null];
  } catch {
    return [null, "wasm"];
  }
}
