// The host of an edge in a tab: one queue of requests. Each is served in memory by Rust, its rows are stored in one transaction,
// and then it is answered. A worker may end between any two of these steps: what is not stored was not acknowledged.

import { fault, note } from "./log.js";

/** The same as in the service: so often a request is served because another edge stored first. */
const ATTEMPTS = 8;
const OVERTAKEN = "other tabs are always faster";

export class Host {
  #start;
  #service;
  #edge = null;
  /** The head of storage that the edge was made from. */
  #head = -1;
  #settings = {};
  #secret;
  #storage;
  #step;
  #last = Promise.resolve();

  /**
   * @param {object} options
   * @param {() => object} options.start  makes an instance of the service
   * @param {string} options.secret   the keys, as `USHER_KEYS` has them
   * @param {object} options.storage  of storage.js
   * @param {(name: "queued" | "folded" | "committed") => Promise<void> | void} [options.step] is told each step, and awaited,
   *   for tests
   */
  constructor({ start, secret, storage, step = () => {} }) {
    this.#start = start;
    this.#service = start();
    this.#secret = secret;
    this.#storage = storage;
    this.#step = step;
  }

  /** The largest body that any route takes, in bytes. */
  get bodyBytesMax() {
    return this.#service.TabEdge.bodyBytesMax();
  }

  /** The time of the edge, Unix ms. */
  get #now() {
    return Date.now() + (this.#settings.clockOffsetMs ?? 0);
  }

  /** Serves a request, after those before it. */
  serve(parts) {
    return this.#queued(async () => {
      await this.#step("queued");
      return this.#answer(parts);
    });
  }

  /** The settings, for all edges on this storage: `clockOffsetMs` is the time of the edge minus the browser's. */
  settings() {
    return this.#queued(async () => (await this.#storage.head()).settings);
  }

  /** Changes some of the settings. */
  change(settings) {
    return this.#queued(() =>
      this.#until(async () => {
        const known = await this.#storage.head();
        return this.#storage.setSettings(known.head, { ...known.settings, ...settings });
      }),
    );
  }

  /** Forgets profiles, bundles and settings. */
  erase() {
    return this.#queued(() => this.#until(async () => this.#storage.erase((await this.#storage.head()).head)));
  }

  /** A token with which a page of this audience may ask for explanations for so many seconds. */
  previewToken(audience, seconds) {
    return this.#queued(async () => {
      await this.#catchUp();
      const expires = Math.floor(this.#now / 1000) + seconds;
      // The clock may be set ahead meanwhile, so a token may live longer than elsewhere.
      return this.#edge.previewToken(audience, expires, expires - 1);
    });
  }

  #queued(work) {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }

  async #answer(parts) {
    const entropy = crypto.getRandomValues(new Uint8Array(32));
    let nowMs;
    const serve = async () => {
      await this.#catchUp();
      nowMs ??= this.#now;
      return this.#serve(parts, nowMs, entropy, true);
    };
    try {
      const served = await serve();
      if (served.changes.length === 0) return served;
      await this.#step("folded");
      return await this.#storage.turn(() => this.#stored(served, serve));
    } catch (failure) {
      this.#forget();
      return this.#failed(parts, nowMs ?? this.#now, entropy, failure);
    }
  }

  /** What was served, when its rows are stored. As often as another edge stored first, it is served again from what that one stored. */
  async #stored(served, serve) {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const head = await this.#storage.commit(this.#head, served.changes);
      if (head !== null) {
        this.#head = head;
        await this.#step("committed");
        return served;
      }
      this.#forget();
      served = await serve();
      if (served.changes.length === 0) return served;
    }
    throw new Error(OVERTAKEN);
  }

  /** The service's own answer when it trapped, or when nothing can be stored or read. */
  async #failed(parts, nowMs, entropy, failure) {
    if (failure instanceof WebAssembly.RuntimeError) {
      fault("trap", failure);
      this.#service = this.#start();
      const edge = new this.#service.TabEdge(this.#secret);
      const answer = taken(edge.failed(this.#call(parts, nowMs, entropy)));
      edge.free();
      return answer;
    }
    fault("storage_failed", failure);
    try {
      await this.#catchUp();
    } catch {
      this.#edge = new this.#service.TabEdge(this.#secret);
    }
    const answer = this.#serve(parts, nowMs, entropy, false);
    this.#forget();
    return answer;
  }

  #serve(parts, nowMs, entropy, stores) {
    const served = taken(this.#edge.serve(this.#call(parts, nowMs, entropy), parts.body, stores));
    note(served.log);
    return served;
  }

  /** A request as the service takes it, which frees it. */
  #call({ method, target, headers }, nowMs, entropy) {
    return new this.#service.Call(method, target, headers, nowMs, entropy);
  }

  /** Makes an edge of what is stored, unless this one is. */
  async #catchUp() {
    const { head, settings } = await this.#storage.head();
    this.#settings = settings;
    if (this.#edge !== null && head === this.#head) return;
    this.#forget();
    const stored = await this.#storage.load();
    this.#edge = new this.#service.TabEdge(this.#secret, stored.rows);
    this.#head = stored.head;
  }

  /** Memory may be ahead of storage, so all of it goes. */
  #forget() {
    try {
      this.#edge?.free();
    } catch {
      // Its instance trapped.
    }
    this.#edge = null;
    this.#head = -1;
  }

  /** Writes until no other edge was faster; then this one reads again what is stored. */
  async #until(write) {
    return this.#storage.turn(async () => {
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        if ((await write()) !== null) return this.#forget();
      }
      throw new Error(OVERTAKEN);
    });
  }
}

/** The content of an answer, copied out of the memory of Rust. */
function taken(served) {
  const { status, headers, body, changes, log } = served;
  served.free();
  return { status, headers, body, changes, log };
}
