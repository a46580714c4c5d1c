# Step 7 of RT 2.0's guides: event tables, key events, keys and attributes. It is the same for all of them.

# Validate API key is set
if [ -z "$TD_API_KEY" ]; then
  echo "❌ TD_API_KEY environment variable not set"
  echo "Set it with: export TD_API_KEY=your_master_api_key"
  exit 1
fi

# Check if RT config exists
RT_CONFIG_EXISTS=$(usher ps view "$PS" --json | jq '.realtime_config != null')
is "an empty audience has no configuration" false "$RT_CONFIG_EXISTS"

if [ "$RT_CONFIG_EXISTS" = "false" ]; then
  # Initialize new RT config
  usher ps pz init "$PS" -o rt_config.yaml
else
  # Pull existing RT config
  usher ps pull "$PS" -o rt_config.yaml
fi
is "a configuration to start from" 0 $?

usher api "/audiences/$PS/realtime_setting" --type cdp -X PATCH --data '{
  "eventTables": [
    {"database": "web", "table": "pageviews"},
    {"database": "web", "table": "add_to_cart"}
  ]
}'
is "event tables" 0 $?

# For each event table
usher api "/audiences/$PS/realtime_key_events" --type cdp -X POST --data '{
  "name": "page_view",
  "databaseName": "web",
  "tableName": "pageviews",
  "description": "Page views",
  "filterRule": {"type": "And", "conditions": []}
}'
is "a key event" 0 $?
usher api "/audiences/$PS/realtime_key_events" --type cdp -X POST --data '{
  "name": "add_to_cart",
  "databaseName": "web",
  "tableName": "add_to_cart",
  "description": "Things put into the cart",
  "filterRule": {"type": "And", "conditions": []}
}'
is "another key event" 0 $?

usher api "/audiences/$PS/realtime_setting" --type cdp -X PATCH --data '{
  "keyColumns": [
    {"name": "td_client_id", "validRegexp": null, "invalidTexts": [], "internal": false},
    {"name": "email", "validRegexp": null, "invalidTexts": [], "internal": false}
  ],
  "extLookupKey": "customer_id"
}'
is "stitching keys" 0 $?

# Get key event ID
KEY_EVENT_ID=$(usher api "/audiences/$PS/realtime_key_events" --type cdp | \
  jq -r '.data[] | select(.name=="page_view") | .id')

# Single attribute
usher api "/audiences/$PS/realtime_attributes" --type cdp -X POST --data '{
  "name": "last_product_viewed",
  "identifier": "last_product_viewed",
  "type": "single",
  "realtimeKeyEventId": "'"$KEY_EVENT_ID"'",
  "valueColumn": "product_id",
  "dataType": "string",
  "duration": {"value": 1, "unit": "day"}
}'
is "a single" 0 $?

# List attribute
usher api "/audiences/$PS/realtime_attributes" --type cdp -X POST --data '{
  "name": "browsed_products_list",
  "type": "list",
  "realtimeKeyEventId": "'"$KEY_EVENT_ID"'",
  "valueColumn": "product_id",
  "idColumn": "product_id",
  "maxItems": 100,
  "aggregations": [{
    "name": "items",
    "identifier": "items",
    "column": "product_id",
    "aggregationType": "distinct_list"
  }],
  "duration": {"value": 60, "unit": "day"}
}'
is "a list" 0 $?

# Counter attribute
usher api "/audiences/$PS/realtime_attributes" --type cdp -X POST --data '{
  "name": "page_views_24h",
  "type": "counter",
  "realtimeKeyEventId": "'"$KEY_EVENT_ID"'",
  "counterType": "total",
  "increment": {"type": "const", "value": 1},
  "duration": {"value": 24, "unit": "hour"}
}'
is "a counter" 0 $?

echo "Waiting for RT infrastructure to be ready..."
while [ "$(usher ps rt list --json | jq -r --arg ps "$PS" '.[] | select(.id==$ps) | .status')" != "ok" ]; do
  echo "RT status: updating..."
  sleep "${SEEDS_SLEEP:-10}"
done
echo "✅ RT infrastructure ready (status: ok)"

# 1. RT status is "ok"
is "the status is ok" ok "$(usher ps rt list --json | jq -r --arg ps "$PS" '.[] | select(.id==$ps or .name==$ps) | .status')"

# 2. Key events exist
most "key events exist" 1 "$(usher api "/audiences/$PS/realtime_key_events" --type cdp | jq '.data | length')"

# 3. RT attributes exist
most "attributes exist" 1 "$(usher api "/audiences/$PS/realtime_attributes?page[size]=100" --type cdp | jq '.data | length')"
