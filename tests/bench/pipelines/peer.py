# The peer: DuckDB with the pipeline's query, dimensions in its tables, events in files of a batch each.
# Prints the seconds of processor time from the first batch to the last.
import glob, sys, time
import duckdb

data, out, query = sys.argv[1:4]
db = duckdb.connect()
db.execute("SET threads = 1")
text, list_ = "VARCHAR", "VARCHAR[]"
tables = {
    "user_profiles": {"user_id": text, "subscription_tier": text, "age_group": text, "location": text, "preferences": list_,
                      "total_orders": "BIGINT", "lifetime_value": "DOUBLE"},
    "products": {"product_id": text, "name": text, "category": text, "subcategory": text, "brand": text, "price": "DOUBLE",
                 "rating": "DOUBLE", "tags": list_},
    "purchase_history": {"user_id": text, "last_purchase_date": text, "last_category": text, "avg_order_value": "DOUBLE",
                         "purchase_frequency": text, "favorite_brands": list_},
}
clicks = dict.fromkeys(["event_id", "user_id", "session_id", "event_type", "page_url", "timestamp", "device", "location",
                        "product_id"], text)
for name, columns in tables.items():
    db.execute(f"CREATE TABLE {name} AS SELECT * FROM read_json('{data}/{name}.ndjson', columns={columns})")
query = open(query).read().replace("FROM clickstreams c", f"FROM read_json(?, columns={clicks}) c")
started = time.process_time()
for batch in sorted(glob.glob(f"{data}/batches/*")):
    rows = f"SELECT * FROM ({query}) WHERE user_subscription_tier IS NOT NULL AND product_category IS NOT NULL"
    db.execute(f"COPY ({rows.replace('?', repr(batch))}) TO '{out}/{batch.rsplit('/', 1)[1]}' (FORMAT json)")
print(time.process_time() - started)
