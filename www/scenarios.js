// The scenarios. A step says what it is about to do, does it, waits until `see` holds, and says why it is so.
//
// `notOnServer`, `notInTab` and `notOnDevice` say why a scenario does not run there; index.html's table says the same. On the device alone
// the network is cut once the edge gave its part, so that what `see` waits for has to be decided there.

import { ask, load } from "./stock.js";
import { timesText } from "./device.js";

const REAL_CLOCK = "nobody may set the clock of a real edge. It runs where the edge is in the tab.";

const SIGNS_IN = "signing in asks the edge, because only it knows whose profile that is.";

const view = (path, say, section, so) => ({ say, run: ({ open }) => open(path), see: (page) => page.section() === section && page.settled(), so });
const arrive = { say: "You are new here. Look at the offer.", run: () => {}, see: ({ section }) => section() === "Default", so: "Nothing is known of you: the section is Default." };
const lamp = view("/product/P-207", "Open the Balcony Lamp.", "Default", ({ isByDevice }) => isByDevice ? "This device counted a second view, of a product." : "The edge counted a second view, of a product.");
const home = view("/", "Back to the goods.", "Warm", "The third view within 24 hours: page_views_24h >= 3, so Warm.");
const signIn = {
  say: "Sign in as Mira.",
  run: ({ signIn }) => signIn("c-1001"),
  see: (page) => page.section() === "VIP Customers" && /15% VIP/.test(page.offer()),
  so: "Her batch record says VIP, and this browser is hers now: 15 % off.",
};
const unknown = {
  say: "Put the lamp into the cart.",
  run: (page) => page.press('[data-testid="add-P-207"]'),
  see: (page) => /Delivered/.test(page.banner()) && page.pending() === 0,
  so: "Free shipping is for who is not Bronze. Your tier is missing, so the rule is unknown, and unknown is not true.",
};
const shipping = { ...signIn, see: (page) => signIn.see(page) && /Free shipping today/.test(page.banner()), so: "Her batch record says VIP, which is not Bronze: the rule is true now, and shipping is free." };
const discount = (id, total, sum) => ({
  say: "Put something into the cart, and look at the sum.",
  run: (page) => (page.press(`[data-testid="add-${id}"]`), page.open("/cart")),
  see: () => document.querySelector('[data-testid="total"]')?.textContent === total,
  so: `${sum} less the 15 % of Mira’s record is ${total}.`,
});
const cut = {
  say: "Cut the network, and look at the radio.",
  run: (page) => (page.network("off"), page.open("/product/P-300")),
  see: (page) => page.pending() > 0 && page.usher.debug.status().failures > 0,
  so: (page) => `No answer. The shop stays as it is. Waiting in storage: ${page.pending()}.`,
};
const back = {
  say: "Bring the network back.",
  run: (page) => page.network("on"),
  see: (page) => page.pending() === 0,
  so: ({ counts }) => `Events made: ${counts.made}. Counted: ${counts.sent + counts.duplicates}, of these sent twice: ${counts.duplicates}. Lost: ${counts.dropped}.`,
};

