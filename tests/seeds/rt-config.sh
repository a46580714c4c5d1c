# RT 2.0's guide `rt-config`: a configuration by file and by calls, and how it is looked at.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

# Step 2.1
usher ps list --json | jq '.[] | select(.id=="'"$PS"'")'
is "segments are listed" 0 $?
usher ps view "$PS" --json
is "the segment is there" 0 $?

# Phase 3
usher ps pz init "$PS" -o "rt_config_$PS.yaml"
is "a template" 0 $?

# Phase 6
usher ps rt validate "rt_config_$PS.yaml"
is "the template is valid" 0 $?
rm "rt_config_$PS.yaml"

# Phase 7
. "$here/infrastructure.sh"

# Phase 4, which looks at event tables: an edge knows those that are declared
usher databases --json
is "databases" 0 $?
is "databases by the call" web "$(usher api /v3/database/list --type td | jq -r '.databases[].name')"
usher tables "web.*" --json > tables.json
cat tables.json | jq -r '.[] | .table_name // .name' | grep -E '(pageview|page_view|formfill|form_fill|add_to_cart|cart|purchase|order|click|event|activity|interaction|behavior)' > potential_event_tables.txt
is "event tables by their names" "add_to_cart pageviews" "$(tr '\n' ' ' < potential_event_tables.txt | sed 's/ $//')"
usher api "/v3/table/list/web" --type td | jq -r '.tables[].name'
is "tables by the call" 0 $?
usher describe web.pageviews --json > pageviews_schema.json
is "a table" 0 $?
usher api "/v3/table/show/web/pageviews" --type td > pageviews_schema.json
is "a table by the call" 0 $?
usher ps view "$PS" --json | jq '.attributes[] | {name, type, description}' > batch_attributes.json
usher api "/audiences/$PS" --type cdp | jq '.attributes[] | {name, type, description}' > batch_attributes.json
is "attributes of the segment" 0 $?

KEY_EVENT_IDS=$(usher api "/audiences/$PS/realtime_key_events" --type cdp | jq -r '.data[] | .id' | tr '\n' ' ')
echo "✓ Key events created: $KEY_EVENT_IDS"

echo "1. RT Status:"
usher ps view "$PS" --json | jq '{
  config_id: .realtime_config.id,
  status: .realtime_config.status,
  event_tables: (.realtime_config.eventTables | length),
  key_columns: (.realtime_config.keyColumns | length),
  profile_key: .realtime_config.extLookupKey
}' | tee status.json
is "what is configured" "ok 2 2 customer_id" "$(jq -r '"\(.status) \(.event_tables) \(.key_columns) \(.profile_key)"' status.json)"

echo "2. Key Events:"
usher api "/audiences/$PS/realtime_key_events" --type cdp | jq '.data[] | {id, name, table: .tableName}'
is "key events" 0 $?

echo "3. RT Attributes:"
usher api "/audiences/$PS/realtime_attributes?page[size]=100" --type cdp | jq '{
  total: (.data | length),
  single: [.data[] | select(.type=="single") | .name],
  list: [.data[] | select(.type=="list") | .name],
  counter: [.data[] | select(.type=="counter") | .name]
}' | tee attributes.json
is "attributes" "3 last_product_viewed browsed_products_list page_views_24h" \
  "$(jq -r '"\(.total) \(.single[0]) \(.list[0]) \(.counter[0])"' attributes.json)"

# Phase 8
usher ps view "$PS"
is "the page of the segment" 0 $?
usher ps view "$PS" --web
is "the same where a console would open" 0 $?
usher api "/audiences/$PS/realtime_attributes" --type cdp
is "the list without a page" 0 $?
is "the status" '"ok"' "$(usher ps view "$PS" --json | jq '.realtime_config.status')"
end
