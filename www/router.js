// Addresses. The address bar shows `#/product/P-207`, so that any static server will do;
// events carry the path a real shop would have: `/product/P-207`.

import { findProduct } from "./catalog.js";

/** A route, or null when the hash is not an address of the shop. */
export function readRoute(hash = location.hash) {
  if (hash !== "" && !hash.startsWith("#/")) return null;
  const path = hash.slice(1) || "/";
  const product = findProduct(path.match(/^\/product\/([\w-]+)$/)?.[1]);
  if (product) return { name: "product", path, product, title: product.name };
  if (path === "/") return { name: "home", path, title: "Goods for an evening in" };
  if (path === "/cart") return { name: "cart", path, title: "Your cart" };
  if (path === "/account") return { name: "account", path, title: "Your account" };
  return { name: "missing", path, title: "Nothing in this row" };
}
