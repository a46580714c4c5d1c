// The rows of an edge in IndexedDB. A commit is one transaction, which the browser has written to disk when it says that it is
// complete (`durability: "strict"`).
//
// Several edges may have one storage: a worker for each tab, or an old and a new Service Worker. `head` counts the commits: one
// that was made on another head than the stored one changes nothing, and its edge starts again from what is stored. They take
// turns, so that nobody has to start again for ever.

const VERSION = 1;
const ROWS = "rows";
const META = "state";
/** A worker may be stopped in its turn without an end: so long the others wait for it, ms. */
const TURN_WAIT_MS = 2000;

/** @typedef {[Uint8Array, Uint8Array | undefined]} Change  a row; without a value it is deleted */

/**
 * Opens the storage of this name. Throws where the browser stores nothing, and a `VersionError` where a newer build stored.
 *
 * @param {IDBFactory} factory
 * @param {string} name
 * @param {(transaction: IDBTransaction) => void} [opened] is told each transaction that writes, for tests
 */
export async function openStorage(factory, name, opened) {
  const storage = new Storage(factory, name, opened);
  await storage.head();
  return storage;
}

class Storage {
  #factory;
  #locks;
  #name;
  #opened;
  /** A promise; undefined before it is opened, and when the browser closed it. */
  #database;

  constructor(factory, name, opened) {
    this.#factory = factory;
    this.#locks = globalThis.navigator?.locks;
    this.#name = name;
    this.#opened = opened;
  }

  /** True if rows outlive the worker. */
  get durable() {
    return true;
  }

  /** The number of commits so far, and the settings. */
  async head() {
    const meta = (await this.#open()).transaction(META).objectStore(META);
    const [head, settings] = await Promise.all([settled(meta.get("head")), settled(meta.get("settings"))]);
    return { head: head ?? 0, settings: settings ?? {} };
  }

  /** All rows, and the head that they belong to. */
  async load() {
    const transaction = (await this.#open()).transaction([ROWS, META]);
    const rows = transaction.objectStore(ROWS);
    const [head, keys, values] = await Promise.all([
      settled(transaction.objectStore(META).get("head")), settled(rows.getAllKeys()), settled(rows.getAll()),
    ]);
    return { head: head ?? 0, rows: keys.map((key, index) => [new Uint8Array(key), values[index]]) };
  }

  /**
   * Does work that stores, while no other edge on this storage stores. Where the browser knows no locks, or a turn before does
   * not end, the others may store meanwhile, and overtake.
   *
   * @template T
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  async turn(work) {
    if (this.#locks === undefined) return work();
    let begun = false;
    const begin = () => {
      begun = true;
      return work();
    };
    try {
      return await this.#locks.request(`usher-turn:${this.#name}`, { signal: AbortSignal.timeout(TURN_WAIT_MS) }, begin);
    } catch (failure) {
      if (begun) throw failure;
      return work();
    }
  }

  /**
   * Stores changes that were made on this head. Returns the new head, or null if another edge was faster; throws if nothing was
   * stored for another reason.
   *
   * @param {number} head
   * @param {Change[]} changes
   */
  commit(head, changes) {
    return this.#write(head, ({ rows }) => {
      for (const [key, value] of changes) {
        if (value === undefined) rows.delete(key);
        else rows.put(value, key);
      }
    });
  }

  /** Forgets all rows and settings. */
  erase(head) {
    return this.#write(head, ({ rows, meta }) => {
      rows.clear();
      meta.delete("settings");
    });
  }

  /** Puts these settings in the place of those before. */
  setSettings(head, settings) {
    return this.#write(head, ({ meta }) => meta.put(settings, "settings"));
  }

  async #write(head, change) {
    const database = await this.#open();
    return new Promise((done, fail) => {
      let overtaken = false;
      const transaction = database.transaction([ROWS, META], "readwrite", { durability: "strict" });
      const meta = transaction.objectStore(META);
      const known = meta.get("head");
      known.onsuccess = () => {
        if ((known.result ?? 0) !== head) {
          overtaken = true;
          return transaction.abort();
        }
        meta.put(head + 1, "head");
        change({ rows: transaction.objectStore(ROWS), meta });
        this.#opened?.(transaction);
      };
      transaction.oncomplete = () => done(head + 1);
      transaction.onabort = () => (overtaken ? done(null) : fail(transaction.error ?? new Error("the transaction was aborted")));
    });
  }

  #open() {
    if (this.#database === undefined) {
      this.#database = this.#opening();
      this.#database.catch(() => (this.#database = undefined));
    }
    return this.#database;
  }

  async #opening() {
    const request = this.#factory.open(this.#name, VERSION);
    request.onupgradeneeded = () => {
      request.result.createObjectStore(ROWS);
      request.result.createObjectStore(META);
    };
    const database = await settled(request);
    // Its visitor cleared the site's data.
    database.onclose = () => (this.#database = undefined);
    // A newer build wants to change the tables; whoever opens them with this version afterwards is refused.
    database.onversionchange = () => {
      database.close();
      this.#database = undefined;
    };
    return database;
  }
}

/** The same where the browser stores nothing: what is acknowledged lasts as long as the worker. */
export class Forgetful {
  #rows = new Map();
  #head = 0;
  #settings = {};

  get durable() {
    return false;
  }

  async head() {
    return { head: this.#head, settings: this.#settings };
  }

  async load() {
    return { head: this.#head, rows: [...this.#rows.values()] };
  }

  /** No other edge has these rows. */
  async turn(work) {
    return work();
  }

  async commit(_, changes) {
    for (const [key, value] of changes) {
      if (value === undefined) this.#rows.delete(String(key));
      else this.#rows.set(String(key), [key, value]);
    }
    return ++this.#head;
  }

  async erase() {
    this.#rows.clear();
    this.#settings = {};
    return ++this.#head;
  }

  async setSettings(_, settings) {
    this.#settings = settings;
    return ++this.#head;
  }
}

function settled(request) {
  return new Promise((done, fail) => {
    request.onsuccess = () => done(request.result);
    request.onerror = () => fail(request.error);
  });
}
