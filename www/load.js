// Scripts that come later. Pages that require trusted types load only what a policy names.

const FILES = ["overlay.js", "td.min.js"];
const policy = window.trustedTypes?.createPolicy("usher-demo", {
  createScriptURL(name) {
    if (!FILES.includes(name)) throw new TypeError(`${name} is no script of this page`);
    return name;
  },
});

/** Runs a script of this site, with the attributes `data-…`; resolves when it has run. */
export function loadScript(name, data = {}) {
  return new Promise((done, fail) => {
    const script = document.createElement("script");
    Object.assign(script.dataset, data);
    script.addEventListener("load", done);
    script.addEventListener("error", () => fail(new Error(`${name} did not load`)));
    script.src = policy ? policy.createScriptURL(name) : name;
    document.head.append(script);
  });
}
