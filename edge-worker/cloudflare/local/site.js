// The demo's front door: files of the shop for GET, everything else to the worker.

const TYPES = {
  css: "text/css; charset=utf-8",
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  json: "application/json",
  mjs: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
  wasm: "application/wasm",
};

/** What the demo makes itself: its settings, the reader of rules, the engine for devices, and the browser SDK; files that are loaded by others have a hash in their names. */
const MADE = /^\/(demo\.json|rules\/[a-z.]+|(usher|stub|overlay|td-compat)\.js|\w+-[0-9a-f]{10}\.(mjs|wasm))$/;

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    const path = pathname === "/" ? "/index.html" : pathname;
    const type = TYPES[path.slice(path.lastIndexOf(".") + 1)];
    if (request.method !== "GET" || !type) return env.USHER.fetch(request);
    const file =
      path === "/td.min.js" ? await env.SDK.fetch("http://files/td.min.js")
      : MADE.test(path) ? await env.STATE.fetch(`http://files${path}`)
      : await env.WWW.fetch(`http://files${path}`);
    if (!file.ok) return new Response("no such page", { status: 404 });
    return new Response(file.body, { headers: { "content-type": type, "cache-control": "no-cache" } });
  },
};
