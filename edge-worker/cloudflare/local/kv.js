// Workers KV on this machine: the protocol of a `kvNamespace` binding, stored in a Durable Object's SQLite.
//
// Unlike the real one it is consistent immediately.

export default {
  async fetch(request, env) {
    return env.KV.get(env.KV.idFromName("kv")).fetch(request);
  },
};

export class LocalKv {
  #sql;

  constructor(context) {
    this.#sql = context.storage.sql;
    this.#sql.exec("CREATE TABLE IF NOT EXISTS entry (key TEXT PRIMARY KEY, value BLOB NOT NULL, expires INTEGER)");
  }

  async fetch(request) {
    const url = new URL(request.url);
    const key = decodeURIComponent(url.pathname.slice(1));
    const now = Math.floor(Date.now() / 1000);
    switch (request.method) {
      case "GET": {
        const [row] = this.#sql
          .exec("SELECT value FROM entry WHERE key = ? AND (expires IS NULL OR expires > ?)", key, now)
          .raw();
        return row ? new Response(row[0]) : new Response(null, { status: 404 });
      }
      case "PUT": {
        const ttl = url.searchParams.get("expiration_ttl");
        const expires = ttl === null ? null : now + Number(ttl);
        const value = await request.arrayBuffer();
        this.#sql.exec("INSERT OR REPLACE INTO entry (key, value, expires) VALUES (?, ?, ?)", key, value, expires);
        return new Response(null);
      }
      case "DELETE":
        this.#sql.exec("DELETE FROM entry WHERE key = ?", key);
        return new Response(null);
      default:
        return new Response("not supported here", { status: 405 });
    }
  }
}
