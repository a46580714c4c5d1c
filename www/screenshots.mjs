// Takes the pictures of README in Chromium, of a demo that runs: three widths, light and dark. Look at them before you commit them.
//
// usage: node www/screenshots.mjs [http://127.0.0.1:8787/] [docs/pictures]

import { mkdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const [url = "http://127.0.0.1:8787/", out = join(root, "docs/pictures")] = process.argv.slice(2);
/** Bytes of a picture. */
const MOST = 150_000;

/** The scenario, how many of its steps are done, and the tab beside it. */
const PICTURES = [
  { name: "wide-light", width: 1280, height: 800, colorScheme: "light", scenario: "cart", steps: 3, tab: "why" },
  { name: "wide-dark", width: 1280, height: 800, colorScheme: "dark", scenario: "cart", steps: 3, tab: "why" },
  { name: "device-light", width: 1180, height: 740, colorScheme: "light", scenario: "device&way=device", steps: 6, tab: "given-3" },
  { name: "middle-light", width: 768, height: 900, colorScheme: "light", scenario: "affinity", steps: 4 },
  { name: "narrow-dark", width: 320, height: 640, colorScheme: "dark", scenario: "vip", steps: 2 },
];

mkdirSync(out, { recursive: true });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
let isTooLarge = false;
for (const { name, width, height, colorScheme, scenario, steps, tab } of PICTURES) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, reducedMotion: "reduce" });
  const page = await context.newPage();
  await page.goto(`${url}?s=${scenario}`);
  await page.locator("html[data-ready]").waitFor({ state: "attached" });
  for (let step = 0; step < steps; step++) {
    await page.getByTestId("step").click();
    await page.locator('#script:not([data-state="running"])').waitFor();
  }
  if (tab) await page.locator("#inspector").evaluate((element, tab) => element.shadowRoot.getElementById(`tab-${tab}`).click(), tab);
  // The sentence of the inspector waits two seconds, a toast leaves after four.
  await page.waitForTimeout(4_500);
  const path = join(out, `${name}.png`);
  await page.screenshot({ path });
  const bytes = readFileSync(path).length;
  console.log(`${path} ${bytes} bytes`);
  isTooLarge ||= bytes > MOST;
  await context.close();
}
await browser.close();
if (isTooLarge) {
  console.error(`a picture is larger than ${MOST} bytes`);
  process.exit(1);
}
