// The goods, and the made-up customers who buy them.

export const products = [
  { id: "P-207", name: "Balcony Lamp", price: 79.5, line: "Soft light, pull chain",
    about: "A velvet-red shade on a brass stem. It lights the page and leaves the screen alone." },
  { id: "P-311", name: "Folding Seat", price: 210, line: "Row H, seat 1",
    about: "A tip-up seat with brass arms. It folds flat to the wall until somebody comes to stay." },
  { id: "P-300", name: "Encore Radio", price: 129, line: "Walnut, one good speaker",
    about: "Two knobs, one speaker, no app. It plays until you tell it to stop." },
  { id: "P-200", name: "Copper Popper", price: 48, line: "Two quarts in four minutes",
    about: "A stovetop pot for popcorn, with a handle that stays cool. Butter is up to you." },
  { id: "P-100", name: "Usher’s Flashlight", price: 25, line: "Finds the way back",
    about: "A narrow beam that finds your seat and wakes nobody. Runs for eleven hours." },
  { id: "P-118", name: "Matinee Mug", price: 14, line: "Twelve ounces, striped",
    about: "Striped like the paper box, made of stoneware. Fits the arm of the folding seat." },
];

const PEOPLE = {
  "c-1001": { name: "Mira", note: "VIP" },
  "c-1002": { name: "Jon", note: "Gold" },
  "c-1003": { name: "Lea", note: "Bronze" },
};

export const findProduct = (id) => products.find((product) => product.id === id);

export const findPerson = (id) => ({ id, name: PEOPLE[id]?.name ?? id, note: PEOPLE[id]?.note ?? "" });

const dollars = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD" });

export const money = (amount) => dollars.format(amount);
