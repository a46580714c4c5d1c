// Wiring: an address becomes a page and a page view; an answer becomes an offer; both become
// lines in the inspector. The shop works before, without, and after a lost answer.

import * as cart from "./cart.js";
import { findPerson, money } from "./catalog.js";
import { byId } from "./dom.js";
import { explain } from "./explain.js";
import { forgetAll, renderAnswer, renderExplanation, renderNotice, renderVisitor } from "./inspector.js";
import { clearLog, logEvent } from "./log.js";
import { recall, remember } from "./memory.js";
import { discountIn, fitOffer, pickSection, renderBanner, renderOffer } from "./offer.js";
import { renderPage, renderTotals } from "./pages.js";
import { readRoute } from "./router.js";
import { connect, newEvent } from "./sdk.js";

const state = {
  keys: null, // the contents of /demo.json
  sdk: null, // null while there are no keys or no SDK
  route: readRoute() ?? readRoute("#/"),
  signedIn: recall("signed-in", null),
  customers: ["c-1001", "c-1002", "c-1003"],
  discount: 0,
  view: 0, // counts page views, so that an overtaken answer is not shown
  question: 0, // counts explanations, likewise
};

// ---- Pages ----

const act = {
  add(item) {
    cart.add(item.id);
    renderShop();
    toast(`${item.name} is in your cart.`);
    ask("add_to_cart", here({ product_id: item.id, price: item.price }));
  },
  remove(item) {
    const count = cart.remove(item.id);
    renderShop();
    drawPage();
    toast(`${item.name} was removed.`);
    insist("remove_from_cart", here({ product_id: item.id, price: item.price, quantity: count }));
  },
  order() {
    const { total } = cart.totals(state.discount);
    const product_ids = cart.contents().map((line) => line.product.id);
    cart.clear();
    renderShop();
    drawPage();
    toast(`Thank you. Your order of ${money(total)} is placed.`);
    insist("purchase", here({ product_ids, price: total }));
  },
  async signIn(customer_id) {
    await track("formfills", here({ form: "sign-in", customer_id })); // the form shows a failure
    state.signedIn = customer_id;
    remember("signed-in", customer_id);
    renderShop();
    toast(`Welcome, ${findPerson(customer_id).name}.`);
    location.hash = "#/"; // the next page view is answered for the customer
  },
};

function drawPage() {
  byId("shop").replaceChildren(...renderPage(state.route, act, state).filter(Boolean));
  byId("shop").querySelector("h1")?.focus({ preventScroll: true });
}

