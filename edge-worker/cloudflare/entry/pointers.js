// Catching up with the control object: the bundles to which it points are installed.

import { FrameReader, FrameWriter } from "./frame.js";
import { EARLIER } from "./instance.js";
import { fault } from "./log.js";
import { ask as askShard, control, send } from "./objects.js";
import { patiently } from "./patience.js";

/** How long an isolate uses the pointers that it knows. */
const POINTERS_MS = 15_000;
/** Older ones are read again before they are used, because keys may be revoked: within 60 s of that at every place. */
const KEYS_MS = 45_000;

const NOTHING = new Uint8Array();

export class Pointers {
  #planes;
  /** The message that asks for the pointers. */
  #message;
  #checked = 0;
  #known = false;

  constructor(planes, message) {
    this.#planes = planes;
    this.#message = message;
  }

  /** Catches up when it is due; a promise to wait for only when nothing is known yet, or nothing was read for long. */
  fresh(env, context) {
    // While nothing is known, every request asks by itself: one that waited for another's promise would wait forever if
    // the platform canceled that other one.
    if (!this.#known) return this.refresh(env);
    const now = Date.now();
    const age = now - this.#checked;
    if (age < POINTERS_MS) return undefined;
    this.#checked = now;
    const refreshed = this.refresh(env);
    context.waitUntil(refreshed);
    // No longer than a visitor would notice: where the control object does not answer, the last keys hold.
    return age < KEYS_MS ? undefined : patiently(() => refreshed);
  }

  /** Installs the bundles that the control object points to. On any failure the last good bundle keeps running. */
  async refresh(env) {
    try {
      const object = control(env);
      const pointers = await ask(object, this.#message, this.#planes);
      this.#planes.renumber(readPointers(new FrameReader(pointers)));
      const behind = readPointers(await this.#behind(env, object, pointers), (r) => r.bytes().slice());
      // The other audiences have caught up by now.
      this.#planes.recover(new Set(behind.map(({ audience }) => audience)));
      for (const pointer of behind) {
        const reason = await this.#caughtUp(env, pointer, () => ask(object, pointer.message));
        if (!reason) continue;
        await this.#standIn(object, pointer);
        this.#planes.degrade(pointer.audience, reason);
      }
      this.#known = true;
      this.#checked = Date.now();
      this.#planes.caughtUp();
    } catch (error) {
      this.#planes.degrade("", "the control object does not answer");
      fault("refresh_failed", error);
    } finally {
      this.#planes.compiledAll();
    }
  }

  /** The pointers to install, as a frame. Pointers that lack a running bundle are compared with those of the shards. */
  async #behind(env, object, pointers) {
    const { questions, behind } = this.#planes.behind(pointers);
    if (!questions) return behind;
    const answers = await Promise.all(questions.map(({ shard, message }) => askShard(env, shard, message)));
    if (answers.some((answer) => answer?.status !== 200)) throw new Error("a shard does not say which bundle wrote to it");
    const compared = (pointers) => {
      const input = new FrameWriter(1024).raw(pointers);
      for (const { body } of answers) input.raw(body);
      return this.#planes.behind(input.done());
    };
    const found = compared(pointers);
    if (found.raises.length === 0) return found.behind;
    for (const message of found.raises) await ask(object, message);
    return compared(await ask(object, this.#message)).behind;
  }

  /** For an audience that runs nothing: the newest bundle of the history that runs, until its own does. */
  async #standIn(object, pointer) {
    const { audience, number } = pointer;
    if (this.#planes.runs(audience)) return;
    for (let before = number; ; ) {
      const question = this.#planes.visitors(EARLIER, new FrameWriter().text(audience).long(before).done()).bytes();
      const response = await send(object, question);
      if (response.status !== 200) return;
      before = Number(response.headers.get("usher-bundle"));
      const hash = response.headers.get("etag").slice(1, -1);
      const body = new Uint8Array(await response.arrayBuffer());
      const earlier = { audience, number: before, hash, body };
      if (!this.#planes.trapped(earlier) && this.#planes.standIn(pointer, earlier)) return;
    }
  }

  /** Installs this bundle, from KV or the control object; returns the reason if it does not run. */
  async #caughtUp(env, pointer, fromControl) {
    const trapped = () => this.#planes.trapped(pointer);
    if (trapped()) return trapped();
    const copy = await stored(env, pointer.hash);
    if (copy && !this.#planes.install(pointer, copy)) return "";
    if (trapped()) return trapped();
    // An unavailable bundle does not stop other audiences from catching up; an empty body is refused by its hash.
    return this.#planes.install(pointer, await fromControl().catch(() => NOTHING));
  }
}

/** `audience · number · hash`, each with what else is read for it. */
function readPointers(frame, readMessage = () => undefined) {
  return frame.list((r) => ({ audience: r.text(), number: r.long(), hash: r.text(), message: readMessage(r) }));
}

async function ask(object, message, planes) {
  const response = await send(object, message);
  const misplaced = response.headers.get("usher-placement-fault");
  if (misplaced && planes) planes.misplace(misplaced);
  if (response.status !== 200) throw new Error(`the control object answered ${response.status}`);
  const form = Number(response.headers.get("usher-form"));
  if (form && planes) planes.meet(form);
  return new Uint8Array(await response.arrayBuffer());
}

/** A body from KV, or undefined if KV fails or is slow; the control object has it, too. */
async function stored(env, hash) {
  const body = await patiently(() => env.USHER_KV.get(`bundle/${hash}`, "arrayBuffer"));
  return body && new Uint8Array(body);
}
