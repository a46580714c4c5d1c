// The types that a page sees. Nothing here runs.

/** A value of JSON. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
/** Columns of an event, or traits of a visitor. */
export type Columns = Record<string, unknown>;
/** Ends what a call began. */
export type Off = () => void;

/** Where the SDK sends what, and what it does by itself. In a tag each is an attribute: `writeKey` is `data-write-key`. */
export interface Options {
  /** The public write key: `usher keys new` prints it. */
  writeKey?: string;
  /** The edge, as a URL or a path; the page's own origin by default. */
  endpoint?: string;
  /** The public personalization token. Without one no offers are asked for. */
  token?: string;
  /** The database of the event tables; `web` by default. */
  database?: string;
  /** The table of `page()`; `pages` by default. */
  pageTable?: string;
  /** The table of the other verbs; `events` by default. */
  eventTable?: string;
  /** The column of the browser's id; `anonymousId` by default. */
  anonymousIdColumn?: string;
  /** The column of the user's id; `userId` by default. */
  userIdColumn?: string;
  /** The visitor's consent, as the page knows it at this load; `pending` by default. */
  consent?: ConsentState | Partial<Consent>;
  /** Done without a call: `page` (views and changes of the path), `render` (slots); both by default. */
  auto?: string;
  /** The time that `personalize()` waits for an answer, in ms; 800 by default. */
  timeoutMs?: number;
  /** The place of decisions: the edge, or the device where that can; `edge` by default. */
  mode?: "edge" | "device";
  /** The address of the engine's glue, `engine-….mjs`, for decisions on the device. */
  engine?: string;
  /** Hosts beside the page's own to which links and images of offers may lead; in a tag separated by blanks. */
  hosts?: string[];
  /**
   * The visitor's identity token, which your own server signs: asked for when events that name a user are sent, and never stored. Nothing
   * if there is none now; then those events wait. `refused` says that an edge took the last one for `expired`, or refused it.
   */
  identity?: (last: { refused?: string }) => string | null | undefined | Promise<string | null | undefined>;
  /** Makes HTML of an offer harmless, where the browser has no `setHTML`. What it returns is assigned as it is. */
  sanitize?: (html: string) => string | TrustedMarkup;
}
/** A `TrustedHTML`, which not every version of TypeScript knows. */
export interface TrustedMarkup { toString(): string }

export type ConsentState = "pending" | "granted" | "denied";
/** The state of each purpose. Without `analytics` no event is stored or sent, without `personalization` nothing is asked. */
export interface Consent {
  analytics: ConsentState;
  personalization: ConsentState;
  ads: ConsentState;
}

/** The fate of an event at the moment of its call: `on("sent")` and `on("drop")` tell the rest. */
export interface Receipt {
  /** The event's id, the same on every attempt; empty if there is no event. */
  messageId: string;
  /**
   * `queued`: in storage, until an edge counted it. `memory`: storage is full or blocked, so the event ends with the tab.
   * `held`: in memory, until consent is known. `dropped`: it is nowhere, for the reason beside it.
   */
  status: "queued" | "memory" | "held" | "dropped";
  reason?: DropReason;
}
/**
 * `consent`: denied. `expired`: older than 7 days, or held over 10 minutes. `filtered`: by a plugin. `invalid`: no JSON, no
 * name, or over 32 KB. `overflow`: too many wait. `rejected`: the edge refused it for what it is.
 */
export type DropReason = "consent" | "expired" | "filtered" | "invalid" | "overflow" | "rejected";

/** Differences of one call. */
export interface CallOptions {
  /** The event's table, `<table>` or `<database>.<table>`. */
  table?: string;
  /** When it happened; now by default. */
  timestamp?: Date | number | string;
  /** Beside the page's context. */
  context?: Columns;
}

/** An answer of the edge, or of the device. Without one, `offers` is empty and `meta.engine` is `default`. */
export interface Decision {
  /** By section. */
  offers: Record<string, Offer>;
  meta: Meta;
}
export interface Offer {
  attributes: Record<string, Json>;
  batch_segments?: Json;
}
export interface Meta {
  /** The edge, if it decided, wholly or in part; the device, if it decided alone; else nobody did. */
  engine: "edge" | "device" | "default";
  /** Why there is no answer: `consent`, `token` (none is set), `names` (there is no slot), `timeout`, `refused`, `network`, `superseded`. */
  reason?: string;
  /** The number of the bundle that answered. */
  bundle?: number;
  /** The reason of each offer, in OpenFeature's words. */
  reasons?: Record<string, string>;
  /** The personalization of each offer. */
  personalizations?: Record<string, string>;
  /** Of the device: personalizations of which only the edge knows some sections. */
  partial?: string[];
  /** With the device switched on: why the edge was asked, `UNDECIDED`, or as in `EngineInfo`. */
  device?: string;
  [name: string]: unknown;
}
export interface PersonalizeOptions {
  /** Which personalizations; those of the page's slots by default. */
  names?: string[];
  /** The longest wait, in ms. */
  timeoutMs?: number;
}

/** The state of a slot: `personalized`, `default`, or why it stayed as it is: `late`, `focus`, `conflict`. */
export type SlotState = "personalized" | "default" | "late" | "focus" | "conflict";
/** The state of each slot that was looked at, by its personalization. */
export type RenderReport = { slot: string; section: string | null; state: SlotState; element: Element }[];

