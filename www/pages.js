// The pages of the shop. Each function answers the nodes of one page; `act` holds what its
// buttons do, so that nothing here knows of events or the SDK.

import { contents, totals } from "./cart.js";
import { findPerson, findProduct, money } from "./catalog.js";
import { drawing, el } from "./dom.js";

export function renderPage(route, act, state) {
  const pages = { home, product, cart, account, missing };
  return pages[route.name](route, act, state);
}

const title = (text) => el("h1", { tabindex: "-1" }, text);

const addButton = (item, act, label) =>
  el("button", {
    type: "button", class: "button", "data-testid": `add-${item.id}`,
    "aria-label": `Add to cart: ${item.name}`, onclick: () => act.add(item),
  }, label);

/** The page that index.html begins with. */
const first = [...document.querySelectorAll("main > h1, main > .standing, main > .goods")];

function home(_route, act) {
  for (const button of first[2].querySelectorAll("button")) {
    const item = findProduct(button.closest("[data-product]").dataset.product);
    button.onclick = () => act.add(item);
  }
  return first;
}

function product({ product: item }, act) {
  return [
    el("p", { class: "back" }, el("a", { href: "#/" }, "All goods")),
    el("article", { class: "detail" },
      el("div", { class: "tile" }, drawing(`art-${item.id}`, "art", `Drawing of the ${item.name}`)),
      el("div", { class: "detail-text" },
        title(item.name),
        el("p", { class: "price" }, money(item.price)),
        el("p", {}, item.about),
        el("p", { class: "actions" }, addButton(item, act, "Add to cart")),
        el("p", { class: "code" }, "Article ", el("code", {}, item.id)))),
  ];
}

function cart(_route, act, state) {
  const lines = contents();
  if (lines.length === 0) {
    return [title("Your cart"), el("p", { class: "note" }, "Nothing here yet. "),
      el("p", {}, el("a", { class: "button", href: "#/" }, "See the goods"))];
  }
  return [
    title("Your cart"),
    el("ul", { class: "lines" }, lines.map(({ product: item, count }) =>
      el("li", {},
        el("div", { class: "tile small" }, drawing(`art-${item.id}`, "art")),
        el("div", { class: "line-name" },
          el("a", { href: `#/product/${item.id}` }, item.name),
          el("span", {}, `${count} × ${money(item.price)}`)),
        el("span", { class: "price" }, money(item.price * count)),
        el("button", {
          type: "button", class: "button quiet", "data-testid": `remove-${item.id}`,
          "aria-label": `Remove ${item.name} from cart`, onclick: () => act.remove(item),
        }, "Remove")))),
    el("div", { id: "totals" }, renderTotals(state.discount)),
    el("p", { class: "actions" },
      el("button", { type: "button", class: "button", "data-testid": "checkout", onclick: () => act.order() }, "Place order")),
  ];
}

/** Apart from the page, because the discount arrives with an answer that may come later. */
export function renderTotals(percent) {
  const { goods, discount, total } = totals(percent);
  return el("dl", { class: "totals" },
    percent > 0 && [el("dt", {}, "Goods"), el("dd", {}, money(goods)),
      el("dt", {}, `VIP discount, ${percent}%`), el("dd", {}, `−${money(discount)}`)],
    el("dt", { class: "sum" }, "Total"), el("dd", { class: "sum", "data-testid": "total" }, money(total)));
}

function account(_route, act, state) {
  const signedIn = state.signedIn && findPerson(state.signedIn);
  const error = el("p", { class: "error", role: "alert" });
  const submit = async (event) => {
    event.preventDefault();
    error.textContent = "";
    const id = new FormData(event.currentTarget).get("customer");
    try {
      await act.signIn(id);
    } catch (cause) {
      error.textContent = `Sign-in was not stored. (${cause.message})`;
    }
  };
  return [
    title("Your account"),
    signedIn && el("p", { class: "note", "data-testid": "signed-in" },
      `Signed in as ${signedIn.name}. “New visitor” above becomes somebody without a past.`),
    el("form", { class: "form", onsubmit: submit },
      el("fieldset", {},
        el("legend", {}, "Sign in as"),
        state.customers.map((id, index) => {
          const person = findPerson(id);
          return el("label", { class: "choice" },
            el("input", {
              type: "radio", name: "customer", value: id, "data-testid": `customer-${id}`,
              checked: state.signedIn ? id === state.signedIn : index === 0,
            }),
            el("span", { class: "choice-name" }, person.name),
            el("span", { class: "choice-note" }, person.note),
            el("code", {}, id));
        })),
      el("p", { class: "hint" },
        "No password in a demo. Signing in sends one event with this customer id; it ties the browser to the customer’s record."),
      error,
      el("p", { class: "actions" }, el("button", { type: "submit", class: "button", "data-testid": "sign-in" }, "Sign in"))),
  ];
}

function missing(route) {
  return [
    title("Nothing in this row"),
    el("p", {}, "There is no page at ", el("code", {}, route.path), "."),
    el("p", {}, el("a", { class: "button", href: "#/" }, "See the goods")),
  ];
}
