// The visitor: the browser's id, and the user that the page named.

import { newId } from "./id.ts";
import type { Store } from "./store.ts";
import type { Columns } from "./types.ts";

export interface User {
  id: string | null;
  traits: Columns;
}
export interface Identity {
  /** The browser's id; made where there is none. */
  anonymousId(): string;
  user(): User;
  setUser(user: User): void;
  /** A new browser's id, and no user. */
  renew(): void;
  forget(): void;
  /** Changes with the visitor. */
  mark(): string;
}

const YEAR_S = 365 * 24 * 3600;

/**
 * @param cookie the name of the cookie that has the id; null for storage alone, where the edge is of another origin
 * @param mayKeep false while nothing may be stored or read
 */
export function makeIdentity(store: Store, prefix: string, cookie: string | null, mayKeep: () => boolean, doc: Document): Identity {
  // Without storage an id lives as long as the page.
  let id: string | null = null;
  let user: User = { id: null, traits: {} };

  const readCookie = () => cookie && `; ${doc.cookie}`.split(`; ${cookie}=`)[1]?.split(";")[0];
  const writeCookie = (value: string, age_s: number) => {
    if (cookie) doc.cookie = `${cookie}=${value}; Path=/; Max-Age=${age_s}; SameSite=Lax${doc.location.protocol === "https:" ? "; Secure" : ""}`;
  };
  const keptId = () => readCookie() || store.get(`${prefix}i`);
  /** Beside the cookie in storage, because other tabs are told of changes there. */
  const keep = () => {
    if (!mayKeep()) return;
    if (id && readCookie() !== id) writeCookie(id, YEAR_S);
    if (id && store.get(`${prefix}i`) !== id) store.set(`${prefix}i`, id);
  };
  const read = (): User => {
    try {
      user = (mayKeep() && JSON.parse(store.get(`${prefix}u`)!)) || user;
    } catch {}
    return user;
  };
  const setUser = (next: User) => {
    user = next;
    if (mayKeep() && !store.set(`${prefix}u`, JSON.stringify(user))) store.remove(`${prefix}u`);
  };
  return {
    anonymousId() {
      const known = (id = (mayKeep() && keptId()) || id || newId(Date.now()));
      keep();
      return known;
    },
    user: read,
    setUser,
    renew() {
      id = newId(Date.now());
      keep();
      setUser({ id: null, traits: {} });
    },
    forget() {
      id = null;
      user = { id: null, traits: {} };
      writeCookie("", 0);
      store.remove(`${prefix}i`);
      store.remove(`${prefix}u`);
    },
    mark: () => (mayKeep() ? `${keptId()} ${read().id}` : ""),
  };
}
