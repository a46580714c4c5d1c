// Fills an edge of release 0.1.0 with what the tests look for: a bundle with a history, visitors of every kind, a merge.
//
// usage: node fill.mjs <url of the edge> <binary of 0.1.0> <checkout of 0.1.0>

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const [url, usher, checkout] = process.argv.slice(2);
const keys = JSON.parse(readFileSync(join(checkout, "examples/shop/credentials.json"), "utf8"));
const env = { PATH: process.env.PATH, USHER_ADMIN_KEY: keys.admin_key, USHER_SERVER_KEY: keys.server_key };
const run = (...args) => execFileSync(usher, args, { env, stdio: "inherit" });

run("push", join(checkout, "examples/shop"), "--to", url, "-y");
run("import", join(checkout, "examples/shop/profiles.ndjson"), "--audience", "1069944", "--to", url);
const send = async (table, events) => {
  const headers = { authorization: `TD1 ${keys.write_key}`, "content-type": "application/json" };
  const answer = await fetch(`${url}/web/${table}`, { method: "POST", headers, body: JSON.stringify({ events }) });
  const text = await answer.text();
  if (answer.status !== 200 || /"success":false/.test(text)) throw new Error(`${table}: ${answer.status} ${text}`);
};
await send("pageviews", [
  { td_client_id: "browser-1", td_path: "/product/P-1", product_id: "P-1", event_id: "view-1" },
  { td_client_id: "browser-2", td_path: "/", event_id: "view-2" },
]);
await send("add_to_cart", [
  { td_client_id: "browser-1", product_id: "P-1", price: 12.5, event_id: "add-1" },
  { td_client_id: "browser-2", product_id: "P-2", price: 30, event_id: "add-2" },
]);
// Two browsers of one customer, who has a record.
await send("formfills", [
  { td_client_id: "browser-1", customer_id: "c-1001", event_id: "form-1" },
  { td_client_id: "browser-2", customer_id: "c-1001", event_id: "form-2" },
]);
await send("purchase", [{ td_client_id: "browser-3", product_id: "P-3", price: 7, event_id: "buy-1" }]);
