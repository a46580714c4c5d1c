// The edge in this browser, for a site without a server (`make site`): the service that ships for Cloudflare, Spin and servers,
// in a Service Worker or, where there is none, in a worker of this tab. Its state is in IndexedDB.
//
//   const keys = await (await fetch("demo.json")).json();
//   const edge = keys.edge === "tab" ? await (await import("./edge/index.js")).startTabEdge() : null;
//   usher.load({ endpoint: edge?.endpoint ?? "", writeKey: keys.write_key, token: keys.public_token });
//
// Against `make demo`, `demo.json` names no edge, and this file is not loaded. What the edge in a tab is and is not:
// docs/demo.md.
//
// | member | is |
// |---|---|
// | `kind` | `service-worker`: its requests are in the browser's Network tab, and the page works offline; or `worker` |
// | `reason` | why it is `worker`: a text for people; empty otherwise |
// | `durable` | false where the browser stores nothing, so that all is forgotten with the tab |
// | `endpoint` | the edge's address, for `usher.load({ endpoint })` and `fetch(endpoint + "/v1/…")` of this page |
// | `previewToken(seconds)` | a token for `/v1/explain`, good for so long, and while the clock is set up to 400 days ahead |
// | `publish(bundle)` | publishes a bundle, bytes or text; `{ok, status, answer}` with the edge's answer as JSON |
// | `bundle()` | the running bundle as text |
// | `setClockOffset(ms)` | sets the edge's clock so far ahead of the browser's; stays until it is changed or all is erased |
// | `clockOffset()` | that offset |
// | `upkeep()` | deletes what is over its time by the edge's clock, and leads on who waits in a journey; `{purged, more}`. The page asks
// |   | for it by itself when it opens and every minute, while the clock is the browser's |
// | `erase()` | forgets all visitors and bundles, and publishes the shop's bundle again |
//
// All but the first four return promises. They reject if the worker does not answer. `startTabEdge` rejects where the worker's files
// do not load or the browser forbids wasm: the page shows its defaults then, and a later call tries again. Where calls of `endpoint`
// would not get to the edge by themselves, `fetch` of this page is changed for them.

const base = new URL("../", import.meta.url);
const FILES = { "service-worker": new URL("service-worker.js", base).href, worker: new URL("edge/worker.js", base).href };
/** A browser wakes no worker for upkeep, so pages ask for it while they are open. */
const UPKEEP_MS = 60_000;
/** So long a Service Worker may take to take over its page. */
const PATIENCE_MS = 20_000;

let started;

/** Starts the edge once a page. */
export function startTabEdge() {
  started ??= start();
  started.catch(() => (started = undefined));
  return started;
}

async function start() {
  const { kind, reason, send } = await reach();
  const { durable } = await send("start");
  const endpoint = `${base.pathname}api`;
  if (kind === "worker") intercept(endpoint, (request) => answer(request, send));
  // Firefox sends what outlives a page past its Service Worker, so such a call becomes one that does not.
  else if (!(await reaches(endpoint))) intercept(endpoint, (request, onward) => onward(new Request(request, { keepalive: false })));
  // One that fails is made up for by the next.
  const keepUp = () => void send("upkeep").catch(() => {});
  keepUp();
  setInterval(keepUp, UPKEEP_MS);
  return {
    kind,
    reason,
    durable,
    endpoint,
    previewToken: (seconds = 3600) => send("previewToken", { seconds }),
    publish: (bundle) => send("publish", { bundle }),
    bundle: () => send("bundle"),
    setClockOffset: (ms) => send("setClockOffset", { ms }),
    clockOffset: () => send("clockOffset"),
    upkeep: () => send("upkeep", { always: true }),
    erase: () => send("erase"),
  };
}

/** The worker that serves this page, and the way to it. */
async function reach() {
  let reason = "this browser, or this mode of it, has no Service Workers";
  if (!window.isSecureContext) reason = "Service Workers need HTTPS or localhost";
  else if ("serviceWorker" in navigator) {
    try {
      const active = await control();
      // The one that controls the page by then: a new version may take over from another.
      return { kind: "service-worker", reason: "", send: (name, options) => ask(navigator.serviceWorker.controller ?? active, name, options) };
    } catch (error) {
      reason = `the Service Worker did not start: ${error.message}`;
    }
  }
  const worker = new Worker(trusted(FILES.worker));
  const failed = new Promise((_, fail) => worker.addEventListener("error", (event) => fail(new Error(event.message || "the worker did not start"))));
  failed.catch(() => {});
  return { kind: "worker", reason, send: (name, options) => Promise.race([ask(worker, name, options), failed]) };
}

/** Waits until the Service Worker controls this page, also after a reload that went past it. */
async function control() {
  const { serviceWorker } = navigator;
  const registration = await serviceWorker.register(trusted(FILES["service-worker"]), { scope: base.href, updateViaCache: "none" });
  const started = Date.now();
  while (serviceWorker.controller === null) {
    registration.active?.postMessage({ name: "claim" });
    if (registration.active === null && registration.installing === null && registration.waiting === null) throw new Error("its files did not load");
    if (Date.now() - started > PATIENCE_MS) throw new Error("it did not take over the page");
    await new Promise((done) => {
      setTimeout(done, 250);
      serviceWorker.addEventListener("controllerchange", done, { once: true });
    });
  }
  return registration.active;
}

/** Sends a message with a port of its own for the answer. */
function ask(worker, name, options = {}) {
  return new Promise((done, fail) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => {
      port1.close();
      if ("error" in data) fail(new Error(data.error));
      else done(data.value);
    };
    worker.postMessage({ name, options }, [port2]);
  });
}

/** True if calls that outlive the page get to the Service Worker. */
async function reaches(endpoint) {
  const response = await fetch(`${endpoint}/healthz`, { keepalive: true }).catch(() => null);
  return response?.headers.has("usher-request-id") ?? false;
}

/** Takes the place of `fetch` for this page's calls of the edge. */
function intercept(endpoint, then) {
  const prefix = new URL(`${endpoint}/`, base).href;
  const onward = window.fetch.bind(window);
  window.fetch = async (resource, options) => {
    const { href } = new URL(resource instanceof Request ? resource.url : resource, document.baseURI);
    return href.startsWith(prefix) ? then(new Request(resource, options), onward) : onward(resource, options);
  };
}

/** The answer of a worker of the tab. */
async function answer(request, send) {
  const { url, method, signal } = request;
  signal.throwIfAborted();
  const sent = { url, method, headers: [...request.headers], body: await request.arrayBuffer() };
  const aborted = new Promise((_, fail) => signal.addEventListener("abort", () => fail(signal.reason), { once: true }));
  const { status, headers, body } = await Promise.race([send("fetch", sent), aborted]);
  return new Response([204, 205, 304].includes(status) ? null : body, { status, headers });
}

/** An address of this site, as pages that require trusted types want it. The policy `usher-edge` makes these two and no others. */
function trusted(url) {
  const { trustedTypes } = window;
  if (!trustedTypes) return url;
  policy ??= trustedTypes.createPolicy("usher-edge", {
    createScriptURL(text) {
      if (!Object.values(FILES).includes(text)) throw new TypeError(`${text} is no script of this edge`);
      return text;
    },
  });
  return policy.createScriptURL(url);
}

let policy;
