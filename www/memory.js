// The shop's own memory between page loads: the cart, who signed in, and a denied consent. The SDK keeps the visitor's id.
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
