// Runs the engine alone once, from a definition to an answer: what is weighed must work.

/** Compiles, stitches, ingests, answers and explains. Throws when it does not say what it should. */
export async function tryAlone(bytes) {
  const { instance } = await WebAssembly.instantiate(bytes, {});
  const call = caller(instance.exports);
  const [, findings] = call(0, [], definition);
  if (findings !== null) throw new Error(`a definition that was refused: ${JSON.stringify(findings)}`);
  const asked = { now: 1_790_000_000_000, fresh: 7, database: "web", table: "pages", columns: { visitor: "anna" }, minted: "e-1" };
  const [, keys] = call(1, [], asked);
  const [stitched] = call(2, [], asked);
  const [ingested] = call(3, stitched, asked);
  const [, answer] = call(4, ingested, { ...asked, personalizations: ["home"] });
  const [, explanation] = call(5, ingested, { ...asked, personalizations: ["home"] });
  const said = [keys.usable[0][1], answer.offers[0].section, explanation.personalizations[0].sections[0].result];
  if (said.join() !== "anna,Welcome,matched") throw new Error(`the engine alone said ${said}`);
}

const test = (name, test) => ({ test: { name, test, negated: false } });
const definition = {
  audience: { id: "7" },
  key_events: [{ name: "view", table: { database: "web", table: "pages" } }],
  attributes: [
    { name: "views", sensitive: false, kind: { counter: { key_event: "view", increment: { constant: 1 }, window_ms: 86_400_000 } } },
  ],
  identity: { keys: [{ name: "visitor" }] },
  personalizations: [
    { name: "home", choice: "first", sections: [{ name: "Welcome", criteria: test("views", { order: ["greater_equal", 1] }) }] },
  ],
};

/** `count · (length · profile)* · value` there and back. */
function caller({ memory, room, call, given }) {
  return (what, profiles, value) => {
    const out = [];
    count(out, profiles.length);
    for (const profile of profiles) {
      count(out, profile.length);
      out.push(...profile);
    }
    write(out, value);
    // The memory may grow and move.
    const at = room(out.length);
    new Uint8Array(memory.buffer, at, out.length).set(out);
    const length = call(what);
    if (length === 0) throw new Error(`call ${what} failed`);
    return read(new Uint8Array(memory.buffer, given(), length));
  };
}

function count(out, number) {
  out.push(number & 255, (number >> 8) & 255, (number >> 16) & 255, number >>> 24);
}

function text(out, string) {
  const bytes = new TextEncoder().encode(string);
  count(out, bytes.length);
  out.push(...bytes);
}

function write(out, value) {
  if (value === null) out.push(0);
  else if (typeof value === "boolean") out.push(value ? 2 : 1);
  else if (typeof value === "number") out.push(3, ...new Uint8Array(new BigInt64Array([BigInt(value)]).buffer));
  else if (typeof value === "string") (out.push(5), text(out, value));
  else if (Array.isArray(value)) {
    out.push(6);
    count(out, value.length);
    for (const item of value) write(out, item);
  } else {
    out.push(7);
    count(out, Object.keys(value).length);
    for (const [name, item] of Object.entries(value)) (text(out, name), write(out, item));
  }
}

function read(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  const number = () => view.getUint32((at += 4) - 4, true);
  const part = (length) => bytes.slice(at, (at += length));
  const string = () => new TextDecoder().decode(part(number()));
  const many = (one) => Array.from({ length: number() }, one);
  const value = () => {
    switch (bytes[at++]) {
      case 0: return null;
      case 1: return false;
      case 2: return true;
      case 3: return Number(view.getBigInt64((at += 8) - 8, true));
      case 4: return view.getFloat64((at += 8) - 8, true);
      case 5: return string();
      case 6: return many(value);
      default: return Object.fromEntries(many(() => [string(), value()]));
    }
  };
  return [many(() => part(number())), value()];
}
