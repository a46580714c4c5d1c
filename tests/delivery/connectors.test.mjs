// Connectors of vendors: each template, delivered to a stub that takes what the vendor's documents say and nothing else, and answers
// as they say.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";

import { fire, host, listed, SECRET, until } from "./hosts.mjs";

/** Marketing Cloud's entry events: https://developer.salesforce.com/docs/marketing/marketing-cloud/guide/how-to-fire-an-event.html */
const salesforce = {
  connector: "salesforce_mc_out",
  path: "/interaction/v1/events",
  values: { contact_key: "{{customer_id}}", event_definition_key: "APIEvent-cart", data: { Sku: "{{last_sku}}", Carts: "{{carts}}", Note: "für {{customer_id}}" } },
  body: (sku) => ({ ContactKey: "anna", EventDefinitionKey: "APIEvent-cart", Data: { Sku: sku, Carts: 1, Note: "für anna" } }),
  answer({ ContactKey, EventDefinitionKey, Data, ...more }, headers) {
    if (!headers["content-type"].includes("charset=UTF-8")) return [400, { message: "The character set is missing.", errorcode: 10003 }];
    const isKnown = typeof ContactKey === "string" && EventDefinitionKey === "APIEvent-cart" && typeof Data === "object";
    if (!isKnown || Object.keys(more).length > 0) return [400, { message: "The event key is not found.", errorcode: 30003 }];
    return [201, { eventInstanceId: "4d7f3e4c-8c1e-4c0b-9a51-0d9b1a2c3e4f" }];
  },
};

/** SendGrid's mail send: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send */
const sendgrid = {
  connector: "sendgrid_out",
  path: "/v3/mail/send",
  values: { to: "{{customer_id}}@example.com", from: "shop@example.com", template_id: "d-0123456789abcdef0123456789abcdef", data: { sku: "{{last_sku}}", carts: "{{carts}}", always: true } },
  body: (sku) => ({
    personalizations: [{ to: [{ email: "anna@example.com" }], dynamic_template_data: { sku, carts: 1, always: true } }],
    from: { email: "shop@example.com" },
    template_id: "d-0123456789abcdef0123456789abcdef",
  }),
  answer({ personalizations, from, template_id }) {
    const isMail = (address) => typeof address?.email === "string" && /^[^@\s]+@[^@\s]+$/.test(address.email);
    const error = (message, field) => [400, { errors: [{ message, field, help: null }] }];
    if (!Array.isArray(personalizations) || personalizations.length === 0) return error("The personalizations field is required.", "personalizations");
    if (!personalizations.every(({ to }) => to?.length > 0 && to.every(isMail))) return error("Does not contain a valid address.", "personalizations.0.to");
    if (!isMail(from)) return error("The from object must be provided.", "from.email");
    if (!template_id?.startsWith("d-")) return error("The content value must be a string.", "content");
    return [202, undefined];
  },
};

/** Braze's custom events: https://www.braze.com/docs/api/endpoints/user_data/post_user_track/ */
const braze = {
  connector: "braze_out",
  path: "/users/track",
  values: { external_id: "{{customer_id}}", event: "cart", properties: { sku: "{{last_sku}}", carts: "{{carts}}" } },
  body: (sku, { events: [{ time }] }) => ({ events: [{ external_id: "anna", name: "cart", time, properties: { sku, carts: 1 } }] }),
  answer({ events, ...more }) {
    const isEvent = ({ external_id, name, time }) =>
      typeof external_id === "string" && typeof name === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(time ?? "") && Math.abs(Date.parse(time) - Date.now()) < 600_000;
    if (!Array.isArray(events) || events.length > 75 || Object.keys(more).length > 0) return [400, { message: "Valid data must be provided in the 'attributes', 'events', or 'purchases' fields." }];
    if (!events.every(isEvent)) return [400, { message: "'time' must be in ISO 8601." }];
    return [201, { message: "success", events_processed: events.length }];
  },
};

const definition = ({ connector, values }) => `parent_segment_id: "1069944"
events:
  - {name: add_to_cart, database: web, table: carts, filter: {field: sku, pattern: "."}}
attributes:
  - {name: last_sku, type: single, source_event: add_to_cart, source_field: sku, aggregation: last, sensitivity: non-sensitive}
  - {name: carts, type: counter, source_event: add_to_cart, window_duration: 24h, sensitivity: non-sensitive}
id_stitching:
  primary_key: customer_id
  stitching_keys: [{name: customer_id}]
---
parent_segment_id: "1069944"
journeys:
  - name: each
    stages:
      - name: only
        entry: {key_event: add_to_cart}
        steps: [{id: tell, activate: told}, {id: bye, end: true}]
activations:
  - {name: told, connection: receiver, connector: ${connector}, with: ${JSON.stringify(values)}}
`;

/** A vendor's server: the requests that came, each with the status of its answer. */
async function vendor(t, { path, answer }) {
  const got = [];
  const server = createServer((request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
      const body = JSON.parse(Buffer.concat(parts).toString("utf8"));
      let [status, answered] = [404, { message: "not found" }];
      if (request.method === "POST" && request.url === path) [status, answered] = answer(body, request.headers);
      if (request.headers.authorization !== "Bearer its-key") [status, answered] = [401, { message: "authorization required" }];
      got.push({ status, body });
      response.writeHead(status, { "content-type": "application/json" }).end(answered && JSON.stringify(answered));
    });
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${server.address().port}${path}`, got };
}

for (const connector of [salesforce, sendgrid, braze]) {
  test(`${connector.connector}: the vendor's server takes what it sends`, { timeout: 120_000 }, async (t) => {
    const { url, got } = await vendor(t, connector);
    const settings = [{ id: "receiver", url, secret: SECRET, private: true, headers: { authorization: "Bearer its-key" } }];
    const edge = await host(t, "native", url, { definition: definition(connector), settings: JSON.stringify(settings) });
    // A quote and a letter beyond ASCII stay what they are.
    const sku = 'Größe "9"';
    await fire(edge, [["anna", sku]]);
    const [{ status, body }] = await until(() => (got.length > 0 ? got : undefined), "it arrives");
    assert.ok(status >= 200 && status < 300, `${status} for ${JSON.stringify(body)}`);
    assert.deepEqual(body, connector.body(sku, body));
    const [attempt] = await until(async () => {
      const { attempts } = await listed(edge, "/attempts");
      return attempts.length > 0 ? attempts : undefined;
    }, "its result is noted");
    assert.deepEqual([attempt.delivered, attempt.status, attempt.activation_type], ["true", String(status), connector.connector]);
  });
}
