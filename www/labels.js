// Labels on the goods: the personalization `goods_labels` has a section for each, of which the first that holds is shown.

import { byId, el } from "./dom.js";

const goods = [...document.querySelectorAll(".goods [data-product]")];

/** Shows the labels of a decision, or none. */
export function label({ offers = {}, meta = {} } = {}) {
  const own = Object.entries(offers).filter(([section]) => meta.personalizations?.[section] === "goods_labels").map(([, { attributes }]) => attributes);
  for (const item of goods) {
    const text = own.find(({ product }) => product === item.dataset.product)?.label ?? "";
    const shown = item.querySelector(".label");
    if (shown) shown.textContent = text;
    else if (text) item.querySelector(".tile").append(el("span", { class: "label" }, text));
  }
  standing.textContent = own.map(({ standing }) => standing).filter(Boolean).join(" · ");
}

const standing = byId("standing");
