// Wiring: an address becomes a page and a page view, a click an event; the SDK asks, and fills the slots. The shop works before,
// without, and after a lost answer.

import * as cart from "./cart.js";
import { findPerson, money } from "./catalog.js";
import { byId } from "./dom.js";
import { startSplitter, startTheme } from "./frame.js";
import { label } from "./labels.js";
import { findEdge } from "./ways.js";
import { setNetwork, watchNetwork } from "./network.js";
import { discountIn, dress } from "./offer.js";
import { loadScript } from "./load.js";
import { recall, remember } from "./memory.js";
import { renderPage, renderTotals } from "./pages.js";
import { countEvents, eventsText, prove } from "./proof.js";
import { readRoute } from "./router.js";
import { startShare } from "./share.js";

const { usher } = window;
/** Two slots, and the labels of goods, which this page draws itself. */
const NAMES = ["web_personalization", "cart_entity", "goods_labels"];
const isScenario = document.documentElement.dataset.scenario !== undefined;
/** True if the device decides: a scenario's address says so, else what was chosen before. */
const isByDevice = isScenario ? new URLSearchParams(location.search).get("way") === "device" : recall("decides", "edge") === "device";

const state = {
  edge: null, // of ways.js; null while there is none
  device: null, // of device.js; null while nobody asked for it
  counts: null, // of proof.js
  // Scenarios begin with the goods.
  route: (!isScenario && readRoute()) || readRoute("#/"),
  signedIn: recall("signed-in", null),
  customers: ["c-1001", "c-1002", "c-1003"],
  discount: 0,
};

// ---- Pages ----

const act = {
  add(item) {
    cart.add(item.id);
    drawFrame();
    toast(`${item.name} is in your cart.`);
    tell("add_to_cart", { product_id: item.id, price: item.price });
  },
  remove(item) {
    const count = cart.remove(item.id);
    drawFrame();
    drawPage();
    toast(`${item.name} was removed.`);
    tell("remove_from_cart", { product_id: item.id, price: item.price, quantity: count });
  },
  order() {
    const { total } = cart.totals(state.discount);
    const product_ids = cart.contents().map((line) => line.product.id);
    cart.clear();
    drawFrame();
    drawPage();
    toast(`Thank you. Your order of ${money(total)} is placed.`);
    tell("purchase", { product_ids, price: total });
  },
  signIn(customer_id) {
    // Another visitor than before: the SDK asks again by itself, and takes this event along.
    usher.identify(customer_id, here({ form: "sign-in" }), { table: "formfills" });
    state.signedIn = customer_id;
    remember("signed-in", customer_id);
    toast(`Welcome, ${findPerson(customer_id).name}.`);
    location.hash = "#/";
  },
};

function drawPage() {
  byId("shop").replaceChildren(...renderPage(state.route, act, state).filter(Boolean));
  document.documentElement.dataset.drawn = "";
}

