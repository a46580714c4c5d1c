// Firefox and WebKitGTK, driven by the standard: WebDriver BiDi over a socket, and WebDriver over HTTP. Each begins with an empty profile.

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

import { freePort, listening } from "../../edge-worker/cloudflare/local/workerd.mjs";

const found = (name) => process.env.PATH.split(delimiter).map((folder) => join(folder, name)).find(existsSync);
const MINI = ["4.1", "4.0", "6.0"].map((version) => `/usr/lib/x86_64-linux-gnu/webkit2gtk-${version}/MiniBrowser`).find(existsSync);

/**
 * Each with why it cannot run, false if it can. `start` gives a browser: `open(url)` a tab with `goto(url)`, `evaluate(run, argument)`
 * and `close()`.
 */
export const DRIVERS = [
  { name: "Firefox", missing: !found("firefox-esr") && "firefox-esr is missing: apt-get install firefox-esr", start: startFirefox },
  {
    name: "WebKitGTK",
    missing: !(found("WebKitWebDriver") && MINI && found("Xvfb")) && "WebKitWebDriver, MiniBrowser or Xvfb is missing: apt-get install webkit2gtk-driver xvfb",
    start: startWebKit,
  },
];

const text = (run, argument) => `(${run})(${JSON.stringify(argument) ?? ""})`;

async function startFirefox(t) {
  const profile = mkdtempSync(join(tmpdir(), "usher-firefox-"));
  // What a browser asks of its maker is no part of the test.
  writeFileSync(join(profile, "user.js"), Object.entries({
    "app.update.enabled": false, "datareporting.policy.dataSubmissionEnabled": false, "browser.shell.checkDefaultBrowser": false,
    "app.normandy.enabled": false, "services.settings.server": "http://127.0.0.1:9/", "network.captive-portal-service.enabled": false,
  }).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`).join(""));
  const port = await freePort();
  const child = spawn("firefox-esr", ["--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", String(port)], { stdio: "ignore" });
  t.after(() => ended(child).then(() => rmSync(profile, { recursive: true, force: true })));
  await listening(port);
  const { send, close } = await socket(port, "/session");
  t.after(close);
  await send("session.new", { capabilities: {} });
  return {
    async open(url) {
      const { context } = await send("browsingContext.create", { type: "tab" });
      const tab = {
        goto: (url) => send("browsingContext.navigate", { context, url, wait: "complete" }),
        async evaluate(run, argument) {
          const expression = `Promise.resolve(${text(run, argument)}).then((value) => JSON.stringify(value) ?? "null")`;
          const answer = await send("script.evaluate", { expression, target: { context }, awaitPromise: true });
          if (answer.type !== "success") throw new Error(answer.exceptionDetails?.text);
          return JSON.parse(answer.result.value);
        },
        close: () => send("browsingContext.close", { context }),
      };
      await tab.goto(url);
      return tab;
    },
  };
}

/** A client of WebDriver BiDi: commands with their answers. */
async function socket(port, path) {
  const connection = await new Promise((done, fail) => {
    const headers = { connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13", "sec-websocket-key": randomBytes(16).toString("base64") };
    request({ host: "127.0.0.1", port, path, headers }).once("upgrade", (_, connection) => done(connection)).once("error", fail).end();
  });
  const waiting = new Map();
  let id = 0;
  let received = Buffer.alloc(0);
  let message = Buffer.alloc(0);
  connection.on("error", () => {});
  connection.on("data", (bytes) => {
    received = Buffer.concat([received, bytes]);
    for (;;) {
      if (received.length < 2) return;
      const short = received[1] & 127;
      const begins = short === 126 ? 4 : short === 127 ? 10 : 2;
      if (received.length < begins) return;
      const size = short === 126 ? received.readUInt16BE(2) : short === 127 ? Number(received.readBigUInt64BE(2)) : short;
      if (received.length < begins + size) return;
      const [kind, isLast] = [received[0] & 15, received[0] & 128];
      if (kind < 3) message = Buffer.concat([message, received.subarray(begins, begins + size)]);
      received = received.subarray(begins + size);
      if (kind > 2 || !isLast) continue;
      const { id, type, result, error, message: said } = JSON.parse(message);
      message = Buffer.alloc(0);
      const [done, fail] = waiting.get(id) ?? [];
      waiting.delete(id);
      if (type === "error") fail?.(new Error(`${error}: ${said}`));
      else done?.(result);
    }
  });
  const send = (method, params) =>
    new Promise((done, fail) => {
      const body = Buffer.from(JSON.stringify({ id: ++id, method, params }));
      waiting.set(id, [done, fail]);
      const asked = id;
      setTimeout(() => waiting.delete(asked) && fail(new Error(`Firefox does not answer ${method}`)), 60_000).unref();
      const mask = randomBytes(4);
      // The shortest form of the length, and never 64 KB.
      const head = body.length < 126 ? Buffer.from([129, 128 | body.length]) : Buffer.from([129, 254, body.length >>> 8, body.length & 255]);
      connection.write(Buffer.concat([head, mask, body.map((byte, at) => byte ^ mask[at & 3])]));
    });
  return { send, close: () => connection.destroy() };
}

async function startWebKit(t) {
  const display = `:${100 + Math.floor(Math.random() * 800)}`;
  const screen = spawn("Xvfb", [display, "-screen", "0", "1024x768x24", "-nolisten", "tcp"], { stdio: "ignore" });
  const home = mkdtempSync(join(tmpdir(), "usher-webkit-"));
  const port = await freePort();
  const environment = { PATH: process.env.PATH, DISPLAY: display, HOME: home, XDG_RUNTIME_DIR: home, WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: "1", LIBGL_ALWAYS_SOFTWARE: "1" };
  const driver = spawn("WebKitWebDriver", [`--port=${port}`], { env: environment, stdio: "ignore" });
  await listening(port);
  const call = async (method, path, body) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method, body: body && JSON.stringify(body) });
    const { value } = await answer.json();
    if (!answer.ok) throw new Error(`${value.error}: ${value.message}`);
    return value;
  };
  const { sessionId } = await call("POST", "/session", { capabilities: { alwaysMatch: { "webkitgtk:browserOptions": { binary: MINI, args: ["--automation"] } } } });
  const session = (method, path, body) => call(method, `/session/${sessionId}${path}`, body);
  t.after(async () => {
    await session("DELETE", "").catch(() => {});
    await Promise.all([ended(driver), ended(screen)]);
    rmSync(home, { recursive: true, force: true });
  });
  let first = await session("GET", "/window");
  return {
    async open(url) {
      // The session has a window already.
      const handle = first ?? (await session("POST", "/window/new", { type: "tab" })).handle;
      first = null;
      const here = () => session("POST", "/window", { handle });
      const tab = {
        goto: async (url) => (await here(), session("POST", "/url", { url })),
        async evaluate(run, argument) {
          await here();
          const script = `const done = arguments[0]; Promise.resolve(${text(run, argument)}).then((value) => done(JSON.stringify({ value })), (error) => done(JSON.stringify({ error: String(error) })));`;
          const { value, error } = JSON.parse(await session("POST", "/execute/async", { script, args: [] }));
          if (error) throw new Error(error);
          return value ?? null;
        },
        close: async () => {
          await here();
          const [other] = await session("DELETE", "/window");
          // A closed window opens no other.
          if (other) await session("POST", "/window", { handle: other });
        },
      };
      await tab.goto(url);
      return tab;
    },
  };
}

function ended(child) {
  const end = new Promise((done) => child.once("exit", done));
  child.kill();
  return Promise.race([end, new Promise((done) => setTimeout(done, 3_000))]);
}
