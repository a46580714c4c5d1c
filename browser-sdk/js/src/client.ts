// The SDK: verbs become events, answers become content. What one part does is in its own file; here they meet.

import { both, makeAnswers, without } from "./answers.ts";
import { makeConsent } from "./consent.ts";
import { BATCH_MS } from "./delivery.ts";
import { makeEngine, type EngineOf } from "./engine.ts";
import { columnsOf, contextOf, tableOf, timeText } from "./event.ts";
import { newId } from "./id.ts";
import { makeIdentity } from "./identity.ts";
import type { Locks } from "./lease.ts";
import { EVENT_BYTES_MAX, HELD_MAX, HELD_MS_MAX } from "./limits.ts";
import { settle, type Settled } from "./options.ts";
import { makeOutbox, type Outbox } from "./outbox.ts";
import { bytesOf, makeQueue } from "./queue.ts";
import type { Content } from "./render/content.ts";
import { watchRoutes } from "./routes.ts";
import { namesOf, restingIn } from "./slots.ts";
import { storeOf } from "./store.ts";
import { makeToken } from "./token.ts";
import type {
  CallOptions, Columns, Consent, Decision, DropReason, Happenings, Off, Options, PersonalizeOptions, Plugin, Receipt, RenderReport, Status, Usher,
} from "./types.ts";
import { makePost } from "./wire.ts";

/** Plugins, listeners and the console; telling them throws nothing. */
export interface Hearing {
  on<K extends keyof Happenings>(kind: K, then: (happening: Happenings[K]) => void): Off;
  use(plugin: Plugin): Off;
  tell<K extends keyof Happenings>(kind: K, happening: Happenings[K]): void;
  plugins: Set<Plugin>;
}

export type Client = Omit<Usher, "load" | "ready" | "on" | "use" | "version" | "engine" | "debug"> & {
  engine: EngineOf;
  loadEngine: EngineOf["load"];
  status(): Status;
  /** Calls a verb as of an earlier moment, if there is one: it waited for the SDK. */
  asOf(ms: number | null, run: () => unknown): unknown;
};

