// The offer slot: what a section of web_personalization looks like in this shop.
// The payload brings values; wording, links and drawings are the page's own.

import { findPerson, findProduct } from "./catalog.js";
import { byId, drawing, el } from "./dom.js";

const WRITERS = { "VIP Customers": writeVip, Warm: writeWarm, Default: writeDefault };

let shown = "";

/** The section that fills the slot: [name, offer], or null. The cart's section has its banner instead. */
export function pickSection(offers) {
  return Object.entries(offers).find(([name]) => name in WRITERS)
    ?? Object.entries(offers).find(([, offer]) => !offer?.attributes?.banner)
    ?? null;
}

/** `section` from pickSection; null shows the default content. */
export function renderOffer(section, signedIn) {
  const [name, offer] = section ?? ["", {}];
  const facts = offer?.attributes ?? {};
  const write = WRITERS[name] ?? writeDefault;
  const last = findProduct(facts.last_product_viewed);

  // Unchanged content stays in place: nothing to announce, no focus to lose.
  const key = JSON.stringify([name, facts, signedIn]);
  if (key === shown) return;
  shown = key;

  byId("offer-section").textContent = name || "none (default content)";
  byId("offer").dataset.state = section ? "personalized" : "default";
  byId("offer-art").setAttribute("href", `#art-${(last ?? findProduct("P-207")).id}`);
  byId("offer-text").replaceChildren(...write(facts, last, signedIn));
}

/** Large on the home page, one line elsewhere; a link to the page already shown is left out. */
export function fitOffer(route) {
  byId("offer").dataset.size = route.name === "home" ? "full" : "compact";
  for (const anchor of byId("offer-text").querySelectorAll(".actions a")) {
    anchor.hidden = anchor.getAttribute("href") === `#${route.path}`;
  }
}

export function renderBanner(text) {
  const banner = byId("banner");
  banner.hidden = !text;
  banner.textContent = text ? String(text) : "";
}

/** A usable percentage, or 0. */
export function discountIn(section) {
  const percent = Number(section?.[1]?.attributes?.vip_discount_percentage);
  return percent > 0 && percent < 100 ? percent : 0;
}

function writeVip(facts, last, signedIn) {
  const percent = discountIn(["", { attributes: facts }]);
  const name = signedIn ? `${findPerson(signedIn).name}, the` : "The";
  const browsed = [facts.browsed_products_list].flat().map(findProduct).filter(Boolean).slice(0, 4);
  return [
    el("h2", {}, percent ? `Your ${percent}% VIP discount` : "Your VIP row"),
    el("p", {}, last ? `${name} ${last.name} is still lit. ` : "", percent ? "The discount comes off in your cart." : ""),
    browsed.length > 0 && el("div", { class: "browsed" },
      el("p", { id: "browsed-label" }, "You looked at"),
      el("ul", { "aria-labelledby": "browsed-label" }, browsed.map((product) =>
        el("li", {}, el("a", { href: `#/product/${product.id}`, title: product.name },
          drawing(`art-${product.id}`, "thumb", product.name)))))),
    actions(last ? link(last, `Back to the ${last.name}`) : el("a", { class: "button light", href: "#/" }, "See the goods")),
  ].filter(Boolean);
}

function writeWarm(facts, last) {
  const views = Number(facts.page_views_24h);
  return [
    el("h2", {}, last ? `Still thinking about the ${last.name}?` : "Take your time"),
    el("p", {}, views > 0 && `${views} pages in 24 hours. `, last ? "It is where you left it." : "Nothing here is going away."),
    actions(link(last ?? findProduct("P-207"), last ? "Take another look" : "See the Balcony Lamp")),
  ];
}

/** Also the words of index.html, for a visitor without an answer. */
function writeDefault(facts, last) {
  return [
    el("h2", {}, typeof facts.headline === "string" ? facts.headline : "Goods for an evening in"),
    el("p", {}, "Six things that make the second row of your living room the best seat in the house."),
    actions(last ? link(last, `Back to the ${last.name}`) : link(findProduct("P-207"), "See the Balcony Lamp")),
  ];
}

const actions = (...links) => el("p", { class: "actions" }, links);

const link = (product, text) => el("a", { class: "button light", href: `#/product/${product.id}` }, text);
