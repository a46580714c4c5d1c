// The edge in a Service Worker: it answers what pages of the site ask of `api/`, and gives them the site's files when there is
// no network. It takes over its page at once.

import { answer, api, base, listen } from "./edge.js";

/** The files of this version of the site, kept together: a page never gets some of one version and some of another. */
const CACHES = `usher ${base.pathname} `;
const CACHE = CACHES + SITE.version;

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(keep());
});

self.addEventListener("activate", (event) => {
  event.waitUntil(takeOver());
});

self.addEventListener("message", (event) => {
  if (event.data.name === "claim") return event.waitUntil(self.clients.claim());
  event.waitUntil(listen(event, {}, { load }));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (origin !== self.location.origin || !pathname.startsWith(base.pathname)) return;
  if (pathname.startsWith(api)) event.respondWith(answer(request, { load }));
  else if (request.method === "GET") event.respondWith(load(request));
});

async function keep() {
  const cache = await caches.open(CACHE);
  // Hosts tell browsers to keep files for some minutes, which may be those of the version before.
  await cache.addAll(SITE.files.map((name) => new Request(new URL(name, base), { cache: "no-cache" })));
}

async function takeOver() {
  const earlier = (await caches.keys()).filter((name) => name.startsWith(CACHES) && name !== CACHE);
  await Promise.all(earlier.map((name) => caches.delete(name)));
  await self.clients.claim();
}

/** A file of the site, as it was when this version was kept. */
async function load(request) {
  // The page has one name among the files.
  const isPage = new URL(request.url ?? request).pathname === `${base.pathname}index.html`;
  const kept = await caches.match(isPage ? base : request, { cacheName: CACHE, ignoreSearch: true });
  return kept ?? fetch(request);
}
