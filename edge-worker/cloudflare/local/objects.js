// The namespace of Durable Objects on this machine, with jurisdictions and location hints, which plain workerd does not have:
// a jurisdiction is a part of an object's name, and each object's hint is logged when it is first asked for.

export default function ({ objects }) {
  const hinted = new Set();
  const within = (jurisdiction) => ({
    jurisdiction: within,
    idFromName: (name) => ({ name: jurisdiction ? `${jurisdiction}:${name}` : name }),
    get({ name }, { locationHint = "" } = {}) {
      if (!hinted.has(name)) console.log(JSON.stringify({ event: "object", name, locationHint }));
      hinted.add(name);
      return objects.get(objects.idFromName(name));
    },
  });
  return within("");
}
