// The goods, as index.html has them, and the made-up customers who buy them.

export const products = [...document.querySelectorAll("[data-product]")].map((card) => ({
  id: card.dataset.product,
  name: card.querySelector("h2").textContent,
  price: Number(card.dataset.price),
  about: card.dataset.about,
}));

const PEOPLE = {
  "c-1001": { name: "Mira", note: "VIP" },
  "c-1002": { name: "Jon", note: "Gold" },
  "c-1003": { name: "Lea", note: "Bronze" },
};

export const findProduct = (id) => products.find((product) => product.id === id);

export const findPerson = (id) => ({ id, name: PEOPLE[id]?.name ?? id, note: PEOPLE[id]?.note ?? "" });

const dollars = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD" });

export const money = (amount) => dollars.format(amount);