/** Draws around the page: the cart count, the account link, the size of the offer. */
function drawFrame() {
  byId("cart-count").textContent = cart.pieces();
  byId("account-link").textContent = state.signedIn ? findPerson(state.signedIn).name : "Sign in";
  document.documentElement.dataset.size = state.route.name === "home" ? "full" : "compact";
  for (const link of document.querySelectorAll("[data-route]")) {
    if (link.dataset.route === state.route.name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${state.route.title} – Second Row`;
}

export function toast(text) {
  const box = byId("toast");
  box.textContent = text;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => { box.textContent = ""; }, 4000);
}

function go() {
  const route = readRoute();
  if (!route) return;
  state.route = route;
  drawFrame();
  drawPage();
  window.scrollTo(0, 0);
  byId("shop").querySelector("h1")?.focus({ preventScroll: true });
  view();
  ask();
}

// ---- Events out, offers in ----

/** Columns of an event that happens on the page now shown: its path is the shop's, not the address of this one document. */
const here = (columns) => ({ td_path: state.route.path, ...columns });

const view = () => usher.page(here(state.route.product && { product_id: state.route.product.id }));

/** An event of a table of its own; the answer reflects it. */
function tell(table, columns) {
  usher.track(table, here(columns), { table });
  ask();
}

/** Without an answer slots keep what they show. */
async function ask() {
  const decision = await usher.personalize({ names: NAMES });
  if (decision.meta.engine === "default") return;
  await usher.render(decision);
  label(decision);
  state.device?.note(NAMES, decision);
}

/** Loads what decides in this page, and asks it. */
async function decideOnDevice() {
  const { deviceOf } = await import("./device.js");
  state.device = deviceOf(tools());
  const info = await state.device.load();
  byId(info.state === "failed" || info.state === "off" ? "decides-edge" : "decides-device").checked = true;
  return info;
}

const tools = () => ({ usher, edge: state.edge, counts: state.counts, ask, decideOnDevice });

/** The SDK keeps an engine that it loaded for the life of its page, so the way back is another page. */
function choose({ target: { value } }) {
  remember("decides", value);
  if (value === "device") void decideOnDevice();
  else location.assign(location.pathname);
}

function watch() {
  let decision = null;
  usher.on("decision", (made) => { decision = made; });
  usher.on("render", (report) => {
    const offer = report.find(({ slot }) => slot === "web_personalization");
    if (!offer) return;
    const attributes = (offer.section && decision?.offers[offer.section]?.attributes) || {};
    dress(offer, attributes);
    state.discount = discountIn(attributes);
    byId("totals")?.replaceChildren(renderTotals(state.discount));
    document.documentElement.dataset.ready = offer.section ?? "default";
  });
  usher.on("error", ({ code }) => {
    const without = usher.engine.info().state === "ready" ? "This device decides" : "The shop stays as it is";
    toast(code === "network" ? `No answer of the edge. ${without}, and the events wait.` : `The edge refused: ${code}`);
  });
  usher.on("consent", ({ analytics }) => remember("consent", analytics === "denied" ? "denied" : "granted"));
}

function newVisitor() {
  cart.clear();
  state.signedIn = null;
  state.discount = 0;
  remember("signed-in", null);
  usher.reset();
  label();
  const isElsewhere = state.route.name !== "home";
  if (readRoute()?.name !== "home") history.replaceState(null, "", "#/");
  state.route = readRoute("#/");
  drawFrame();
  if (isElsewhere) drawPage();
  view();
}

// ---- Start ----

async function start() {
  let scenario = null;
  try {
    if (isScenario) scenario = await import("./scenario.js");
    state.edge = await findEdge();
  } catch (error) {
    document.documentElement.dataset.ready = "default";
    byId("way").textContent = "none";
    return toast(`The edge of this demo cannot be reached, so the shop shows its defaults. (${error.message})`);
  }
  const { keys, endpoint, way } = state.edge;
  if (Array.isArray(keys.customers)) state.customers = keys.customers;
  byId("way").textContent = way;
  watchNetwork(usher, endpoint);
  byId("network").addEventListener("change", ({ target }) => setNetwork(target.value));
  state.counts = countEvents(usher, (counts) => prove("events", eventsText(counts)));
  watch();
  const columns = { pageTable: "pageviews", anonymousIdColumn: "td_client_id", userIdColumn: "customer_id" };
  const { audience, preview_token: previewToken } = keys;
  // Nobody but this browser reaches an edge in it, so there is no line for a shell.
  const callers = state.edge.tab ? {} : { writeKey: keys.write_key, token: keys.public_token };
  // Before the SDK starts, so that the inspector lists every event.
  await loadScript("overlay.js", { into: "inspector", endpoint, audience, previewToken, anonymousIdColumn: columns.anonymousIdColumn, ...callers }).catch(({ message }) => toast(message));
  usher.load({ writeKey: keys.write_key, token: keys.public_token, endpoint, auto: "render", consent: scenario?.consent ?? recall("consent", "granted"), timeoutMs: 2000, ...(keys.engine && { engine: keys.engine }), ...columns });
  byId("decides-device").disabled = !keys.engine;
  const isPlayed = scenario?.play({ ...tools(), newVisitor, isByDevice, device: () => state.device });
  // Before the SDK asks by itself, so that its first question takes the view along.
  if (scenario) newVisitor();
  else view();
  if (isByDevice && keys.engine && isPlayed !== false) void decideOnDevice();
  else if (!scenario) usher.ready(() => usher.personalize({ names: ["goods_labels"] }).then(label));
  if (state.route.name !== "home") drawPage();
  for (const name of ["rules", "time", "device"]) whenSeen(byId(name), async () => (await import(`./${name}.js`)).start(byId(name), state.edge, tools()));
}

/** Once, when the element is shown: its tab was chosen. */
function whenSeen(element, then) {
  const observer = new IntersectionObserver(([{ isIntersecting }]) => {
    if (!isIntersecting) return;
    observer.disconnect();
    then();
  });
  observer.observe(element);
}

window.addEventListener("hashchange", go);
byId("decides").addEventListener("change", choose);
byId("start-over").addEventListener("click", () => {
  newVisitor();
  toast("You are a new visitor.");
});
// Jumps move the focus and leave the address alone: the hash is the shop's route.
for (const link of document.querySelectorAll("[data-jump]")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    const target = byId(link.getAttribute("href").slice(1));
    const tabs = target.shadowRoot;
    if (link.dataset.tab) tabs?.getElementById(`tab-${link.dataset.tab}`)?.click();
    (tabs?.querySelector('[aria-selected="true"]') ?? target).focus({ preventScroll: true });
    target.scrollIntoView({ block: "nearest" });
  });
}

startTheme();
startShare(byId("share"), toast);
startSplitter();
drawFrame();
drawPage();
start();