/** What `on()` tells. */
export interface Happenings {
  /** An event is in storage, in memory, or held. */
  event: { table: string; columns: Columns; receipt: Receipt };
  /** An edge counted an event, now or before. */
  sent: { messageId: string; notes: string[] };
  /** An event will not arrive. */
  drop: { messageId: string; reason: DropReason; code?: string };
  /** An answer came and is current. */
  decision: Decision;
  /** Slots were looked at. */
  render: RenderReport;
  /** The consent that holds, with what the browser says of itself. */
  consent: Consent;
  /** A request failed; `code` is the edge's own, or `network`. It is sent again by itself. */
  error: { code: string; status: number };
}

/** Sees every event before it is queued. One that throws changes nothing. */
export interface Plugin {
  name: string;
  /** Changes the columns of an event; null drops it. */
  event(columns: Columns, table: string): Columns | null;
}

/** The state of the engine on the device. */
export interface EngineInfo {
  /** `loaded`: it has no program or extract yet. `failed`: it will not decide in this page. In any of them but `ready` the edge decides. */
  state: "off" | "loading" | "loaded" | "ready" | "failed";
  /**
   * `wasm`: the browser or a policy forbids it, or it trapped. `network`: a file did not come, or has another hash. `engine`: the option
   * is missing. `consent`, `token`: as in `meta.reason`. `NO_PROGRAM`: the edge has none for this engine. `NO_EXTRACT`: the edge was
   * not heard of yet.
   */
  reason?: string;
  /** The hash of the program. */
  program?: string;
  /** The time at which the edge gave or confirmed what the device decides by, Unix ms. */
  confirmedMs?: number;
  /** Events that the device adds to it. */
  waiting: number;
}
/** The time of a decision in µs: the median, and the least, of `batches` batches of `of` decisions each, after one that warms up. */
export interface Measured {
  us: number;
  least: number;
  batches: number;
  of: number;
}

/** The state of the SDK, for tests and reports. It holds no value of an event. */
export interface Status {
  consent: Consent;
  /** Where events wait: `storage`, or `memory` where storage is full, blocked or not allowed yet. */
  storage: "storage" | "memory";
  /** Events that wait: of this tab, and of all. */
  pending: number;
  pendingAll: number;
  held: number;
  /** Failures since the last answer. */
  failures: number;
  dropped: Partial<Record<DropReason, number>>;
  /** The edge's clock minus this one, where its answers say it; to the second. */
  clockOffsetMs: number | null;
}

export interface Usher {
  readonly version: string;
  /** Starts with these options, those of the tag, and those of `<meta name="usher">`, in this order. Once a page. */
  load(options?: Options | string): Promise<Usher>;
  /** Resolves when the SDK has started. */
  ready(then?: () => void): Promise<void>;
  /** A page was seen. */
  page(properties?: Columns, options?: CallOptions): Promise<Receipt>;
  page(name: string, properties?: Columns, options?: CallOptions): Promise<Receipt>;
  page(category: string, name: string, properties?: Columns, options?: CallOptions): Promise<Receipt>;
  /** Something happened. */
  track(event: string, properties?: Columns, options?: CallOptions): Promise<Receipt>;
  /** The visitor is this user. Another user than before gets a new anonymous id. */
  identify(userId?: string | null, traits?: Columns, options?: CallOptions): Promise<Receipt>;
  /** The visitor belongs to this group. */
  group(groupId: string, traits?: Columns, options?: CallOptions): Promise<Receipt>;
  /** Two ids are one visitor's. `from` is the browser's id by default. */
  alias(to: string, from?: string, options?: CallOptions): Promise<Receipt>;
  /** Forgets the user: a new anonymous id, no traits, slots at their defaults. Events that wait are still sent. */
  reset(): Promise<void>;
  /** The ids and traits of the visitor, if they may be kept. */
  user(): { id: string | null; anonymousId: string | null; traits: Columns };
  /** Asks which offers hold, together with the events that wait. Always resolves. */
  personalize(options?: PersonalizeOptions): Promise<Decision>;
  /** Shows a decision, the last one by default, in the slots of a part of the page. Nothing if the visitor changes meanwhile. */
  render(decision?: Decision, root?: ParentNode): Promise<RenderReport>;
  /** Counts a slot as seen, where the page knows better than its geometry. */
  expose(slot: string): void;
  /** Sets the visitor's consent. A denial erases what is stored. */
  setConsent(consent: ConsentState | Partial<Consent>): void;
  /** Sends what waits; resolves when it was answered, or after `timeoutMs` (5,000). */
  flush(options?: { timeoutMs?: number }): Promise<{ pending: number }>;
  on<K extends keyof Happenings>(kind: K, then: (happening: Happenings[K]) => void): Off;
  use(plugin: Plugin): Off;
  /** Decisions on the device. */
  engine: {
    /** Loads the engine, and decides on the device from then on where it can; resolves when it does, or says why not. */
    load(): Promise<EngineInfo>;
    info(): EngineInfo;
    /** Times the decision of these personalizations; null while the device decides nothing. It holds the page up meanwhile. */
    measure(options?: { names?: string[]; batches?: number }): Measured | null;
  };
  /** The state of the SDK; null before it has started. */
  debug: { status(): Status | null };
}
