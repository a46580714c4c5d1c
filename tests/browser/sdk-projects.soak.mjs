// The package in projects of others: packed by npm, installed, built by Vite, webpack and Next, and opened in Chromium beside a real edge. It
// takes packages of the registry, so only `make soak` runs it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import { test } from "node:test";

import { root, temporaryFolder } from "../workerd/deployment.mjs";
import { engine, missing, serveSite, startBrowser, until } from "./site.mjs";

const SLOT = `<div id="slot" data-usher-slot="hero" style="height: 60px"><p>Hello</p><p hidden data-usher-section="Returning">Back</p></div>`;
const load = ({ keys }, more = {}) => `import { usher } from "@usher/browser";
  if (typeof window !== "undefined") window.usher = usher;
  usher.load(${JSON.stringify({ writeKey: keys.write_key, token: keys.public_token, consent: "granted", engine: engine(), ...more })});`;
const page = (scripts) => `<!doctype html><html lang="en"><meta charset="utf-8"><title>page</title><link rel="icon" href="data:,"><body>${SLOT}${scripts}</body></html>`;

const PROJECTS = [
  {
    name: "a script tag",
    packages: [],
    files: (site) => ({ "index.html": page(site.tag(`data-consent="granted" data-engine="${engine()}"`)) }),
    out: ".",
  },
  {
    name: "Vite",
    packages: ["vite@8.4.0"],
    files: (site) => ({ "index.html": page(`<script type="module" src="/main.js"></script>`), "main.js": load(site) }),
    build: ["vite", "build"],
    out: "dist",
  },
  {
    name: "webpack",
    packages: ["webpack@5.113.0", "webpack-cli@7.3.1"],
    files: (site) => ({
      "src/index.js": load(site),
      "webpack.config.cjs": `module.exports = { mode: "production", output: { publicPath: "/" } };`,
      "dist/index.html": page(`<script defer src="/main.js"></script>`),
    }),
    build: ["webpack", "--config", "webpack.config.cjs"],
    out: "dist",
  },
  {
    name: "Next",
    packages: ["next@16.4.6", "react@19.3.1", "react-dom@19.3.1"],
    files: (site) => ({
      "next.config.mjs": `export default { output: "export" };`,
      "app/layout.jsx": `export default ({ children }) => <html lang="en"><head><link rel="icon" href="data:," /></head><body>{children}</body></html>;`,
      "app/page.jsx": `import Hero from "./hero";\nexport default () => <main><Hero /></main>;`,
      // Imported on the server, too, where it does nothing. What React hydrates is rendered by its component, and not before.
      "app/hero.jsx": `"use client";\nimport { useEffect } from "react";\n${load(site, { auto: "page" })}
        export default function Hero() {
          useEffect(() => { usher.personalize().then(usher.render); }, []);
          return <div id="slot" data-usher-slot="hero" style={{ height: 60 }}><p>Hello</p><p hidden data-usher-section="Returning">Back</p></div>;
        }`,
    }),
    build: ["next", "build"],
    out: "out",
  },
];
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css" };

for (const { name, packages, files, build, out } of PROJECTS) {
  test(`the package in a project of ${name}`, { skip: missing, timeout: 600_000 }, async (t) => {
    const folder = temporaryFolder(t);
    const run = (command, args, cwd = folder) => execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, NEXT_TELEMETRY_DISABLED: "1", CI: "1" } });
    const [{ filename }] = JSON.parse(run("npm", ["pack", "--json", "--pack-destination", folder], join(root, "browser-sdk/js")));
    const site = await serveSite(t, (path) => {
      const file = [path, `${path}index.html`].map((path) => join(folder, out, path)).find((file) => existsSync(file) && statSync(file).isFile());
      return file && { type: TYPES[extname(file)] ?? "application/octet-stream", body: readFileSync(file) };
    });
    writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "shop", private: true, version: "0.0.0" }));
    for (const [path, text] of Object.entries(files(site))) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    run("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts", `./${filename}`, ...packages]);
    if (build) t.diagnostic(run("npx", ["--no-install", ...build]).trim().split("\n").slice(-12).join("\n"));

    const tab = await (await startBrowser(t)).newPage();
    const troubles = [];
    tab.on("pageerror", (error) => troubles.push(error.message));
    tab.on("console", (message) => ["error", "warning"].includes(message.type()) && troubles.push(message.text()));
    for (const text of ["Hello", "Back"]) {
      await tab.goto(site.url);
      await until(text, async () => (await tab.locator("[data-usher-state]").count()) === 1 && (await tab.locator("#slot").innerText()) === text);
      await tab.evaluate(() => usher.flush());
    }
    // The engine's address is the page's, whatever the bundler makes of the rest.
    if (engine()) assert.notEqual((await tab.evaluate(() => usher.engine.load())).state, "failed");
    assert.deepEqual(troubles, []);
  });
}