/** Starts in a page. */
export function start(given: Options, tag: Options, meta: Options, hearing: Hearing, win: Window & typeof globalThis): Client {
  const options: Settled & Options = settle(given, tag, meta);
  const { document: doc, navigator } = win;
  const { tell } = hearing;
  const now = () => Date.now();
  const prefix = `usher:${options.writeKey}:`;
  const store = storeOf(() => win.localStorage);
  const session = storeOf(() => win.sessionStorage);
  const base = new URL(options.endpoint || "/", doc.baseURI).href.replace(/\/$/, "");
  const isOwnOrigin = new URL(base).origin === win.location.origin;
  const does = (what: string) => options.auto.split(/\s+/).includes(what);

  const consent = makeConsent((navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl === true);
  consent.set(options.consent, false);
  const allows = (purpose: keyof Consent) => consent.now()[purpose] === "granted";
  const mayKeep = () => allows("analytics") || allows("personalization");
  const identity = makeIdentity(store, prefix, isOwnOrigin ? `usher_${options.writeKey.slice(-8)}` : null, mayKeep, doc);

  let epoch = 0;
  let mark = "";
  let last: Decision | null = null;
  let asked = new Set<string>();
  let callMs: number | null = null;
  let isLeaving = false;
  const totals: Partial<Record<DropReason, number>> = {};
  const mayEnd = () => isLeaving || doc.visibilityState === "hidden";
  const post = makePost(base, mayEnd);
  const token = makeToken(options.identity);
  const query = `/v1/e?key=${encodeURIComponent(options.writeKey)}`;

  // ---- Events ----

  /** Exists while events may be stored and sent. */
  let outbox: Outbox | null = null;
  const held: { table: string; columns: Columns; id: string; ms: number }[] = [];

  const dropped = (messageId: string, reason: DropReason, code?: string): Receipt => {
    totals[reason] = (totals[reason] ?? 0) + 1;
    tell("drop", { messageId, reason, ...(code && { code }) });
    return { messageId, status: "dropped", reason };
  };

  function open() {
    if (outbox) return;
    outbox = makeOutbox(store, prefix, {
      now, dropped,
      ticks: () => performance.now(),
      random: Math.random,
      setTimer: (run, ms) => setTimeout(run, ms),
      clearTimer: (timer) => clearTimeout(timer as number),
      locks: (navigator as { locks?: Locks }).locks,
      post: (body) => post(query, body),
      token: options.token,
      identity: token.ask,
      needsIdentity: (body) => !!options.identity && JSON.parse(body)[options.userIdColumn] != null,
      refused: token.refused,
      sent: (messageId, notes) => tell("sent", { messageId, notes }),
      failed: (code, status) => tell("error", { code, status }),
    });
    for (const { table, columns, id, ms } of held.splice(0)) {
      if (ms < now() - HELD_MS_MAX) dropped(id, "expired");
      else enqueue(table, columns, id);
    }
  }
  function close() {
    outbox?.close();
    outbox = null;
  }
  /** Everything that is stored of events goes, or of the visitor altogether. */
  function erase(everything: boolean) {
    const queue = outbox?.queue ?? makeQueue(store, prefix, "", now, dropped);
    close();
    for (const id of [...held.splice(0).map(({ id }) => id), ...queue.erase(everything)]) dropped(id, "consent");
    if (everything) identity.forget();
    for (const key of session.keys()) if (key.startsWith(prefix)) session.remove(key);
  }

  /** Gives an event the visitor and puts it into the queue. */
  function enqueue(table: string, columns: Columns, id: string): Receipt {
    const user = identity.user().id;
    const ids = { [options.anonymousIdColumn]: identity.anonymousId(), ...(user !== null && { [options.userIdColumn]: user }) };
    const row = { table, ...ids, ...columns, messageId: id };
    const { queue, delivery } = outbox!;
    const body = JSON.stringify(row);
    if (bytesOf(body) > EVENT_BYTES_MAX) return dropped(id, "invalid");
    const status = queue.add(id, body, delivery.isFlying);
    if (status === "overflow") return dropped(id, "overflow");
    engine.device()?.saw(id, body);
    if (mayEnd()) delivery.leave();
    else delivery.wake(BATCH_MS);
    return { messageId: id, status };
  }

  function emit(event: string, table: string | undefined, properties: Columns, more: Columns, call: CallOptions = {}): Promise<Receipt> {
    const ms = callMs ?? now();
    const id = newId(now());
    const to = tableOf(call.table ?? table ?? options.eventTable, options.database);
    let receipt: Receipt;
    let columns: Columns | null = null;
    try {
      const reserved = [options.anonymousIdColumn, options.userIdColumn];
      columns = columnsOf(event, properties ?? {}, { ...more, timestamp: timeText(call.timestamp, ms), context: contextOf(win, call.context) }, reserved);
      for (const plugin of hearing.plugins) {
        try {
          if (columns) columns = plugin.event(columns, to);
        } catch {}
      }
      // A copy, as it is now; what is no JSON throws here.
      if (columns) columns = JSON.parse(JSON.stringify(columns)) as Columns;
      const { analytics } = consent.now();
      if (!columns) receipt = dropped(id, "filtered");
      else if (analytics === "denied") receipt = dropped(id, "consent");
      else if (analytics === "granted") receipt = enqueue(to, columns, id);
      else {
        if (held.length >= HELD_MAX) dropped(held.shift()!.id, "overflow");
        held.push({ table: to, columns, id, ms: now() });
        receipt = { messageId: id, status: "held" };
      }
    } catch {
      receipt = dropped(id, "invalid");
    }
    tell("event", { table: to, columns: columns ?? {}, receipt });
    return Promise.resolve(receipt);
  }
  const invalid = () => Promise.resolve(dropped("", "invalid"));
  const isText = (value: unknown): value is string => typeof value === "string" && value !== "";

  // ---- Epochs: answers and exposures of an earlier one are nobody's ----

  function nextEpoch() {
    epoch++;
    mark = identity.mark();
    last = null;
    asked = new Set();
    content?.stop();
  }
  function newVisitor() {
    nextEpoch();
    forgetAnswers();
    content?.restore();
    refresh();
  }
  /** An answer of an edge or the device is of one visitor, and nobody else's. */
  function forgetAnswers() {
    answers.saw(undefined);
    engine.device()?.forget();
    store.remove(`${prefix}d`);
  }

  // ---- Answers ----

  const answers = makeAnswers(options, post, identity, token.ask, () => outbox);

  async function personalize({ names = namesOf(doc), timeoutMs = options.timeoutMs }: PersonalizeOptions = {}): Promise<Decision> {
    const began = epoch;
    if (!options.token) return without("token");
    if (!allows("personalization")) return without("consent");
    if (!names.length) return without("names");
    for (const name of names) asked.add(name);
    const late = new Promise<Decision>((done) => setTimeout(() => done(without("timeout")), timeoutMs));
    const ask = (names: string[]) => ready.then(() => answers.ask(names)).catch(() => without("network"));
    const device = engine.device();
    const decision = await (device ? device.ask(names, ask, late) : Promise.race([ask(names), late]));
    if (began !== epoch) return without("superseded");
    if (decision.meta.engine === "default") return decision;
    engine.device()?.answered();
    last = last ? both(last, decision) : decision;
    tell("decision", decision);
    return decision;
  }

  // ---- The device: what decides there is a file of its own, too ----

  const engine = makeEngine(
    () => (!options.token ? "token" : allows("personalization") ? "" : "consent"),
    () => ({ answers, identity, options, base, store, prefix, post, now, win, outbox: () => outbox, on: hearing.on }),
  );

  // ---- Slots: what fills them is a file of its own, which comes together with the first answer ----

  let content: Content | undefined;
  let loading: Promise<void> | null = null;

  const report = (shown: RenderReport) => {
    if (shown.length) tell("render", shown);
    return shown;
  };
  const loadContent = () =>
    (loading ??= import("./render/content.ts").then(
      ({ makeContent }) => void (content = makeContent(options, { prefix, session, allows, emit, report, last: () => last })),
      () => {
        loading = null;
        tell("error", { code: "network", status: 0 });
      },
    ));
  async function render(decision?: Decision, root: ParentNode = doc): Promise<RenderReport> {
    const began = epoch;
    await loadContent();
    if (began !== epoch) return [];
    return report(content ? content.render(decision ?? last ?? without("default"), root) : restingIn(root));
  }
  function refresh() {
    if (!does("render") || !isReady || !namesOf(doc).length) return;
    if (!allows("personalization")) return void report(restingIn(doc));
    const began = epoch;
    void loadContent();
    void personalize().then((decision) => {
      // Without an answer slots keep what they show, which is of this visitor.
      if (began === epoch) void render(last ?? decision);
    });
  }

  // ---- Consent ----

  function setConsent(next: Parameters<Usher["setConsent"]>[0]) {
    const before = JSON.stringify(consent.now());
    consent.set(next, true);
    const after = consent.now();
    if (JSON.stringify(after) === before) return;
    nextEpoch();
    apply();
    // Other tabs hear of it by the change of an entry, which holds nothing of the visitor; a denial has made room for it.
    store.set(`${prefix}c`, JSON.stringify([next, now()]));
    store.remove(`${prefix}c`);
    tell("consent", after);
    if (!allows("personalization")) {
      content?.restore();
      forgetAnswers();
    }
    refresh();
  }
  function apply() {
    const { analytics, personalization } = consent.now();
    if (analytics === "granted") open();
    else if (analytics === "denied") erase(personalization !== "granted");
    else close();
    if (mayKeep()) {
      // A user that was named before may be kept now.
      identity.setUser(identity.user());
      identity.anonymousId();
    }
    mark = identity.mark();
    if (options.mode === "device" && allows("personalization")) void engine.load();
  }

  // ---- The page's life ----

  let isReady = false;
  let begun!: () => void;
  // The view of the page comes first, so that the first question takes it along.
  const ready = new Promise<void>((done) => (begun = done));
  const begin = () => {
    if (isReady) return;
    isReady = true;
    watchRoutes(win, () => {
      nextEpoch();
      arrive();
    });
    arrive();
    begun();
    if (does("render")) watchSlots();
  };
  function arrive() {
    if (does("page")) void emit("page", options.pageTable, {}, {});
    refresh();
  }
  /** Slots that the page adds later. */
  function watchSlots() {
    new MutationObserver((records) => {
      const isSlot = (node: Node) => node instanceof win.Element && namesOf(node).length > 0;
      if (!records.some(({ addedNodes }) => [...addedNodes].some(isSlot))) return;
      const began = epoch;
      const draw = () => void (began === epoch && last && render(last));
      const unknown = namesOf(doc).filter((name) => !asked.has(name));
      if (unknown.length) void personalize({ names: unknown }).then(draw);
      else draw();
    }).observe(doc, { childList: true, subtree: true });
  }

  win.addEventListener("visibilitychange", () => {
    if (mayEnd()) outbox?.delivery.leave();
    else void outbox?.adopt();
  }, true);
  win.addEventListener("pagehide", () => {
    isLeaving = true;
    outbox?.leave();
  });
  win.addEventListener("pageshow", ({ persisted }) => {
    if (!persisted) return;
    isLeaving = false;
    // Meanwhile another page may have sent what this one left, changed the visitor, or heard a denial.
    close();
    if (mark !== identity.mark()) {
      if (!store.get(`${prefix}i`)) {
        consent.set("pending", false);
        identity.forget();
      }
      content?.restore();
    }
    nextEpoch();
    forgetAnswers();
    apply();
    arrive();
  });
  win.addEventListener("storage", ({ key, newValue }) => {
    if (key === `${prefix}c` && newValue) {
      try {
        setConsent(JSON.parse(newValue)[0]);
      } catch {}
    } else if (mayKeep() && (key === `${prefix}i` || key === `${prefix}u`) && mark !== identity.mark()) {
      // Only a denial takes the id away.
      if (store.get(`${prefix}i`)) newVisitor();
      else setConsent("denied");
    }
  });
  win.addEventListener("online", () => setTimeout(() => void outbox?.delivery.flush(), Math.random() * 2_000));

  apply();
  const whenVisible = () => {
    if ((doc as { prerendering?: boolean }).prerendering) doc.addEventListener("prerenderingchange", begin, { once: true });
    else begin();
  };
  if (doc.readyState === "loading") doc.addEventListener("DOMContentLoaded", whenVisible, { once: true });
  else queueMicrotask(whenVisible);

  return {
    page(...args: unknown[]) {
      const names = args.splice(0, args.findIndex((arg) => typeof arg !== "string") >>> 0).filter(isText);
      const [properties, call] = args as [Columns?, CallOptions?];
      const named = names.length > 1 ? { category: names[0], name: names[1] } : names.length ? { name: names[0] } : {};
      return emit("page", options.pageTable, { ...named, ...properties }, {}, call);
    },
    track: (event, properties, call) => (isText(event) ? emit(event, undefined, properties!, {}, call) : invalid()),
    identify(userId, traits, call) {
      const before = identity.user();
      const id = userId == null || userId === "" ? before.id : String(userId);
      const isOther = before.id !== null && id !== before.id;
      if (isOther) identity.renew();
      identity.setUser({ id, traits: { ...(isOther ? {} : before.traits), ...traits } });
      const receipt = emit("identify", undefined, traits!, { ...(id !== null && { [options.userIdColumn]: id }) }, call);
      if (id !== before.id) newVisitor();
      return receipt;
    },
    group: (groupId, traits, call) => (isText(groupId) ? emit("group", undefined, traits!, { groupId }, call) : invalid()),
    alias: (to, from, call) =>
      isText(to)
        ? emit("alias", undefined, {}, { [options.userIdColumn]: to, [options.anonymousIdColumn]: from ?? identity.anonymousId() }, call)
        : invalid(),
    async reset() {
      identity.renew();
      newVisitor();
    },
    user: () => ({ ...identity.user(), anonymousId: mayKeep() ? identity.anonymousId() : null }),
    personalize,
    render,
    expose: (slot) => content?.see(slot),
    setConsent,
    engine,
    loadEngine: engine.load,
    async flush({ timeoutMs = 5_000 } = {}) {
      const late = new Promise((done) => setTimeout(done, timeoutMs));
      await Promise.race([outbox?.delivery.flush(), late]);
      return { pending: outbox?.queue.mine().length ?? 0 };
    },
    status() {
      const mine = outbox?.queue.mine() ?? [];
      const isStored = outbox && mine.every(({ key }) => key) && store.set(`${prefix}t`, "1");
      if (isStored) store.remove(`${prefix}t`);
      return {
        consent: consent.now(),
        storage: isStored ? "storage" : "memory",
        pending: mine.length,
        pendingAll: outbox?.queue.countAll() ?? 0,
        held: held.length,
        failures: outbox?.delivery.failures() ?? 0,
        dropped: { ...totals },
        clockOffsetMs: outbox?.delivery.offsetMs() ?? null,
      };
    },
    asOf(ms, run) {
      callMs = ms;
      try {
        return run();
      } finally {
        callMs = null;
      }
    },
  };
}
