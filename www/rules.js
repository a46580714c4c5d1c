// The tab "Rules": the shop's definitions as text, checked as one types, with findings drawn where they are. In the tab's own edge a
// definition without errors is published at once, and the slots are asked again.

import { el } from "./dom.js";

/** A pause in typing. */
const PAUSE_MS = 250;
const FIRST = "web_personalization.yaml";

export async function start(panel, { tab }, { ask }) {
  let reader;
  let files;
  try {
    if (!(await fetch("rules/shop.json")).ok) return panel.replaceChildren(el("h3", {}, "Another rule"), ...unbuilt());
    reader = await import("./rules/reader.js");
    const [wasm, texts] = await Promise.all([fetch("rules/reader.wasm"), fetch("rules/shop.json")].map(async (answer) => (await answer).arrayBuffer()));
    await reader.default({ module_or_path: wasm });
    files = JSON.parse(new TextDecoder().decode(texts));
  } catch (error) {
    return panel.replaceChildren(el("h3", {}, "Another rule"), el("p", {}, `The reader of definitions did not start: ${error.message}. The shop goes on without it.`));
  }
  const originals = new Map(files.map(({ name, text }) => [name, text]));
  const texts = new Map(originals);
  let open = FIRST;
  let timer;
  /** Grows with each check, so that an overtaken answer is not shown. */
  let turn = 0;

  const marks = el("pre", { class: "marks", "aria-hidden": "true" });
  const editor = el("textarea", { spellcheck: "false", autocapitalize: "off", "aria-label": "Definition", "aria-describedby": "rules-state", wrap: "off", oninput: onInput,
    onscroll: () => { [marks.scrollTop, marks.scrollLeft] = [editor.scrollTop, editor.scrollLeft]; } });
  const file = el("select", { id: "rules-file", onchange: () => show(file.value) }, [...texts.keys()].map((name) => el("option", {}, name)));
  const state = el("p", { id: "rules-state", role: "status", "data-testid": "rules-state" });
  const list = el("ol", { class: "findings", "data-testid": "findings" });
  const reset = el("button", { type: "button", class: "button quiet", "data-testid": "rules-reset", onclick: () => {
    for (const [name, text] of originals) texts.set(name, text);
    show(open);
    check();
  } }, "As it was");
  panel.replaceChildren(
    el("h3", {}, "Another rule"),
    el("p", {}, tab ? "Change a rule: it is checked and compiled in this page, published to the tab’s edge, and the slots are asked again. The shop’s examples, which would hold the rules to what they are, are left out."
      : "Change a rule: it is checked as you type, here in the page. This edge is a real one, so publishing takes its admin key and the command line:"),
    tab ? "" : push(),
    el("p", { class: "controls" }, el("label", { for: "rules-file" }, "File"), file, reset),
    el("div", { class: "editor" }, marks, editor), state, list);
  show(open);
  check(false);

  function show(name) {
    open = file.value = name;
    editor.value = texts.get(name);
    draw([]);
    check(false);
  }
  function onInput() {
    texts.set(open, editor.value);
    marks.replaceChildren();
    clearTimeout(timer);
    timer = setTimeout(check, PAUSE_MS);
  }
  async function check(isToRun = true) {
    const mine = ++turn;
    const began = performance.now();
    const checked = reader.check([...texts.keys()], [...texts.values()]);
    const took_ms = performance.now() - began;
    const [findings, bundle] = [JSON.parse(checked.findings), checked.bundle];
    checked.free();
    draw(findings);
    const errors = findings.filter(({ severity }) => severity === "error").length;
    const said = `${errors ? `${errors} ${errors === 1 ? "error" : "errors"}` : "No errors"}, checked in ${took_ms.toFixed(0)} ms.`;
    state.textContent = said;
    if (!tab || !isToRun || bundle === undefined) return;
    const { ok, status, answer } = await tab.publish(bundle);
    if (mine !== turn) return;
    state.textContent = ok ? `${said} It runs now.` : `${said} The edge refused it: ${answer?.detail ?? status}`;
    if (ok) ask();
  }
  function draw(findings) {
    marks.replaceChildren(...marked(editor.value, findings.filter((one) => one.file === open && one.line)), "\n");
    [marks.scrollTop, marks.scrollLeft] = [editor.scrollTop, editor.scrollLeft];
    list.replaceChildren(...findings.map(({ severity, code, message, help, file: name, line, column }) =>
      el("li", { class: severity },
        el("b", {}, `${severity} ${code}`), " ",
        line && el("button", { type: "button", class: "place", onclick: () => go(name, line, column) }, `${name}:${line}:${column}`), ` ${message}`,
        help && el("span", { class: "help" }, ` ${help}`))));
  }
  /** Puts the cursor to a place. */
  function go(name, line, column) {
    if (name !== open) show(name);
    const at = editor.value.split("\n").slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0) + column - 1;
    editor.focus();
    editor.setSelectionRange(at, at);
  }
}

const unbuilt = () => [
  el("p", {}, "The reader that checks definitions in this page was not built: ", el("code", {}, "make rules"), " does it, and the next ", el("code", {}, "make demo"), " has it. Publishing is the command line’s:"),
  push(),
];
const push = () => el("pre", { tabindex: "0" }, `usher push examples/shop --to ${location.origin}`);

/** The text with its findings marked: columns count characters, not UTF-16 units. */
function marked(text, findings) {
  return text.split("\n").flatMap((line, index) => {
    const own = findings.filter((one) => one.line === index + 1).sort((a, b) => a.column - b.column);
    const characters = [...line];
    const parts = [];
    let at = 0;
    for (const { column, length, severity } of own) {
      const from = Math.max(at, column - 1);
      const to = Math.max(from, column - 1 + length);
      parts.push(characters.slice(at, from).join(""), el("mark", { class: severity }, characters.slice(from, to).join("") || " "));
      at = to;
    }
    return [...parts, `${characters.slice(at).join("")}\n`];
  });
}
