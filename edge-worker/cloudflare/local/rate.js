// The rate-limiting binding on this machine: `limit({ key })` counts a key in windows of a minute. Plain workerd has none.

export default function ({ limit }) {
  let [window, counts] = [0, new Map()];
  return {
    async limit({ key }) {
      const now = Math.floor(Date.now() / 60_000);
      if (now !== window) [window, counts] = [now, new Map()];
      counts.set(key, (counts.get(key) ?? 0) + 1);
      return { success: counts.get(key) <= limit };
    },
  };
}
