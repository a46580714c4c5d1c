// The worker of the site with ears for tests: it stops at a step, fails to store, or has no storage, as told. It is a worker of a tab
// or a Service Worker, as it is started.

import { answer, base, edge } from "../../www/edge/edge.js";

const isServiceWorker = "registration" in self;
const channel = new BroadcastChannel("stops");
/** The step at which it stops: `queued`, `folded`, `opened`, `committed`; `aborted`: the next transaction is. */
let at = null;

const hooks = {
  step(name) {
    if (name !== at) return;
    channel.postMessage(name);
    return new Promise(() => {});
  },
  transaction(transaction) {
    if (at === "aborted") return transaction.abort();
    if (at !== "opened") return;
    // A transaction with a request that is under way stays open.
    const hold = () => (transaction.objectStore("state").get("head").onsuccess = hold);
    hold();
    channel.postMessage("opened");
  },
};

async function told({ at: step, blocked, preview, request }) {
  if (blocked) {
    Object.defineProperty(self, "indexedDB", {
      get() {
        throw new DOMException("storage is blocked", "SecurityError");
      },
    });
  }
  const { host, shop, storage } = await edge(hooks);
  if (step !== undefined) at = step;
  if (preview) return host.previewToken(shop.audience, 3600);
  if (!request) return storage.durable;
  const { path, ...rest } = request;
  const response = await answer(new Request(new URL(`api${path}`, base), rest), hooks);
  return { status: response.status, text: await response.text() };
}

self.addEventListener("message", (event) => {
  const work = told(event.data).then((value) => event.ports[0].postMessage(value));
  event.waitUntil?.(work);
});

if (isServiceWorker) {
  self.addEventListener("install", () => self.skipWaiting());
  self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
  self.addEventListener("fetch", (event) => {
    if (new URL(event.request.url).pathname.startsWith(`${base.pathname}api/`)) event.respondWith(answer(event.request, hooks));
  });
}
