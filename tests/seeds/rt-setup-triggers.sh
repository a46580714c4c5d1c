# RT 2.0's guide `rt-setup-personalization`, its end "For RT Triggers Instead": a journey instead of a personalization, to an activation
# that the deployment's destination has got. `SEEDS_DESTINATION` is an address at that destination.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
: "${SEEDS_DESTINATION:?an address at a destination of the deployment}"

# Steps 1 to 7
. "$here/infrastructure.sh"
FOLDER_ID=$(curl -s "$USHER_URL/audiences/$PS/folders" \
  -H "Authorization: TD1 ${TD_API_KEY}" | jq -r '.[0].id')
most "there is a folder" 1 "$FOLDER_ID"

# The credentials of the server
AUTH_ID=$(usher api /v4/streaming_task_auths --type td -X POST --data '{
  "account_id": "1",
  "user_id": "1",
  "auth_type": "webhook",
  "auth_name": "cart mail",
  "direction": "out",
  "auth": {"api_key": "of the vendor", "url_prefix": "'"$SEEDS_DESTINATION"'"}
}' | jq -r '.id')
is "the destination has an id" "${SEEDS_DESTINATION_ID:-receiver}" "$AUTH_ID"

# Create journey
JOURNEY_ID=$(curl -s -X POST "$USHER_URL/entities/realtime_journeys" \
  -H "Authorization: TD1 ${TD_API_KEY}" \
  --data '{
    "attributes": {
      "audienceId": "'"$PS"'",
      "segmentFolderId": "'"$FOLDER_ID"'",
      "name": "cart_mail",
      "reentryMode": "reentry_unless_goal_achieved",
      "realtimeJourneyStages": [{"name": "Stage 1"}],
      "state": "draft"
    }
  }' | jq -r '.data.id')
most "the journey has an id" 1 "$JOURNEY_ID"
STAGE_ID=$(usher api "/entities/realtime_journeys/$JOURNEY_ID" --type cdp | \
  jq -r '.data.attributes.realtimeJourneyStages[0].id')

# Create activation and link to journey
ACTIVATION_ID=$(usher api "/entities/realtime_journeys/$JOURNEY_ID/activations" --type cdp -X POST --data '{
  "attributes": {
    "name": "cart mail",
    "stepUuid": "b7a6d0c2-0f55-4e0e-9d80-1f1a3b1c7d01",
    "connectionId": "'"$AUTH_ID"'",
    "connectorType": "td_webhook_out",
    "connector": {
      "exportJson": "{\"method\":\"post\",\"url\":\"'"$SEEDS_DESTINATION"'\",\"headers\":null,\"body\":\"{\\\"id\\\": \\\"{{td_client_id}}\\\", \\\"views\\\": {{page_views_24h}}}\"}",
      "exportAdvancedJson": "{\"webhook_retry_count\":3,\"webhook_connection_timeout\":30,\"webhook_read_timeout\":30,\"webhook_write_timeout\":30}"
    }
  }
}' | jq -r '.data.id')
most "the activation has an id" 1 "$ACTIVATION_ID"
KEY_EVENT_ID=$(usher api "/audiences/$PS/realtime_key_events" --type cdp | \
  jq -r '.data[] | select(.name=="add_to_cart") | .id')
STAGES='[{
  "id": "'"$STAGE_ID"'",
  "name": "Stage 1",
  "entryCriteria": {
    "name": "Something is in the cart",
    "keyEventCriteria": {"keyEventId": "'"$KEY_EVENT_ID"'", "keyEventFilters": {"type": "And", "conditions": []}},
    "profileCriteria": null
  },
  "rootStep": "b7a6d0c2-0f55-4e0e-9d80-1f1a3b1c7d01",
  "steps": {
    "b7a6d0c2-0f55-4e0e-9d80-1f1a3b1c7d01": {
      "type": "TriggeredActivation",
      "journeyActivationStepId": "'"$ACTIVATION_ID"'",
      "next": "0c5b8d9e-53a1-4f0c-8c3b-6a0f6f3b2e02"
    },
    "0c5b8d9e-53a1-4f0c-8c3b-6a0f6f3b2e02": {"type": "End"}
  }
}]'
usher api "/entities/realtime_journeys/$JOURNEY_ID" --type cdp -X PATCH --data '{"attributes": {"realtimeJourneyStages": '"$STAGES"'}}' | \
  jq -r '.errors[]?.detail'
usher api "/entities/realtime_journeys/$JOURNEY_ID/detail" --type cdp -X POST --data '{"attributes": {"realtimeJourneyStages": '"$STAGES"'}}' > detail.json
is "the journey can be launched" 0 $?

# Wait for RT status "ok"
ready() {
  while [ "$(usher ps view "$PS" --json | jq -r '.realtime_config.status')" != "ok" ]; do
    echo "Waiting for RT config..."
    sleep "${SEEDS_SLEEP:-10}"
  done
}
ready

# Launch journey
LAUNCHED=$(usher api "/entities/realtime_journeys/$JOURNEY_ID" --type cdp -X PATCH \
  --data '{"attributes": {"realtimeJourneyStages": '"$STAGES"', "state": "launched"}}' | jq -r '.data.attributes.state')
is "the journey is launched" launched "$LAUNCHED"
ready

# Somebody puts something into the cart
curl -s -f -X POST "$USHER_URL/web/add_to_cart" \
  -H "Authorization: TD1 ${TD_API_KEY}" \
  -H 'Content-Type: application/json' \
  --data '{"events": [{"td_client_id": "seed-1", "uuid": "seed-event-1"}]}' | jq -c '.receipts[]'

# The activation log
delivered() {
  usher activations attempts --json | \
    jq -r '[.attempts[] | select(.event_id=="seed-event-1" and .delivered=="true")] | length'
}
for _ in $(seq 240); do
  [ "$(delivered)" = 1 ] && break
  sleep "${SEEDS_SLEEP:-10}"
done
is "the activation is delivered" 1 "$(delivered)"
usher activations attempts --json | jq '.attempts[] | {journey_name, journey_stage_name, activation_name, delivered, status, event_id}'
end