export const SCENARIOS = {
  minute: { title: "One minute", notOnDevice: SIGNS_IN, steps: [arrive, lamp, home, signIn, discount("P-100", "$21.25", "$25"), cut, back] },
  affinity: {
    title: "Affinity",
    steps: [arrive, lamp,
      view("/product/P-311", "Open the Folding Seat.", "Warm", "Three views, and the newest product is the seat."),
      { say: "Back to the goods.", run: ({ open }) => open("/"), see: (page) => /Folding Seat/.test(page.offer()), so: "The answer names the product that you saw last." }],
  },
  cart: { title: "Cart", notOnDevice: SIGNS_IN, steps: [arrive, unknown, shipping] },
  vip: { title: "VIP", notOnDevice: SIGNS_IN, steps: [arrive, signIn, discount("P-311", "$178.50", "$210")] },
  stitch: {
    title: "Two browsers",
    notOnDevice: SIGNS_IN,
    steps: [arrive, lamp, signIn,
      { say: "Take another browser: a new id, and nobody signed in.", run: ({ newVisitor }) => newVisitor(), see: ({ section }) => section() === "Default", so: "A stranger again." },
      signIn,
      { say: "What did she look at?", run: () => {}, see: () => document.querySelector('#offer a[title="Balcony Lamp"]'), so: "The lamp, which the other browser saw: both ids are one profile." }],
  },
  consent: {
    title: "Consent denied",
    consent: "denied",
    notOnDevice: "after a grant the first answer asks the edge, which gives its part with it.",
    steps: [
      { say: "Look at the lamp without consent.", run: ({ open }) => open("/product/P-207"), see: ({ usher }) => usher.debug.status().pendingAll === 0 && !document.cookie.includes("usher_"), so: "No request was made, no id is stored, and the offer is the default." },
      { say: "Grant it.", run: ({ usher, open }) => (usher.setConsent("granted"), open("/")), see: (page) => page.section() === "Default" && page.pending() === 0, so: "From now on: the first view that is counted." },
    ],
  },
  blocked: {
    title: "Blocked",
    begin: ({ network }) => network("off"),
    steps: [
      { say: "Open a product while nothing reaches the edge.", run: ({ open }) => open("/product/P-118"), see: (page) => page.pending() > 0 && page.usher.debug.status().failures > 0, so: ({ byDevice }) => `${byDevice() ? "This device decides" : "The default stays"}, and nothing is thrown into the page. Events wait in storage, also over a reload.` },
      back,
    ],
  },
  lost: {
    title: "Lost answers",
    notOnDevice: "it asks the edge what it counted.",
    steps: [arrive,
      { say: "Lose the answers, and open the radio.", run: (page) => (page.network("lost"), page.open("/product/P-300")), see: (page) => page.pending() > 0 && page.usher.debug.status().failures > 0, so: "The edge counted the view, but the SDK cannot know." },
      { ...back, see: (page) => page.pending() === 0 && page.counts.duplicates > 0 },
      { say: "Count the views.", run: ({ open }) => open("/"), see: ({ offer }) => /3 pages/.test(offer()), so: "Three pages: what was sent twice has one id, and is counted once." }],
  },
  device: {
    title: "On the device",
    needsEngine: true,
    steps: [
      { say: "Let this browser decide: load the engine.", run: ({ decideOnDevice }) => decideOnDevice(), see: (page) => page.usher.engine.info().state === "ready" && page.pending() === 0,
        so: ({ usher }) => `The edge gave its program ${usher.engine.info().program.slice(0, 8)}… and what it knows of you. From now on this page decides.` },
      { say: "Cut the network, and open the Balcony Lamp.", run: (page) => (page.network("off"), page.open("/product/P-207")), see: (page) => page.byDevice() && page.pending() > 0,
        so: (page) => `Decided here, at once. Waiting for the edge: ${page.pending()}.` },
      { say: "Back to the goods.", run: ({ open }) => open("/"), see: (page) => page.section() === "Warm" && page.byDevice() && document.querySelector('[data-product="P-207"] .label')?.textContent === "Seen last",
        so: "The third view within 24 hours: Warm, and the lamp has its label, without any network." },
      { say: "Ask for cart_recovery, which stays at the edge.", run: ({ usher }) => usher.personalize({ names: ["cart_recovery"] }), see: () => true,
        so: (_page, { meta }) => (meta.engine === "default" ? "It asks the edge, which cannot be reached: the page has its default." : `It was answered by ${meta.engine}.`) },
      { say: "Bring the network back, and compare.", run: async (page) => {
        page.network("on");
        await page.until(() => page.pending() === 0);
        await page.ask();
      }, see: ({ device }) => device().parity.same >= 3 && device().parity.other === 0, so: ({ device }) => `The edge has the events, and gives the same bytes. ${device().parityText()}.` },
      { say: "How long does a decision take?", run: ({ device }) => device().time(), see: (_page) => true, so: (_page, timed) => timesText(timed) },
    ],
  },
  stock: {
    title: "Stock SDK",
    notOnDevice: "td-js-sdk asks the edge, and knows nothing else.",
    notInTab: "td-js-sdk calls https:// and a host, and this edge has a path of this site.",
    steps: [
      { say: "Load td-js-sdk, untouched, with a visitor of its own.", run: load, see: () => window.Treasure, so: "It is the file of the npm package." },
      { say: "Let it send a view and ask for offers.", run: ({ edge }) => ask(edge), see: () => true, so: (_page, answer) => `fetchPersonalization called back with ${JSON.stringify(answer)}.` },
    ],
  },
  window: {
    title: "Time passes",
    notOnServer: REAL_CLOCK,
    notOnDevice: "nobody may set this browser’s clock.",
    steps: [arrive, lamp, home,
      { say: "Wait 25 hours, by the edge’s clock.", run: ({ edge, usher }) => edge.tab.setClockOffset(25 * 3_600_000).then(() => usher.personalize()).then((decision) => usher.render(decision)), see: ({ section }) => section() === "Default", so: "The views have left the window of 24 hours, so Warm is over." },
      { say: "And back.", run: ({ edge, usher }) => edge.tab.setClockOffset(0).then(() => usher.personalize()).then((decision) => usher.render(decision)), see: ({ section }) => section() === "Warm", so: "The state did not change, only the time that it was asked at." }],
  },
  rules: {
    title: "Another rule",
    notOnDevice: "a new program asks the edge.",
    notOnServer: "a rule is published by usher push. The tab “Rules” checks it as you type, and has the line.",
    steps: [arrive,
      { say: "Let one view be enough for Warm.", run: async ({ tab, until }) => {
        tab("given-1");
        const editor = await until(() => document.querySelector('[data-testid="rules"] textarea'));
        editor.value = editor.value.replace("page_views_24h >= 3", "page_views_24h >= 1");
        editor.dispatchEvent(new Event("input"));
      }, see: ({ section }) => section() === "Warm", so: "The rule was compiled in this page, published to the tab’s edge, and asked again." },
      { say: "Take it back.", run: async ({ until }) => (await until(() => document.querySelector('[data-testid="rules-reset"]'))).click(), see: ({ section }) => section() === "Default", so: "As it was." }],
  },
};
