# RT 2.0's guide `rt-setup-personalization`: from an empty audience to an answering personalization.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

# Step 1: which segments have RT
usher ps rt list --json
usher ps rt list --json | jq '.[] | select(.id=="'"$PS"'" or .name=="'"$PS"'") | {
  id, name,
  rt_status: .status,
  event_tables: (.event_tables | length),
  key_events: (.key_events | length)
}'
is "the segment is listed" 0 $?

# Detect user's region from tdx config
REGION=$(usher config get endpoint 2>/dev/null | grep -o '[a-z][a-z][0-9][0-9]' | head -1)
REGION="${REGION:-us01}"
echo "Using region: $REGION"

# Step 3: attributes of the parent segment
usher ps view "$PS" --json | jq '.attributes[] | {
  name, type, description
}' > ps_attributes.json
cat ps_attributes.json | jq -r '.name'
is "attributes of the segment are listed" 0 $?

# Step 7
. "$here/infrastructure.sh"

# Steps 4 and 5, which look at event tables: an edge knows those that are declared
usher databases --json | jq -r '.[].name' | tee databases.txt
is "the database is listed" web "$(cat databases.txt)"
usher tables "web.*" --json | jq -r '.[].name'
is "tables of events" "add_to_cart pageviews" "$(usher tables "web.*" --json | jq -r '.[].name' | \
  grep -E '(pageview|page_view|cart|purchase|event|click|view)' | tr '\n' ' ' | sed 's/ $//')"
usher describe web.pageviews --json | jq '.columns[] | {
  name, type
}'
is "columns are described" 0 $?
is "columns that identify" "email product_id td_client_id" "$(usher describe web.pageviews --json | jq -r '.columns[] |
  select(.name | test("id|email|user|client|canonical")) | .name' | sort | tr '\n' ' ' | sed 's/ $//')"

# The batch attribute that the service's criteria name
usher api "/audiences/$PS/realtime_imported_attributes/bulk_update" --type cdp -X POST --data '{"columns": ["loyalty_tier"]}'

# Step 8: the service
cat > pz_service.yaml << EOF
parent_segment_id: '$PS'
parent_segment_name: 'Shop'
personalization_service:
  name: 'web_personalization'
  description: 'web personalization service'
  trigger_event: 'page_view'

  sections:
    - name: 'VIP Customers'
      criteria: 'loyalty_tier = ''VIP'''
      attributes:
        - last_product_viewed
        - browsed_products_list
      batch_segments: []

    - name: 'Default'
      criteria: ''  # Matches all
      attributes:
        - last_product_viewed
        - page_views_24h
      batch_segments: []
EOF
usher ps push pz_service.yaml -y
is "the service is pushed" 0 $?

# Step 9: the entity
FOLDER_ID=$(curl -s "$USHER_URL/audiences/$PS/folders" \
  -H "Authorization: TD1 ${TD_API_KEY}" | jq -r '.[0].id')
KEY_EVENT_ID=$(usher api "/audiences/$PS/realtime_key_events" --type cdp | \
  jq -r '.data[] | select(.name=="page_view") | .id')
usher api "/audiences/$PS/realtime_attributes?page[size]=100" --type cdp | \
  jq '.data[] | {id, name, type}'
id_of() {
  usher api "/audiences/$PS/realtime_attributes?page[size]=100" --type cdp | \
    jq -r '.data[] | select(.name=="'"$1"'") | .id'
}
SINGLE=$(id_of last_product_viewed)
LIST=$(id_of browsed_products_list)

PERSONALIZATION_RESPONSE=$(curl -s -X POST \
  "$USHER_URL/entities/realtime_personalizations" \
  -H "Authorization: TD1 ${TD_API_KEY}" \
  -H 'Content-Type: application/vnd.treasuredata.v1+json' \
  --data '{
    "attributes": {
      "audienceId": "'"$PS"'",
      "name": "web_personalization",
      "description": "RT personalization for web",
      "sections": [
        {
          "name": "Default_Section",
          "entryCriteria": {
            "name": "Page View Trigger",
            "description": "Triggered on page view events",
            "keyEventCriteria": {
              "keyEventId": "'"$KEY_EVENT_ID"'",
              "keyEventFilters": {"type": "And", "conditions": []}
            },
            "profileCriteria": null
          },
          "payload": {
            "response_node": {
              "type": "ResponseNode",
              "name": "Personalization Response",
              "description": "Return personalized attributes",
              "definition": {
                "attributePayload": [
                  {
                    "realtimeAttributeId": "'"$SINGLE"'",
                    "outputName": "last_product"
                  },
                  {
                    "realtimeAttributeId": "'"$LIST"'",
                    "subAttributeIdentifier": "items",
                    "outputName": "browsed_products"
                  }
                ],
                "segmentPayload": null,
                "stringBuilder": []
              }
            }
          },
          "includeSensitive": false
        }
      ]
    },
    "relationships": {
      "parentFolder": {
        "data": {
          "id": "'"$FOLDER_ID"'",
          "type": "folder-segment"
        }
      }
    }
  }')
echo "$PERSONALIZATION_RESPONSE" | jq -r '.errors[]?.detail'
PERSONALIZATION_ID=$(echo "$PERSONALIZATION_RESPONSE" | jq -r '.data.id')
most "the entity has an id" 1 "$PERSONALIZATION_ID"

# Wait for RT status "ok"
while [ "$(usher ps view "$PS" --json | jq -r '.realtime_config.status')" != "ok" ]; do
  echo "Waiting for RT config..."
  sleep "${SEEDS_SLEEP:-10}"
done

# Step 10
curl -s "$USHER_URL/entities/parent_segments/$PS/realtime_personalizations" \
  -H "Authorization: TD1 ${TD_API_KEY}" | jq '.data[] | {id, name}'

# The final checklist
is "1. RT status is ok" ok "$(usher ps rt list --json | jq -r --arg ps "$PS" '.[] | select(.id==$ps or .name==$ps) | .status')"
most "2. key events exist" 1 "$(usher api "/audiences/$PS/realtime_key_events" --type cdp | jq '.data | length')"
most "3. RT attributes exist" 1 "$(usher api "/audiences/$PS/realtime_attributes?page[size]=100" --type cdp | jq '.data | length')"
most "4. configuration deployed" 1 "$(curl -s "$USHER_URL/entities/parent_segments/$PS/realtime_personalizations" \
  -H "Authorization: TD1 ${TD_API_KEY}" | jq '.data | length')"
is "5. API endpoint responds" object "$(curl -s -f -X GET "$USHER_URL/audiences/$PS/personalizations/$PERSONALIZATION_ID?td_client_id=test_user" \
  -H "Authorization: TD1 ${TD_API_KEY}" | jq -r 'type')"
end
