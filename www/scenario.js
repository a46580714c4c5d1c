// Scenarios: steps that press the buttons of this page, and say what has to be seen. Each begins as a new visitor; the address names
// it (`?s=cart`). They are the end-to-end test of the page, too.

import { byId, el } from "./dom.js";
import { setNetwork } from "./network.js";
import { SCENARIOS } from "./scenarios.js";

/** A step that shows nothing after so long has failed. */
const PATIENCE_MS = 8_000;

const name = new URLSearchParams(location.search).get("s");
const scenario = Object.hasOwn(SCENARIOS, name) ? SCENARIOS[name] : null;

/** The consent that the scenario begins with; undefined: the page's. */
export const consent = scenario?.consent;

/**
 * Shows a scenario; false if it does not run here.
 *
 * @param page {usher, newVisitor, edge, counts, isByDevice, device, decideOnDevice} of main.js
 */
export function play(page) {
  const strip = byId("script");
  strip.hidden = false;
  const not = (...said) => {
    strip.replaceChildren(el("p", {}, ...said), leave());
    return false;
  };
  if (!scenario) return not(`There is no scenario “${name}”.`);
  document.title = `${scenario.title} – Second Row`;
  const unbuilt = (scenario.needsEngine || page.isByDevice) && !page.edge.keys.engine && "the engine was not built: make device does it, and the next make demo has it.";
  const why = (page.edge.tab ? scenario.notInTab : scenario.notOnServer) || unbuilt || (page.isByDevice && scenario.notOnDevice);
  if (why) return not(el("b", {}, scenario.title), ` does not run here: ${why}`);

  const { steps } = scenario;
  const tools = toolsOf(page);
  let [at, failed] = [0, 0];
  const text = el("p", { class: "say", role: "status" });
  const next = el("button", { type: "button", class: "button", "data-testid": "step", onclick: run }, "Do it");
  const count = el("p", { class: "count-steps" });
  strip.replaceChildren(count, text, el("p", { class: "controls" }, next, leave()));
  if (page.isByDevice && !scenario.needsEngine) void settle();
  else {
    scenario.begin?.(tools);
    propose(null);
  }
  return true;

  /** On the device alone: the edge gives its part, and then there is none. */
  async function settle() {
    next.disabled = true;
    text.replaceChildren("The engine, the program and what is known of you come from the edge, once.");
    strip.dataset.state = "running";
    try {
      await tools.until(() => page.usher.engine.info().state === "ready" && tools.pending() === 0 && tools.section() === "Default");
      tools.network("off");
      scenario.begin?.(tools);
      next.disabled = false;
      propose("The network is cut: from here on the device is alone.");
    } catch {
      failed++;
      at = steps.length;
      propose(`✗ the device decides nothing (${JSON.stringify(page.usher.engine.info())}).`);
    }
  }
  function propose(before) {
    const step = steps[at];
    count.replaceChildren(el("b", {}, scenario.title), ` ${Math.min(at + 1, steps.length)} of ${steps.length}`);
    strip.dataset.state = failed ? "failed" : step ? "ready" : "done";
    text.replaceChildren(before ? `${before} ` : "", step ? el("b", {}, step.say) : el("b", {}, failed ? `${failed} steps did not show what they should.` : "That was all."));
    next.hidden = !step;
  }
  async function run() {
    const step = steps[at];
    next.disabled = true;
    strip.dataset.state = "running";
    let result;
    try {
      const said = await step.run(tools);
      await tools.until(() => step.see(tools));
      result = `✓ ${typeof step.so === "function" ? step.so(tools, said) : step.so}`;
    } catch (error) {
      failed++;
      result = `✗ ${error.message}.`;
    }
    next.disabled = false;
    at++;
    propose(result);
    if (next.hidden) setNetwork("on");
    else next.focus({ preventScroll: true });
  }
}

const leave = () => el("a", { class: "button quiet", href: location.pathname }, "Leave");

/** Makes the hands and eyes of steps. */
function toolsOf({ usher, newVisitor, edge, counts, isByDevice, device, decideOnDevice, ask }) {
  /** The engine that made the last decision. */
  let engine = null;
  usher.on("decision", ({ meta }) => { engine = meta.engine; });
  const element = (selector) => {
    const found = document.querySelector(selector);
    if (!found) throw new Error(`the page has no ${selector}`);
    return found;
  };
  const tools = {
    usher, newVisitor, edge, counts, isByDevice, device, decideOnDevice, ask,
    byDevice: () => engine === "device",
    /** True if the last answer has everything: nothing waits, or the device added what waits. */
    settled: () => (isByDevice ? engine === "device" : tools.pending() === 0),
    press: (selector) => element(selector).click(),
    /** By a link of the page where there is one, else by the address. */
    async open(path) {
      if (location.hash === `#${path}`) return;
      const drawn = new Promise((done) => addEventListener("hashchange", done, { once: true }));
      const link = document.querySelector(`main a[href="#${path}"], nav a[href="#${path}"]`);
      if (link) link.click();
      else location.hash = `#${path}`;
      await drawn;
    },
    async signIn(id) {
      await tools.open("/account");
      await tools.until(() => document.querySelector(`[data-testid="customer-${id}"]`));
      element(`[data-testid="customer-${id}"]`).checked = true;
      tools.press('[data-testid="sign-in"]');
    },
    network(mode) {
      const select = byId("network");
      select.value = mode;
      select.dispatchEvent(new Event("change"));
    },
    tab(name) {
      byId("inspector").setAttribute("data-open", "");
      byId("inspector").shadowRoot?.getElementById(`tab-${name}`)?.click();
    },
    section: () => byId("offer-section").textContent,
    offer: () => element("#offer").innerText,
    banner: () => element(".banner").innerText,
    pending: () => usher.debug.status()?.pending ?? 0,
    async until(holds) {
      for (const end = Date.now() + PATIENCE_MS; ; ) {
        const held = await holds();
        if (held) return held;
        if (Date.now() > end) throw new Error("this is not what the page shows");
        await new Promise((done) => setTimeout(done, 50));
      }
    },
  };
  return tools;
}
