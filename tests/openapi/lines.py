"""Bodies of lines, for Schemathesis: NDJSON."""

import json

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(_, value):
    if isinstance(value, (str, bytes)):
        return value
    rows = value if isinstance(value, list) else [value]
    return "\n".join(json.dumps(row) for row in rows)
