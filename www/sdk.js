// The stock td-js-sdk, as a page would use it against RT 2.0: only the host name is ours.
//
// A page view is sent once, by fetchPersonalization: that call ingests its event and its answer
// reflects it, so tracking the same view again would only cost a second request. The same holds
// for add_to_cart, which the cart personalization answers. Everything else goes by trackEvent.

import "./plain-http.js";

const DATABASE = "web";
const PATIENCE_MS = 8000;

export function connect({ write_key, public_token }) {
  if (!window.Treasure) throw new Error("/td.min.js did not load.");
  const td = new window.Treasure({
    database: DATABASE,
    writeKey: write_key,
    host: location.host,
    // The SDK sends td_client_id only in signed mode. A real shop asks for consent first.
    startInSignedMode: true,
  });

  /** Own columns last: td_path is the shop's path, not the address of this one document. */
  const withIds = (columns) => ({ ...td.getTrackValues(), ...columns });

  const call = (start) =>
    new Promise((resolve, reject) => {
      // The SDK calls neither callback when events are blocked, nor when a request hangs.
      if (td.areEventsBlocked()) return reject(new Error("Events are blocked in this browser."));
      const timer = setTimeout(() => reject(new Error("No answer within 8 seconds.")), PATIENCE_MS);
      start(
        (answer) => (clearTimeout(timer), resolve(answer ?? {})),
        // The SDK passes on the status text alone, which HTTP/2 leaves empty.
        (error) => (clearTimeout(timer), reject(new Error(error?.message || "The request was refused."))),
      );
    });

  return {
    visitor: () => td.getTrackValues().td_client_id,

    /** A new random id in a new `_td` cookie. */
    newVisitor: () => td.resetUUID(),

    /** Sends one event and resolves to its offers. */
    ask: (table, columns) =>
      call((done, failed) =>
        td.fetchPersonalization(
          { endpoint: location.host, database: DATABASE, table, token: public_token },
          withIds(columns),
          done,
          failed,
        ),
      ).then((answer) => ({ ...answer, offers: answer.offers ?? {} })),

    /** Sends one event and resolves when its receipt says that it was stored. */
    track: (table, columns) =>
      call((done, failed) => td.trackEvent(table, withIds(columns), done, failed)).then((answer) => {
        const receipt = answer.receipts?.[0];
        if (receipt && !receipt.success) throw new Error(receipt.error?.name ?? "The event was refused.");
        return receipt;
      }),
  };
}

/**
 * What every event of this page carries: an id, so that it is counted once, and its time.
 * RT 2.0 counts in seconds; Usher also takes milliseconds, which keep two quick clicks in order.
 */
export function newEvent(columns) {
  return { ...columns, uuid: newId(), time: Date.now() };
}

function newId() {
  // randomUUID needs a secure context, which a plain-HTTP host other than localhost is not.
  if (crypto.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
