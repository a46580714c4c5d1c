// Slots in what frameworks render: React's hydration, new renders and unmounting, Vue's, and a page that the browser translates.

import assert from "node:assert/strict";
import { test } from "node:test";

import { build } from "esbuild";

import { root } from "../workerd/deployment.mjs";
import { missing, serveSite, startBrowser, until } from "./site.mjs";

const REACT = `
  import { createElement as h, useEffect, useState } from "react";
  import { hydrateRoot } from "react-dom/client";
  export function Hero({ count }) {
    useEffect(() => { globalThis.usher?.personalize().then((decision) => usher.render(decision)); }, []);
    return h("div", { id: "slot", "data-usher-slot": "hero", style: { height: 60 } },
      h("p", null, "Default ", String(count)), h("p", { hidden: true, "data-usher-section": "Returning" }, "Back ", h("span", { "data-usher-text": "pages_24h" }, "0")));
  }
  export function App() {
    const [state, set] = useState({ count: 0, isShown: true });
    globalThis.set = set;
    return h("main", null, h("h1", null, "Count " + state.count), state.isShown && h(Hero, { count: state.count }), h("footer", null, "end"));
  }
  if (globalThis.document) hydrateRoot(document.querySelector("#app"), h(App), { onRecoverableError: (error) => console.error("recovered " + error) });
`;
const VUE = `
  import { createSSRApp, h, onMounted, reactive } from "vue";
  const Hero = { props: ["count"], setup(props) {
    onMounted(() => { globalThis.usher?.personalize().then((decision) => usher.render(decision)); });
    return () => h("div", { id: "slot", "data-usher-slot": "hero", style: "height:60px" }, [
      h("p", "Default " + props.count), h("p", { hidden: true, "data-usher-section": "Returning" }, ["Back ", h("span", { "data-usher-text": "pages_24h" }, "0")])]);
  } };
  const state = reactive({ count: 0, isShown: true });
  globalThis.set = (next) => Object.assign(state, next);
  export const App = { render: () => h("main", [h("h1", "Count " + state.count), state.isShown ? h(Hero, { count: state.count }) : null, h("footer", "end")]) };
  export const app = createSSRApp(App);
  if (globalThis.document) app.mount("#app");
`;
const SERVER = {
  react: `import { createElement as h } from "react"; import { renderToString } from "react-dom/server"; import { App } from "app"; export const html = renderToString(h(App));`,
  vue: `import { renderToString } from "vue/server-renderer"; import { app } from "app"; export const html = await renderToString(app);`,
};

/** The script of the page, and what its server renders. Development builds, because they tell what they mend. */
async function bundles(code, server) {
  const app = { name: "app", setup: (build) => {
    build.onResolve({ filter: /^app$/ }, () => ({ path: "app", namespace: "app" }));
    build.onLoad({ filter: /./, namespace: "app" }, () => ({ contents: code, resolveDir: root }));
  } };
  const common = { bundle: true, write: false, plugins: [app], absWorkingDir: root, logLevel: "error", define: { "process.env.NODE_ENV": `"development"`, __VUE_OPTIONS_API__: "true", __VUE_PROD_DEVTOOLS__: "false", __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: "true" } };
  const page = await build({ ...common, stdin: { contents: `import "app";`, resolveDir: root }, format: "iife" });
  const rendered = await build({ ...common, stdin: { contents: server, resolveDir: root }, format: "esm", platform: "node", banner: { js: `import { createRequire } from "node:module"; const require = createRequire("${root}/package.json");` } });
  const { html } = await import(`data:text/javascript;base64,${Buffer.from(rendered.outputFiles[0].text).toString("base64")}`);
  return { script: page.outputFiles[0].text, html };
}

for (const [name, code] of [["React", REACT], ["Vue", VUE]]) {
  test(`${name}: hydration, a new render, unmounting`, { skip: missing, timeout: 120_000 }, async (t) => {
    const { script, html } = await bundles(code, SERVER[name.toLowerCase()]);
    assert.match(html, /Default/);
    const page = (path, site) => path === "/" && `<!doctype html><meta charset="utf-8"><title>page</title><link rel="icon" href="data:,">
      ${site.tag(`data-consent="granted" data-auto="page"`)}<div id="app">${html}</div><script>${script.replaceAll("</script", "<\\/script")}</script>`;
    const site = await serveSite(t, page);
    const browser = await startBrowser(t);
    const tab = await browser.newPage();
    const troubles = [];
    tab.on("pageerror", (error) => troubles.push(error.message));
    tab.on("console", (message) => ["error", "warning"].includes(message.type()) && troubles.push(message.text()));
    const slot = () => tab.locator("#slot").innerText();
    await tab.goto(site.url);
    await until("an answer", () => tab.locator("[data-usher-state]").count());
    assert.match(await slot(), /^Default 0$/);
    await tab.goto(site.url);
    await until("the variant", async () => /^Back 2$/.test(await slot()));
    // The framework draws what it knows: the slot stays.
    await tab.evaluate(() => set({ count: 5, isShown: true }));
    await until("the new render", async () => (await tab.locator("h1").innerText()) === "Count 5");
    assert.match(await slot(), /^Back 2$/);
    await tab.evaluate(() => set({ count: 5, isShown: false }));
    await until("unmounting", async () => (await tab.locator("#slot").count()) === 0);
    await tab.evaluate(() => set({ count: 6, isShown: true }));
    await until("mounting again", async () => /^Back \d$/.test(await slot().catch(() => "")));
    await tab.evaluate(() => usher.reset());
    await until("the default", async () => /^Default 6$/.test(await slot()));
    assert.deepEqual(troubles, []);
  });
}

test("a page that the browser translates", { skip: missing, timeout: 120_000 }, async (t) => {
  const page = (path, site) => path === "/" && `<!doctype html><meta charset="utf-8"><title>page</title><link rel="icon" href="data:,">${site.tag(`data-consent="granted" data-auto=""`)}
    <div id="slot" data-usher-slot="hero" style="height: 60px"><p>Hello <b data-usher-text="headline">you</b></p></div>`;
  const site = await serveSite(t, page);
  const browser = await startBrowser(t);
  const tab = await browser.newPage();
  await tab.goto(site.url);
  const texts = await tab.evaluate(async () => {
    const slot = document.querySelector("#slot");
    const text = () => slot.innerText.trim();
    const decision = (headline) => ({ offers: { S: { attributes: { headline } } }, meta: { engine: "edge", personalizations: { S: "hero" } } });
    const conflicts = [];
    usher.on("render", (report) => report.forEach(({ state }) => state === "conflict" && conflicts.push(state)));
    await usher.render(decision("news"));
    const seen = [text()];
    // As browsers do: an element takes the place of each text.
    const walker = document.createTreeWalker(slot, NodeFilter.SHOW_TEXT);
    for (const node of Array.from({ length: 9 }, () => walker.nextNode()).filter(Boolean)) {
      const font = document.createElement("font");
      font.textContent = node.data.toUpperCase();
      node.replaceWith(font);
    }
    await new Promise((done) => setTimeout(done, 100));
    seen.push(text());
    await usher.render(decision("more"));
    await new Promise((done) => setTimeout(done, 100));
    seen.push(text());
    await usher.reset();
    seen.push(text());
    return [...seen, conflicts.length];
  });
  assert.deepEqual(texts, ["Hello news", "HELLO NEWS", "HELLO more", "HELLO you", 0]);
});
