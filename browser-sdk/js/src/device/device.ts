// Decisions in the page: what the edge gave of the visitor, and the events since, of all tabs. A file of its own, loaded with the
// engine. What it cannot decide, or may not, is asked of the edge.

import { both, type Answers } from "../answers.ts";
import type { Identity } from "../identity.ts";
import { DEVICE_AFTER_MS, DEVICE_CONFIRM_MS, DEVICE_EVENTS_MAX, DEVICE_MS_MAX, DEVICE_PAUSE_MS } from "../limits.ts";
import type { Settled } from "../options.ts";
import type { Outbox } from "../outbox.ts";
import type { Store } from "../store.ts";
import type { Columns, Decision, EngineInfo, Happenings, Measured, Off, Offer, Options } from "../types.ts";
import type { Post } from "../wire.ts";
import { loadEngine, type Engine, type Glue } from "./engine.ts";
import { fromText, toText } from "./text.ts";

export interface Device {
  load(): Promise<EngineInfo>;
  info(): EngineInfo;
  /** Decides, or lets `edge` decide what is open; answers at `late` with what there is. */
  ask(names: string[], edge: (names: string[]) => Promise<Decision>, late: Promise<Decision>): Promise<Decision>;
  /** An event was queued. */
  saw(id: string, body: string): void;
  /** The edge answered a question, so that it may be asked for its part. */
  answered(): void;
  /** Forgets the visitor. */
  forget(): void;
  /** Times decisions, the way the documentation says. */
  measure(options?: { names?: string[]; batches?: number }): Measured | null;
}

/** The parts of the SDK that decisions need. */
export interface Around {
  answers: Answers;
  identity: Identity;
  options: Settled & Options;
  /** The edge's address. */
  base: string;
  store: Store;
  prefix: string;
  post: Post;
  now(): number;
  /** This tab's part of the delivery, if events may be stored. */
  outbox(): Outbox | null;
  on<K extends keyof Happenings>(kind: K, then: (happening: Happenings[K]) => void): Off;
  win: Window;
}

/** Of one visitor; stored, so that a page without a network has it. The build may not shorten these names, because other releases read them. */
interface Known {
  visitor: string;
  seen: string;
  program: string;
  /** The program's bytes, as text. */
  code: string;
  extract: string;
  edge: Columns;
  /** The time at which the edge confirmed both, and for how long they answer. */
  since: number;
  fresh: number;
  /** The edge's last answers, by personalization. */
  answers: Record<string, { offers: Record<string, Offer>; since: number }>;
}
interface Local {
  decision: Decision;
  /** Personalizations that only the edge decides. */
  open: string[];
}

/** Clocks that differ by less agree, as far as an answer's date tells. */
const CLOCK_MS = 5_000;
const BATCH = 1_000;

