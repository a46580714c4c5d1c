// The least that a stateful worker can do: one row read and written in a SQLite Durable Object, and a JSON answer.

export default {
  async fetch(request, env) {
    return env.STORE.get(env.STORE.idFromName("shard-0")).fetch("http://store/", {
      method: "POST",
      body: await request.arrayBuffer(),
    });
  },
};

export class Store {
  #sql;

  constructor(context) {
    this.#sql = context.storage.sql;
    this.#sql.exec("CREATE TABLE IF NOT EXISTS profile (key TEXT PRIMARY KEY, state TEXT NOT NULL)");
  }

  async fetch(request) {
    const event = await request.json();
    const [row] = this.#sql.exec("SELECT state FROM profile WHERE key = ?", event.td_client_id).raw();
    const state = row ? JSON.parse(row[0]) : { views: 0 };
    state.views += 1;
    this.#sql.exec(
      "INSERT OR REPLACE INTO profile (key, state) VALUES (?, ?)",
      event.td_client_id,
      JSON.stringify(state),
    );
    return Response.json({ offers: { Default: { attributes: { page_views_24h: state.views }, batch_segments: [] } } });
  }
}
