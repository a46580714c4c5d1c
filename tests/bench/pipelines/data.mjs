// The lines of the bench's topics: the same for the same seed.

import fs from "node:fs";
import path from "node:path";

const CATEGORIES = ["electronics", "books", "home", "garden", "toys", "sports"];
const BRANDS = ["TechCorp", "HomeStyle", "Papyrus", "Verdant", "Playful"];
/** Lines that are written to a file at once. */
const LINES = 20_000;

/** Lines of the topics of so many users and products. */
export class Data {
  #seed = 7;

  constructor(users, products) {
    this.users = users;
    this.products = products;
  }

  #random(bound) {
    this.#seed = (Math.imul(this.#seed, 1103515245) + 12345) >>> 0;
    return Math.floor((this.#seed / 2 ** 32) * bound);
  }

  #one(of) {
    return of[this.#random(of.length)];
  }

  /** A file for each joined topic. */
  writeDimensions(folder) {
    const write = (topic, count, line) => writeLines(path.join(folder, `${topic}.ndjson`), count, line);
    write("user_profiles", this.users, (at) => ({
      user_id: `user_${at}`, email: `user${at}@example.com`, subscription_tier: this.#one(["free", "premium"]),
      age_group: this.#one(["18-24", "25-34"]), location: "US-CA", preferences: [this.#one(CATEGORIES), this.#one(CATEGORIES)],
      signup_date: "2023-06-15", total_orders: this.#random(30), lifetime_value: this.#random(500_000) / 100,
    }));
    write("products", this.products, (at) => ({
      product_id: `prod_${at}`, name: `Product ${at}`, category: this.#one(CATEGORIES), subcategory: "any", brand: this.#one(BRANDS),
      price: this.#random(200_000) / 100, rating: this.#random(50) / 10, tags: ["a", "b"], in_stock: true,
    }));
    write("purchase_history", this.users, (at) => ({
      user_id: `user_${at}`, last_purchase_date: "2025-06-20T10:15:00Z", last_category: this.#one(CATEGORIES),
      avg_order_value: this.#random(50_000) / 100, purchase_frequency: this.#one(["weekly", "monthly"]),
      favorite_brands: [this.#one(BRANDS)],
    }));
  }

  /** An event as a line. Of each twenty one is of a user or a product that nobody knows, and waits. */
  click(at, time_ms) {
    return `${JSON.stringify({
      event_id: `evt_${at}`, user_id: `user_${this.#random(this.users * 1.02)}`, session_id: `sess_${at >> 3}`,
      event_type: this.#one(["page_view", "add_to_cart", "search", "scroll"]), page_url: `/product/${at}`,
      product_id: `prod_${this.#random(this.products * 1.03)}`, timestamp: new Date(time_ms).toISOString(), referrer: "google",
      device: this.#one(["desktop", "mobile"]), location: "US-CA",
    })}\n`;
  }
}

function writeLines(file, count, line) {
  const out = fs.openSync(file, "w");
  for (let from = 0; from < count; from += LINES) {
    const length = Math.min(LINES, count - from);
    fs.writeSync(out, Array.from({ length }, (_, at) => JSON.stringify(line(from + at)) + "\n").join(""));
  }
  fs.closeSync(out);
}