export function makeDevice(around: Around): Device {
  const { answers, identity, options, store, prefix, post, now } = around;
  const place = `${prefix}d`;
  let state: EngineInfo["state"] = "off";
  let reason: string | undefined;
  let glue: Glue | null = null;
  let engine: Engine | null = null;
  let known: Known | null = null;
  /** True once the edge gave or confirmed in this page what is known. */
  let isConfirmed = false;
  let confirming: Promise<void> | null = null;
  let pausedUntil = 0;
  /** Counts what was forgotten: an answer of before is nobody's. */
  let visitor = 0;
  let loading: Promise<EngineInfo> | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** Events that the extract may lack, by id, and those that the engine has. */
  const log = new Map<string, string>();
  let applied = new Set<string>();

  /** The ids of the visitor, by column. */
  const keysOf = (): Record<string, string> => {
    const user = identity.user().id;
    return { [options.anonymousIdColumn]: identity.anonymousId(), ...(user !== null && { [options.userIdColumn]: user }) };
  };
  /** The events of this tab that wait, oldest first. */
  const waiting = () => around.outbox()?.queue.mine() ?? [];

  const fail = (why: string) => {
    state = "failed";
    reason = why;
  };
  const info = (): EngineInfo => ({
    state, waiting: log.size, ...(reason && { reason }),
    ...(known && { program: known.program, confirmedMs: known.since }),
  });

  // ---- Events that the extract may lack: of this tab by its calls, of others by their storage ----

  function saw(id: string, body: string) {
    log.set(id, body);
    if (log.size <= DEVICE_EVENTS_MAX) return;
    // Without it nothing is decided here, until the edge has given its part again.
    log.delete(log.keys().next().value!);
    isConfirmed = false;
  }
  /** One that counts no more; the engine starts again without it. */
  function forgetEvent(id: string) {
    if (log.delete(id) && applied.has(id)) end();
  }
  const entry = (key: string | null, body: string | null) => {
    if (key?.startsWith(`${prefix}e:`) && body) saw(key.split(":").pop()!, body);
  };
  /** The events without a receipt. All others are in what the edge gives for an answer that came after them. */
  function collect() {
    log.clear();
    for (const key of store.keys()) entry(key, store.get(key));
    for (const { id, body } of waiting()) saw(id, body);
  }
  collect();
  around.win.addEventListener("storage", ({ key, newValue }) => entry(key, newValue));
  around.on("drop", ({ messageId }) => forgetEvent(messageId));
  around.on("sent", ({ messageId, notes }) => {
    if (notes.some((note) => ["no_usable_key", "profile_not_made", "erased"].includes(note))) forgetEvent(messageId);
    // The next page does not know of it, unless the edge's part has it.
    if (!log.has(messageId) || timer) return;
    timer = setTimeout(() => {
      timer = undefined;
      void confirm();
    }, DEVICE_AFTER_MS);
  });

  // ---- The edge's part: program and extract ----

  /** Asks for both again. Nothing changes without an answer. */
  const confirm = () => (confirming ??= renew().finally(() => (confirming = null)));
  async function renew() {
    const [seen, mark, began] = [answers.seen(), identity.mark(), visitor];
    if (!glue || !seen || now() < pausedUntil) return;
    pausedUntil = now() + DEVICE_PAUSE_MS;
    const ids = [...log.keys()];
    const answer = await post("/v1/device", JSON.stringify({ inputs: keysOf(), seen, ids }), answers.headers);
    if (answer?.status !== 200 || !answer.json || began !== visitor || mark !== identity.mark()) return;
    const { audience, program, extract, held, edge, fresh_ms } = answer.json;
    if (typeof program !== "string" || typeof extract !== "string") return none();
    let bytes = known?.program === program ? known.code : null;
    if (!bytes) {
      // The name is the hash, so what came is what was named.
      const integrity = `sha256-${btoa(String.fromCharCode(...program.match(/../g)!.map((digits) => parseInt(digits, 16))))}`;
      const path = `/v1/audiences/${encodeURIComponent(audience)}/programs/${program}?token=${encodeURIComponent(options.token!)}`;
      const response = await fetch(around.base + path, { integrity }).catch(() => null);
      if (!response?.ok) return response?.status === 404 ? none() : undefined;
      bytes = toText(new Uint8Array(await response.arrayBuffer()));
      if (began !== visitor || mark !== identity.mark()) return;
    }
    answers.saw(answer.seen ?? seen);
    for (const id of Array.isArray(held) ? held : []) log.delete(id);
    const last = known?.answers ?? {};
    known = { visitor: mark, seen: answer.seen ?? seen, program, code: bytes, extract, edge: edge ?? {}, since: now(), fresh: Math.min(Number(fresh_ms) || 0, DEVICE_MS_MAX), answers: last };
    isConfirmed = true;
    start();
    keep();
  }
  /** The edge has no program for devices, or has it no longer. */
  function none() {
    forget();
    pausedUntil = now() + DEVICE_CONFIRM_MS;
    reason = "NO_PROGRAM";
  }
  const keep = () => void (known && !store.set(place, JSON.stringify(known)) && store.remove(place));

  function end() {
    engine?.free();
    engine = null;
    applied = new Set();
  }
  /** Makes the engine know what the edge gave. */
  function start() {
    end();
    if (!glue || !known) return;
    try {
      engine = new glue.Device(fromText(known.code));
      engine.load(fromText(known.extract.replace(/-/g, "+").replace(/_/g, "/")));
      state = "ready";
      reason = undefined;
    } catch {
      // Of another build of the engine.
      none();
    }
  }
  function forget() {
    end();
    visitor++;
    known = null;
    isConfirmed = false;
    pausedUntil = 0;
    collect();
    store.remove(place);
    if (state === "ready") state = "loaded";
  }

  // ---- Decisions ----

  const clock = () => {
    const offset = around.outbox()?.delivery.offsetMs() ?? 0;
    return Math.abs(offset) > CLOCK_MS ? offset : 0;
  };
  /** One crossing. What the engine cannot read, or a fault in it, is as if there were none. */
  function cross(request: object): any {
    try {
      return JSON.parse(new TextDecoder().decode(engine!.decide(new TextEncoder().encode(JSON.stringify(request)))));
    } catch {
      // An engine that trapped may not be called again.
      engine = null;
      fail("wasm");
      return null;
    }
  }
  /** Gives the engine the events that it lacks. False if one concerns this visitor and another. */
  function replay(keys: Record<string, string>): boolean {
    for (const [id, body] of log) {
      if (applied.has(id)) continue;
      const { table, ...event } = JSON.parse(body) as Record<string, any>;
      const named = Object.entries(keys).filter(([name]) => event[name] !== undefined);
      const own = named.filter(([name, value]) => event[name] === value);
      if (own.length < named.length && own.length) return false;
      if (own.length) {
        if (clock() && Date.parse(event.timestamp)) event.timestamp = new Date(Date.parse(event.timestamp) + clock()).toISOString();
        if (!cross({ now_ms: now() + clock(), visitor: keys, table, event, id, ingest: true, personalizations: [] })) return false;
      }
      // Nothing that the edge gives of this visitor will ever have it.
      else log.delete(id);
      applied.add(id);
    }
    return true;
  }
  /** The question for these personalizations; null while nothing can be decided here. */
  function question(names: string[], stale: boolean): object | null {
    if (!known || known.visitor !== identity.mark() || now() >= known.since + known.fresh || state === "failed") return null;
    if (!engine) start();
    const keys = keysOf();
    if (!engine || !replay(keys)) return null;
    // As the edge does: the columns of the event that would go along are the inputs.
    const last = waiting().pop();
    const inputs = last ? JSON.parse(last.body) : keys;
    return { now_ms: now() + clock(), visitor: keys, personalizations: names, inputs, edge: known.edge, stale };
  }
  function decide(names: string[], stale: boolean): Local | null {
    const asked = question(names, stale);
    const answer = asked && cross(asked);
    if (!answer) return null;
    const { undecided = [], ...meta } = answer.meta;
    return { decision: { offers: answer.offers, meta: { ...meta, engine: "device", program: known!.program } }, open: undecided };
  }
  /** The edge's last answers for these, where they are young enough. */
  function remembered(names: string[]): Decision | null {
    if (!known || known.visitor !== identity.mark()) return null;
    const offers: Record<string, Offer> = {};
    const [reasons, personalizations]: Record<string, string>[] = [{}, {}];
    let count = 0;
    for (const name of names) {
      const last = known.answers[name];
      if (!last || now() >= last.since + DEVICE_MS_MAX) continue;
      count++;
      for (const [section, offer] of Object.entries(last.offers)) {
        [offers[section], reasons![section], personalizations![section]] = [offer, "STALE", name];
      }
    }
    return count ? { offers, meta: { engine: "device", reasons, personalizations } } : null;
  }
  function remember(names: string[], { offers, meta }: Decision) {
    if (!known) return;
    for (const name of names) {
      const own = Object.entries(offers).filter(([section]) => meta.personalizations?.[section] === name);
      known.answers[name] = { offers: Object.fromEntries(own), since: now() };
    }
    keep();
  }

  return {
    info,
    saw,
    forget,
    answered: () => void (isConfirmed || confirm()),
    load() {
      if (reason === "network") loading = null;
      return (loading ??= (async () => {
        [state, reason] = ["loading", undefined];
        const [loaded, why] = await loadEngine(options.engine && new URL(options.engine, document.baseURI).href);
        glue = loaded;
        if (!glue) fail(why!);
        else {
          state = "loaded";
          try {
            known = JSON.parse(store.get(place)!);
            if (known && known.visitor !== identity.mark()) forget();
          } catch {}
          // The next page of a visitor whom the edge knows needs no answer before it asks.
          if (known) answers.saw(answers.seen() ?? known.seen);
          if (!answers.seen()) reason = "NO_EXTRACT";
          await confirm();
        }
        return info();
      })());
    },
    async ask(names, edge, late) {
      if (now() > (known?.since ?? 0) + DEVICE_CONFIRM_MS || log.size > DEVICE_EVENTS_MAX / 2) void confirm();
      const local = isConfirmed ? decide(names, false) : null;
      if (local && !local.open.length) return local.decision;
      const open = local?.open ?? names;
      const began = visitor;
      const asked = await Promise.race([edge(open), late]);
      if (began !== visitor) return asked;
      if (asked.meta.engine === "edge") {
        const answer = { ...asked, meta: { ...asked.meta, device: local ? "UNDECIDED" : (reason ?? state) } };
        remember(open, answer);
        return local ? both(local.decision, answer) : answer;
      }
      // Without the edge: what was confirmed in an earlier page, then its last answers.
      await Promise.race([loading, late]);
      const own = local ?? decide(names, true);
      const last = remembered(own ? own.open : names);
      if (!own) return last ?? asked;
      return last ? both(own.decision, last) : own.open.length === names.length ? asked : own.decision;
    },
    measure({ names = [], batches = 5 } = {}) {
      const asked = question(names, false);
      if (!asked) return null;
      const us: number[] = [];
      // The first batch warms up.
      for (let batch = 0; batch <= batches; batch++) {
        const began = performance.now();
        for (let at = 0; at < BATCH; at++) cross(asked);
        if (batch) us.push(((performance.now() - began) * 1_000) / BATCH);
      }
      us.sort((a, b) => a - b);
      return { us: us[us.length >> 1]!, least: us[0]!, batches, of: BATCH };
    },
  };
}
