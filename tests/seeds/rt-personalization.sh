# RT 2.0's guide `rt-personalization`: a service for a segment whose infrastructure is there.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/infrastructure.sh"

# 1. MANDATORY: Discover RT-enabled parent segments in user's account
usher ps rt list --json
is "segments" 0 $?

# 2. Get available attributes for discovered parent segment
usher ps fields "$PS" --json
is "fields" 0 $?

# 3. Check existing services
usher ps pz list "$PS" --json
is "services" 0 $?

cat > service.yaml << EOF
parent_segment_id: "$PS"
service_name: "product_recommendations"
description: "Personalized product recommendations"

input_params:
  - name: "td_client_id"
    type: "string"
    required: true

sections:
  - name: "active_visitors"
    criteria:
      operator: "AND"
      conditions:
        - attribute: "page_views_24h"
          operator: "greater_than"
          value: 5
    outputs:
      - attribute: "browsed_products_list"

  - name: "default"        # Always include ALWAYS fallback
    criteria:
      operator: "ALWAYS"
    outputs:
      - attribute: "last_product_viewed"
EOF

# 4. Deploy service with actual values
usher ps push service.yaml -y
is "the service is pushed" 0 $?

# Test with curl
is "it answers" object "$(curl -s -f -X POST "$USHER_URL/audiences/$PS/personalization" \
  -H "Authorization: TD1 $TD_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{"td_client_id": "test_user_123"}' | jq -r 'type')"

# Troubleshooting
usher ps rt validate "$PS" --to "$USHER_URL"
is "what runs is valid" 0 $?
end
