// The part of an offer that is the shop's own: names, drawings and links of the goods that it names.

import { findProduct } from "./catalog.js";
import { byId, drawing, el } from "./dom.js";

/** Goods in the list of those that were looked at. */
const BROWSED = 4;

/** Fills in the goods of the variant that the SDK shows. */
export function dress({ element, section }, attributes) {
  const last = findProduct(attributes.last_product_viewed);
  byId("offer-section").textContent = section ?? "none (default content)";
  byId("offer-art").setAttribute("href", `#art-${(last ?? findProduct("P-207")).id}`);
  for (const link of last ? element.querySelectorAll("[data-last]") : []) {
    link.setAttribute("href", `#/product/${last.id}`);
    link.textContent = `${link.dataset.last} ${last.name}`;
  }
  const browsed = [attributes.browsed_products_list].flat().map(findProduct).filter(Boolean).slice(0, BROWSED);
  for (const list of element.querySelectorAll("[data-browsed]")) {
    list.replaceChildren(...browsed.map((product) =>
      el("li", {}, el("a", { href: `#/product/${product.id}`, title: product.name }, drawing(`art-${product.id}`, "thumb", product.name)))));
  }
}

/** A usable percentage, or 0. */
export function discountIn(attributes) {
  const percent = Number(attributes.vip_discount_percentage);
  return percent > 0 && percent < 100 ? percent : 0;
}
