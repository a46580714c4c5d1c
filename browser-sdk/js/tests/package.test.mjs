// The package as others take it: in node, through a bundler, with types, and what is in it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const here = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const root = resolve(here, "../..");

/** A project that has the package installed. */
function project(t) {
  const folder = mkdtempSync(join(tmpdir(), "usher-package-"));
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, "node_modules/@usher"), { recursive: true });
  symlinkSync(here, join(folder, "node_modules/@usher/browser"));
  writeFileSync(join(folder, "package.json"), `{"type": "module"}`);
  return folder;
}

test("nothing happens at import in node, and every verb answers", (t) => {
  const folder = project(t);
  writeFileSync(
    join(folder, "server.js"),
    `const before = Object.keys(globalThis).length;
     const { usher } = await import("@usher/browser");
     const told = [await usher.track("x"), await usher.personalize(), await usher.flush(), usher.user(), await usher.render(), usher.debug.status(), await usher.engine.load(), usher.engine.measure(), (await usher.load("k")) === usher];
     usher.on("sent", () => {})();
     console.log(JSON.stringify([...told, Object.keys(globalThis).length - before]));`,
  );
  const told = JSON.parse(execFileSync(process.execPath, ["server.js"], { cwd: folder, encoding: "utf8" }));
  const lost = { messageId: "", status: "dropped", reason: "invalid" };
  assert.deepEqual(told, [lost, { offers: {}, meta: { engine: "default", reason: "refused" } }, { pending: 0 }, { id: null, anonymousId: null, traits: {} }, [], null, { state: "off", waiting: 0 }, null, true, 0]);
});

test("a bundler takes it, by the name of the package", async (t) => {
  const folder = project(t);
  writeFileSync(join(folder, "page.js"), `import { usher } from "@usher/browser";\nusher.track("x");\n`);
  const { outputFiles } = await build({ entryPoints: [join(folder, "page.js")], bundle: true, format: "esm", write: false, absWorkingDir: folder });
  assert.match(outputFiles[0].text, /sentAt/);
});

test("the types describe it", (t) => {
  const folder = project(t);
  const page = `import { usher, type Decision, type Receipt } from "@usher/browser";
    const receipt: Receipt = await usher.track("Bought", { price: 5 }, { table: "web.orders" });
    const decision: Decision = await usher.personalize({ names: ["hero"] });
    usher.on("drop", ({ messageId, reason }) => console.log(messageId, reason, receipt, decision.meta.reason));
    usher.use({ name: "no email", event: ({ email, ...columns }) => columns });
    // @ts-expect-error: there is no such verb
    usher.trac("x");
    // @ts-expect-error: nor such a state
    usher.setConsent("maybe");
    export {};`;
  writeFileSync(join(folder, "page.ts"), page);
  const options = ["--noEmit", "--strict", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler", "--lib", "es2022,dom"];
  execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), ...options, "page.ts"], { cwd: folder, stdio: ["ignore", "inherit", "inherit"] });
});

test("it holds what it should, and no way from a text to code", () => {
  const [{ files, name, version }] = JSON.parse(execFileSync("npm", ["pack", "--dry-run", "--json"], { cwd: here, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));
  const names = files.map(({ path }) => path.replace(/-[0-9a-f]{10}\./, "-HASH."));
  assert.deepEqual(names.sort(), ["LICENSE", "README.md", "dist/device-HASH.mjs", "dist/overlay.js", "dist/slots-HASH.mjs", "dist/stub.js", "dist/td-compat.js", "dist/usher.d.ts", "dist/usher.js", "dist/usher.mjs", "package.json"]);
  const texts = files.filter(({ path }) => /\.m?js$/.test(path)).map(({ path }) => readFileSync(join(here, path), "utf8"));
  // The overlay reads `outerHTML` to show it; nobody writes it.
  for (const text of texts) assert.doesNotMatch(text, /\beval\b|new Function|document\.write|insertAdjacentHTML|outerHTML\s*[-+*/|&?]*=(?!=)|createContextualFragment|DOMParser|srcdoc/);
  assert.equal(texts.join("").split("innerHTML").length, 2, "one place, for what the page's own sanitizer made");
  for (const file of ["usher.js", "usher.mjs"]) assert.ok(readFileSync(join(here, "dist", file), "utf8").includes(`"${version}"`), `${name} tells its version`);
});
