// The cart: which product how many times. It knows no events and no page.

import { findProduct } from "./catalog.js";
import { recall, remember } from "./memory.js";

let lines = new Map(
  Object.entries(recall("cart", {})).filter(([id, count]) => findProduct(id) && count > 0),
);

const save = () => remember("cart", Object.fromEntries(lines));

export function add(id) {
  lines.set(id, (lines.get(id) ?? 0) + 1);
  save();
}

/** Takes the whole line out and answers how many pieces it held. */
export function remove(id) {
  const count = lines.get(id) ?? 0;
  lines.delete(id);
  save();
  return count;
}

export function clear() {
  lines = new Map();
  save();
}

export const contents = () => [...lines].map(([id, count]) => ({ product: findProduct(id), count }));

export const pieces = () => [...lines.values()].reduce((sum, count) => sum + count, 0);

/** `percent` is the visitor's personal discount, 0 without one. */
export function totals(percent) {
  const goods = contents().reduce((sum, line) => sum + line.product.price * line.count, 0);
  const discount = Math.round(goods * percent) / 100;
  return { goods, discount, total: goods - discount };
}
