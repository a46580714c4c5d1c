// The work of the rows: definitions with and without journeys, and events.

export const AUDIENCE = "1069944";
export const JOURNEYS = 20;
export const STAGES = 8;

const CATEGORIES = ["shoes", "bags", "coats", "hats", "belts", "socks", "shirts", "scarves"];

const CONFIG = `parent_segment_id: "${AUDIENCE}"
events:
  - {name: page_view, database: web, table: pageviews}
  - {name: purchase, database: web, table: purchase}
  - {name: campaign, database: web, table: campaigns}
attributes:
  - {name: last_product, type: single, source_event: page_view, source_field: product_id, sensitivity: non-sensitive, aggregation: last}
  - {name: last_category, type: single, source_event: page_view, source_field: category, sensitivity: non-sensitive, aggregation: last}
  - {name: browsed, type: list, source_event: page_view, source_field: product_id, sensitivity: non-sensitive, aggregation: distinct_list, max_items: 100, expiry_days: 60}
  - {name: views_24h, type: counter, source_event: page_view, sensitivity: non-sensitive, window_duration: 24h, aggregation: count}
  - {name: views_7d, type: counter, source_event: page_view, sensitivity: non-sensitive, window_duration: 7d, aggregation: count}
  - {name: purchases_30d, type: counter, source_event: purchase, sensitivity: non-sensitive, window_duration: 30d, aggregation: count}
  - {name: last_campaign, type: single, source_event: campaign, source_field: campaign, sensitivity: non-sensitive, aggregation: last}
  - {name: tier, type: imported_batch, sensitivity: non-sensitive}
  - {name: country, type: imported_batch, sensitivity: non-sensitive}
id_stitching:
  primary_key: customer_id
  stitching_keys: [{name: td_client_id}, {name: customer_id}]
`;

/** The definition as texts; `journeys`: with the twenty. */
export function definition(journeys) {
  return journeys ? [CONFIG, `parent_segment_id: "${AUDIENCE}"\njourneys:\n${Array.from({ length: JOURNEYS }, (_, n) => journey(n)).join("")}${ACTIVATIONS}`] : [CONFIG];
}

/**
 * One of the twenty. Visitors enter it with a page view if their campaign is its own or `all`; its first step waits for a month, so
 * that nobody moves while anything is measured.
 */
function journey(n) {
  const entry = `{key_event: page_view, criteria: "last_campaign IN ('c${n}', 'all') AND views_7d >= ${1 + (n % 3)}"}`;
  const stages = Array.from({ length: STAGES }, (_, stage) => stageOf(stage, stage === 0 ? entry : `{criteria: "purchases_30d > ${stage}"}`));
  return `  - name: j${n}\n    goal: {key_event: purchase, criteria: "purchases_30d >= 9"}\n    stages:\n${stages.join("")}`;
}

const stageOf = (stage, entry) => `      - name: s${stage}
        entry: ${entry}
        milestone: {key_event: purchase, criteria: "last_category = '${CATEGORIES[stage]}'"}
        exits:
          - {name: late, after: 90d}
          - {name: gone, criteria: "views_24h > ${100_000 + stage}"}
          - {name: bought, key_event: purchase, criteria: "tier = 'Gold' AND country = 'NO'"}
        steps:
          - {id: pause, wait: 30d}
          - {id: tell, activate: told}
          - id: tier
            decide: [{name: gold, criteria: "tier = 'Gold'", next: test}, {name: others, next: done}]
          - id: test
            split: [{name: a, percentage: 50, next: again}, {name: b, percentage: 50, control: true, next: done}]
          - {id: again, wait: 1d}
          - {id: once more, activate: told}
          - {id: done, end: true}
`;

const ACTIVATIONS = `activations:
  - {name: told, connection: receiver, body: '{"customer": "{{customer_id}}", "product": "{{last_product}}"}'}
`;

/** Journeys that send: one at once, one after a minute, one after a week. */
export const SENDING = [
  CONFIG,
  `parent_segment_id: "${AUDIENCE}"
journeys:
${["now", "soon", "later"].map((name, index) => `  - name: ${name}
    reentry: reentry_always
    stages:
      - name: only
        entry: {key_event: campaign, criteria: "last_campaign = '${name}'"}
        steps: [${["", "{id: pause, wait: 1m}, ", "{id: pause, wait: 7d}, "][index]}{id: tell, activate: told}]
`).join("")}${ACTIVATIONS}`,
];

/** A page view of a customer. */
export const view = (customer, n) => ({ customer_id: customer, product_id: `P-${n % 40}`, category: CATEGORIES[n % CATEGORIES.length] });
