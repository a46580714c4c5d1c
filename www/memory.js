// What the shop itself remembers between page loads: the cart and who signed in.
// The visitor id is not here; the SDK keeps it in its `_td` cookie.
// A browser that blocks storage gets a shop that forgets, not one that breaks.

const PREFIX = "second-row.";

export function recall(name, fallback) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name)) ?? fallback;
  } catch {
    return fallback;
  }
}

export function remember(name, value) {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // Storage is full or blocked: the value lives until the page is left.
  }
}
