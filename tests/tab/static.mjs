// A plain static server for the tests: files of a folder below a sub-path, and pages of the test's own. It knows no type of wasm,
// and answers nothing else.

import { existsSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { join, resolve } from "node:path";

import { root } from "../workerd/deployment.mjs";

const TYPES = { html: "text/html; charset=utf-8", js: "text/javascript", mjs: "text/javascript", css: "text/css", svg: "image/svg+xml", json: "text/plain" };

/**
 * @param {object} options
 * @param {string} options.folder
 * @param {string} [options.path]  begins and ends with `/`
 * @param {Record<string, string>} [options.pages] texts of pages by their names, beside the files
 * @returns {Promise<{url: string, port: number, requests: string[], stop: () => void, pages: Record<string, string>}>}
 */
export async function serveStatic(t, { folder, path = "/some/folder/", pages = {} }) {
  const requests = [];
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://site");
    requests.push(`${request.method} ${pathname}`);
    const name = pathname.startsWith(path) ? pathname.slice(path.length) || "index.html" : undefined;
    const page = name !== undefined && pages[name];
    const file = name !== undefined && join(folder, name);
    if (request.method !== "GET") return response.writeHead(405).end();
    if (page) return response.writeHead(200, { "content-type": TYPES.html }).end(page);
    if (!file || !existsSync(file) || !statSync(file).isFile()) return response.writeHead(404, { "content-type": TYPES.html }).end("<h1>Nothing here</h1>");
    response.writeHead(200, { "content-type": TYPES[name.split(".").pop()] ?? "application/octet-stream" }).end(readFileSync(file));
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const stop = () => (server.closeAllConnections(), server.close());
  t.after(stop);
  const { port } = server.address();
  return { url: `http://localhost:${port}${path}`, port, requests, stop, pages };
}

/** The site that `make site` wrote, with the folder of its edge. */
export const siteFolder = site();

function site() {
  const path = resolve(root, process.env.USHER_TEST_SITE || "target/site");
  const edge = resolve(root, process.env.USHER_TEST_TAB || "target/tab/release");
  const missing = !existsSync(join(path, "edge/service.wasm")) && `${path} is missing: make site`;
  return { path, edge, missing, credentials: JSON.parse(readFileSync(join(root, "examples/shop/credentials.json"), "utf8")) };
}