/** What stands around the page: the cart count, the account link, the size of the offer. */
function renderShop() {
  byId("cart-count").textContent = cart.pieces();
  byId("account-link").textContent = state.signedIn ? findPerson(state.signedIn).name : "Sign in";
  fitOffer(state.route);
  if (cart.pieces() === 0) renderBanner("");
  for (const link of document.querySelectorAll("[data-route]")) {
    if (link.dataset.route === state.route.name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${state.route.title} – Second Row`;
}

function toast(text) {
  const box = byId("toast");
  box.textContent = text;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => { box.textContent = ""; }, 4000);
}

function go(event) {
  const route = readRoute();
  if (!route) return;
  state.route = route;
  renderShop();
  drawPage();
  if (event) window.scrollTo(0, 0);
  viewPage();
}

// ---- Events out, offers in ----

/** An event that happens on the page now shown. */
const here = (columns) => newEvent({ td_path: state.route.path, ...columns });

const viewPage = () => ask("pageviews", here(state.route.product && { product_id: state.route.product.id }));

/** Sends an event that is answered with offers. A retry sends the same event under the same id. */
async function ask(table, columns) {
  const { sdk } = state;
  const settle = logEvent(table, columns);
  if (!sdk) return settle("failed", "not sent"); // start() has told why
  const visitor = sdk.visitor();
  const turn = table === "pageviews" ? ++state.view : null;
  const started = performance.now();
  let answer;
  try {
    answer = await sdk.ask(table, columns);
  } catch (error) {
    settle("failed", "no answer");
    if (turn === state.view) showOffer(null);
    return renderNotice(
      `No answer from the server.${turn ? " The shop shows its default content." : ""} (${error.message})`,
      () => ask(table, columns));
  }
  const took_ms = performance.now() - started;
  const count = Object.keys(answer.offers).length;
  const offers = count === 0 ? "stored, no offer" : count === 1 ? "1 offer" : `${count} offers`;
  settle("ok", `${offers}, ${took_ms.toFixed(0)} ms`);
  if (visitor !== sdk.visitor() || (turn && turn !== state.view)) return;

  renderNotice("");
  renderAnswer({ table, about: columns.product_id ?? columns.td_path, answer, took_ms });
  if (turn) {
    showOffer(pickSection(answer.offers));
    document.documentElement.dataset.ready = "true";
  } else {
    const banner = Object.values(answer.offers).find((offer) => offer?.attributes?.banner)?.attributes.banner;
    if (banner && cart.pieces() > 0) renderBanner(banner);
  }
  askWhy({ database: "web", table, columns: { ...columns, td_client_id: visitor } });
}

/** Sends an event that gets a receipt and no offers. Throws when it was not stored. */
async function track(table, columns) {
  const settle = logEvent(table, columns);
  try {
    if (!state.sdk) throw new Error("The demo server is not connected.");
    const receipt = await state.sdk.track(table, columns);
    settle("ok", receipt ? "receipt: stored" : "sent, no receipt");
  } catch (error) {
    settle("failed", "no receipt");
    throw error;
  }
  renderNotice("");
  askWhy();
}

/** track, with the failure told in the inspector. */
async function insist(table, columns) {
  try {
    await track(table, columns);
  } catch (error) {
    renderNotice(`The event ${table} was not stored. (${error.message})`,
      state.sdk ? () => insist(table, columns) : start);
  }
}

async function askWhy(event) {
  const turn = ++state.question;
  try {
    const explanation = await explain(state.keys, state.sdk.visitor(), event);
    if (turn === state.question) renderExplanation(explanation);
  } catch (error) {
    if (turn === state.question) renderNotice(`The reasons are not available. ${error.message}`, () => askWhy(event));
  }
}

function showOffer(section) {
  renderOffer(section, state.signedIn);
  fitOffer(state.route);
  state.discount = discountIn(section);
  byId("totals")?.replaceChildren(renderTotals(state.discount));
}

// ---- Start ----

async function start() {
  try {
    const response = await fetch("/demo.json", { cache: "no-store" });
    if (!response.ok) throw new Error(`/demo.json answered ${response.status}.`);
    state.keys = await response.json();
    state.sdk = connect(state.keys);
  } catch (error) {
    showOffer(null);
    return renderNotice(`The demo server is not connected. The shop shows its default content. (${error.message})`, start);
  }
  if (Array.isArray(state.keys.customers)) state.customers = state.keys.customers;
  renderNotice("");
  renderVisitor(state.sdk.visitor());
  if (state.route.name === "account") drawPage();
  viewPage();
}

function startOver() {
  state.sdk?.newVisitor();
  state.signedIn = null;
  state.discount = 0;
  remember("signed-in", null);
  cart.clear();
  clearLog();
  forgetAll();
  renderBanner("");
  renderVisitor(state.sdk?.visitor());
  toast("You are a new visitor.");
  if (state.route.name === "home") go();
  else location.hash = "#/";
}

window.addEventListener("hashchange", go);
byId("start-over").addEventListener("click", startOver);
// Jumps move the focus and leave the address alone: the hash is the shop's route.
for (const link of document.querySelectorAll("[data-jump]")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    const target = byId(link.getAttribute("href").slice(1));
    if (target.localName === "details") target.open = true;
    target.focus({ preventScroll: true });
    target.scrollIntoView({ block: "start" });
  });
}

renderShop();
byId("shop").replaceChildren(...renderPage(state.route, act, state).filter(Boolean));
start();
