// The object that a page calls: it takes calls before the SDK has started, and lets nothing be thrown into the page.

import { start, type Client, type Hearing } from "./client.ts";
import { VERSION } from "./event.ts";
import { optionsOf } from "./options.ts";
import type { EngineInfo, Options, Plugin, Receipt, Usher } from "./types.ts";

type Call = [verb: string, args: unknown[], ms: number, done: (value: unknown) => void];

/** Makes the object, with the tag that it came from and the calls that were made before. */
export function makeUsher(tag: HTMLElement | null): Usher & { replay(calls: Call[]): void } {
  let client: Client | null = null;
  let started: () => void;
  const begun = new Promise<void>((done) => (started = done));
  const waiting: Call[] = [];
  const listeners = new Map<string, Set<(happening: any) => void>>();
  const plugins = new Set<Plugin>();

  const hearing: Hearing = {
    plugins,
    on(kind, then) {
      const of = listeners.get(kind) ?? new Set();
      listeners.set(kind, of.add(then));
      return () => void of.delete(then);
    },
    use: (plugin) => (plugins.add(plugin), () => void plugins.delete(plugin)),
    tell(kind, happening) {
      // On its own, so that an error of the page is the page's.
      for (const then of listeners.get(kind) ?? []) queueMicrotask(() => then(happening));
    },
  };

  const idle: EngineInfo = { state: "off", waiting: 0 };
  const answerless: Record<string, () => unknown> = {
    personalize: () => ({ offers: {}, meta: { engine: "default", reason: "refused" } }),
    flush: () => ({ pending: 0 }),
    render: () => [],
    user: () => ({ id: null, anonymousId: null, traits: {} }),
    loadEngine: () => idle,
  };
  const lost = (): Receipt => ({ messageId: "", status: "dropped", reason: "invalid" });
  const without = (verb: string) => (answerless[verb] ?? lost)();

  /** Calls a verb, or keeps the call until there is a client. */
  function call(verb: string, args: unknown[], ms: number | null = null): any {
    if (!client) {
      if (verb === "user") return without(verb);
      if (typeof document === "undefined") return Promise.resolve(without(verb));
      return new Promise((done) => waiting.push([verb, args, ms ?? Date.now(), done]));
    }
    try {
      const result = client.asOf(ms, () => (client as any)[verb](...args));
      return result instanceof Promise ? result.catch(() => without(verb)) : result;
    } catch {
      return without(verb);
    }
  }

  const usher: any = {
    version: VERSION,
    async load(given: Options | string = {}) {
      if (typeof document === "undefined") return usher;
      const own = typeof given === "string" ? { writeKey: given } : given;
      const sources = [own, optionsOf(tag), optionsOf(metaTag())] as const;
      try {
        if (client) throw "started";
        if (!sources.some(({ writeKey }) => writeKey)) throw "no write key";
        client = start(...sources, hearing, window);
      } catch (error) {
        console.warn("usher:", error);
        for (const [verb, , , done] of waiting.splice(0)) done(without(verb));
        return usher;
      }
      usher.replay(waiting.splice(0));
      started();
      return usher;
    },
    ready: (then?: () => void) => begun.then(then),
    on: hearing.on,
    use: hearing.use,
    engine: {
      load: () => call("loadEngine", []),
      info: () => client?.engine.device()?.info() ?? idle,
      measure: (options?: object) => client?.engine.device()?.measure(options) ?? null,
    },
    debug: { status: () => client && client.status() },
    /** Calls of before, with their times. */
    replay(calls: Call[]) {
      for (const [name, args, ms, done] of calls) {
        // A call that still waits is a promise, which settles the caller's.
        done(name in usher && !VERBS.includes(name) ? usher[name](...args) : call(name, args, ms));
      }
    },
  };
  for (const verb of VERBS) usher[verb] = (...args: unknown[]) => call(verb, args);
  return usher;
}

const VERBS = "page track identify group alias reset user personalize render expose setConsent flush".split(" ");

/** The element that may have options instead of the tag. */
export const metaTag = () => document.querySelector<HTMLElement>('meta[name="usher"]');
