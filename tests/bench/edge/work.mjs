// The work of the rows: one audience with a number of sections, made from a seed, as Usher's definition and as JavaScript.
//
// Each section has five criteria over the same eleven attributes. What the hand-written workers run is the JavaScript that a
// person would write for these sections; the answers are compared before anything is timed.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export const AUDIENCE = "1069944";
export const PERSONALIZATION = "home";

const CATEGORIES = ["shoes", "bags", "coats", "hats", "belts", "socks", "shirts", "scarves"];
const TIERS = ["VIP", "Gold", "Silver", "Bronze"];
const COUNTRIES = ["NO", "SE", "DK", "DE", "FR", "IT", "ES", "PL"];

const CONFIG = `parent_segment_id: "${AUDIENCE}"
events:
  - {name: page_view, database: web, table: pageviews}
  - {name: purchase, database: web, table: purchase}
attributes:
  - {name: last_product, type: single, source_event: page_view, source_field: product_id, sensitivity: non-sensitive, aggregation: last}
  - {name: last_category, type: single, source_event: page_view, source_field: category, sensitivity: non-sensitive, aggregation: last}
  - {name: browsed, type: list, source_event: page_view, source_field: product_id, sensitivity: non-sensitive, aggregation: distinct_list, max_items: 100, expiry_days: 60}
  - {name: views_24h, type: counter, source_event: page_view, sensitivity: non-sensitive, window_duration: 24h, aggregation: count}
  - {name: views_7d, type: counter, source_event: page_view, sensitivity: non-sensitive, window_duration: 7d, aggregation: count}
  - {name: purchases_30d, type: counter, source_event: purchase, sensitivity: non-sensitive, window_duration: 30d, aggregation: count}
  - {name: tier, type: imported_batch, source: parent_segment, sensitivity: non-sensitive}
  - {name: country, type: imported_batch, source: parent_segment, sensitivity: non-sensitive}
  - {name: spent, type: imported_batch, source: parent_segment, sensitivity: non-sensitive}
  - {name: orders, type: imported_batch, source: parent_segment, sensitivity: non-sensitive}
  - {name: newsletter, type: imported_batch, source: parent_segment, sensitivity: non-sensitive}
id_stitching:
  primary_key: customer_id
  stitching_keys:
    - {name: td_client_id}
    - {name: customer_id}
  ext_lookup_key: customer_id
`;

/** What is imported of one customer; the texts and numbers spread over those of the criteria. */
export function record(n) {
  return {
    customer_id: `c-${n}`,
    tier: TIERS[n % TIERS.length],
    country: COUNTRIES[(n * 3) % COUNTRIES.length],
    spent: (n * 37) % 2000,
    orders: n % 25,
    newsletter: n % 3 === 0 ? "yes" : "no",
    batch_segments: n % 2 ? ["regular"] : [],
  };
}

/** The events that give a customer a history: the last two hours, ten minutes apart. */
export function history(n) {
  const now = Math.floor(Date.now() / 1_000);
  return Array.from({ length: 12 }, (_, index) => ({ ...event(n, index), time: now - (12 - index) * 600 }));
}

/** A page view. */
export function event(n, index) {
  return { customer_id: `c-${n}`, product_id: `P-${(n + index * 7) % 40}`, category: CATEGORIES[(n + index) % CATEGORIES.length] };
}

/** A random number generator from a seed (mulberry32). */
function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** The sections: each a name and five criteria `{attribute, op, value}`. */
export function sections(count, seed = 7) {
  const next = random(seed);
  const below = (n) => Math.floor(next() * n);
  const some = (all, n) => {
    const from = below(all.length);
    return Array.from({ length: n }, (_, index) => all[(from + index) % all.length]);
  };
  const low = () => below(1500);
  return Array.from({ length: count }, (_, index) => {
    const spent = low();
    return {
      name: `section ${index}`,
      criteria: [
        { attribute: "views_24h", op: ">=", value: 1 + below(6) },
        { attribute: "last_category", op: "IN", value: some(CATEGORIES, 3 + below(3)) },
        { attribute: "spent", op: "BETWEEN", value: [spent, spent + 1000] },
        { attribute: "tier", op: "!=", value: TIERS[below(TIERS.length)] },
        below(2) ? { attribute: "browsed", op: "SIZE >", value: below(8) } : { attribute: "country", op: "IN", value: some(COUNTRIES, 5) },
      ],
    };
  });
}

