// The button that copies the address of what is shown: of the scenario, which begins anew there, or of the shop's page.

/** The address. A scenario begins with the goods, so the shop's page is no part of it. */
function address() {
  const { origin, pathname, search, hash } = location;
  return origin + pathname + (document.documentElement.dataset.scenario === undefined ? hash : search);
}

/** Copies, and says so; or that a page may not, as over plain HTTP. Then the browser shows the address all the same. */
export function startShare(button, say) {
  button.addEventListener("click", async () => {
    const copied = address();
    try {
      await navigator.clipboard.writeText(copied);
      say(`Copied: ${copied}`);
    } catch {
      say(`This page may not copy. Its address: ${copied}`);
    }
  });
}
