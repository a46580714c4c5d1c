// The addresses of the Durable Objects: one writer for each shard, and the control object.

/** The writer of a shard. */
export function writer(env, shard) {
  return env.USHER_STORE.get(env.USHER_STORE.idFromName(`shard-${shard}`));
}

/** The control object, which stores the bundles and their pointers. */
export function control(env) {
  return env.USHER_STORE.get(env.USHER_STORE.idFromName("control"));
}