const quoted = (value) => (typeof value === "string" ? `'${value}'` : String(value));

function asText({ attribute, op, value }) {
  if (op === "IN") return `${attribute} IN (${value.map(quoted).join(", ")})`;
  if (op === "BETWEEN") return `${attribute} BETWEEN ${value[0]} AND ${value[1]}`;
  if (op === "SIZE >") return `SIZE(${attribute}) > ${value}`;
  return `${attribute} ${op} ${quoted(value)}`;
}

/** A criterion as a person writes it in JavaScript; a missing value enters no section. */
function asJavaScript({ attribute, op, value }) {
  const read = `p.${attribute}`;
  if (op === "IN") return `(${value.map((one) => `${read} === ${JSON.stringify(one)}`).join(" || ")})`;
  if (op === "BETWEEN") return `${read} >= ${value[0]} && ${read} <= ${value[1]}`;
  if (op === "SIZE >") return `${read}.length > ${value}`;
  if (op === "!=") return `${read} !== undefined && ${read} !== ${JSON.stringify(value)}`;
  return `${read} ${op} ${JSON.stringify(value)}`;
}

/** A module with `SECTIONS`, each `[name, test(p)]`. */
export function javaScript(count) {
  const rows = sections(count).map(({ name, criteria }) => `  [${JSON.stringify(name)}, (p) => ${criteria.map(asJavaScript).join(" && ")}],`);
  return `export const SECTIONS = [\n${rows.join("\n")}\n];\n`;
}

/** The same as features of GrowthBook: a feature is on when its condition holds. */
export function growthBook(count) {
  const condition = ({ attribute, op, value }) => {
    if (op === "IN") return { [attribute]: { $in: value } };
    if (op === "BETWEEN") return { [attribute]: { $gte: value[0], $lte: value[1] } };
    if (op === "SIZE >") return { [attribute]: { $size: { $gt: value } } };
    return { [attribute]: op === "!=" ? { $ne: value } : { $gte: value } };
  };
  const features = sections(count).map(({ name, criteria }) => [
    name,
    { defaultValue: false, rules: [{ condition: Object.assign({}, ...criteria.map(condition)), force: true }] },
  ]);
  return Object.fromEntries(features);
}

/** The same as rules of JsonLogic. */
export function jsonLogic(count) {
  const rule = ({ attribute, op, value }) => {
    const read = { var: attribute };
    if (op === "IN") return { in: [read, value] };
    if (op === "BETWEEN") return { "<=": [value[0], read, value[1]] };
    if (op === "SIZE >") return { ">": [{ length: read }, value] };
    return op === "!=" ? { "!==": [read, value] } : { ">=": [read, value] };
  };
  return sections(count).map(({ name, criteria }) => [name, { and: criteria.map(rule) }]);
}

/** Writes the definition into a folder, for `usher push`. */
export function writeDefinition(folder, count) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "rt_config.yaml"), CONFIG);
  const rows = sections(count).map(
    ({ name, criteria }) => `    - name: "${name}"
      criteria: "${criteria.map(asText).join(" AND ")}"
      attributes: [last_product, views_24h]
      batch_segments: [regular]`,
  );
  writeFileSync(
    join(folder, "home.yaml"),
    `parent_segment_id: "${AUDIENCE}"
personalization_service:
  name: ${PERSONALIZATION}
  trigger_event: page_view
  choice: all
  sections:
${rows.join("\n")}
    - name: otherwise
      criteria: ''
      attributes: [last_product, views_24h]
      batch_segments: [regular]
`,
  );
}
