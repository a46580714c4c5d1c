// The storage of the browser, without its exceptions: what is blocked reads as empty, what is full says so.

export interface Store {
  keys(): string[];
  get(key: string): string | null;
  /** False if it is not stored: full, blocked, or absent. */
  set(key: string, value: string): boolean;
  remove(key: string): void;
}

/** A store over `localStorage` or `sessionStorage`. Reading that property may throw, too. */
export function storeOf(open: () => Storage | undefined | null): Store {
  const within = <T>(run: (storage: Storage) => T, otherwise: T): T => {
    try {
      const storage = open();
      return storage ? run(storage) : otherwise;
    } catch {
      return otherwise;
    }
  };
  return {
    keys: () => within((storage) => Object.keys(storage), []),
    get: (key) => within((storage) => storage.getItem(key), null),
    set: (key, value) => within((storage) => (storage.setItem(key, value), true), false),
    remove: (key) => within((storage) => storage.removeItem(key), undefined),
  };
}
