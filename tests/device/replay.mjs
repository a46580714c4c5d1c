// Gives programs, extracts and requests (`tests/src/on_device`) to an engine, in node or in a page, and compares its answers with the
// service's.

/**
 * @param {{ Device: Function }} glue of the engine
 * @param {object[]} records
 * @returns {{ programs: number, equal: number, partial: number, told: number, left: Record<string, number>, fates: object, failures: string[] }}
 *   `equal` and `partial` answers had the service's bytes; `told` were requests whose answers nobody compares; `fates` has them by record
 *   and personalization
 */
export function replay({ Device }, records) {
  const counts = { programs: 0, equal: 0, partial: 0, told: 0, left: {}, fates: {}, failures: [] };
  const leave = (reason) => (counts.left[reason] = (counts.left[reason] ?? 0) + 1);
  const [encoder, decoder] = [new TextEncoder(), new TextDecoder()];
  for (const { of, program, public: sections, steps } of records) {
    let device;
    let isBehind = false;
    const fail = (what, more = "") => counts.failures.push(`${of}: ${what} ${more}`);
    try {
      device = new Device(Uint8Array.from(program.match(/../g), (digits) => parseInt(digits, 16)));
      counts.programs++;
      for (const { extract, step, request, offers } of steps) {
        if (extract !== undefined) {
          isBehind = false;
          device.load(Uint8Array.from(atob(extract.replace(/-/g, "+").replace(/_/g, "/")), (character) => character.charCodeAt(0)));
          continue;
        }
        const asked = JSON.parse(request);
        if (isBehind) {
          leave("after a request that is too deep");
          continue;
        }
        let text;
        try {
          text = decoder.decode(device.decide(encoder.encode(request)));
        } catch (error) {
          // What is as deep as a body may be is one deeper in a request.
          if (error.message !== "the request cannot be read") throw error;
          leave("a request that is too deep");
          isBehind = true;
          continue;
        }
        if (offers === null) {
          counts.told++;
          continue;
        }
        const { offers: own, meta } = JSON.parse(text);
        const undecided = meta.undecided ?? [];
        const fate = undecided.length > 0 ? "undecided" : meta.partial ? "partial" : "decided";
        for (const name of asked.personalizations ?? []) ((counts.fates[of] ??= {})[name] ??= []).includes(fate) || counts.fates[of][name].push(fate);
        const differs = () => fail(`${step} answers`, `${text}\n  instead of ${offers}\n  for ${request}`);
        if (undecided.length === 0 && !meta.partial) {
          if (text.startsWith(`${offers},`)) counts.equal++;
          else differs();
          continue;
        }
        // Sections that the device decides have the service's bytes, too.
        const decided = Object.entries(sections).flatMap(([name, public_]) => (undecided.includes(name) ? [] : public_));
        const theirs = Object.entries(JSON.parse(`${offers}}`).offers).filter(([section]) => decided.includes(section));
        if (JSON.stringify(own) !== JSON.stringify(Object.fromEntries(theirs))) differs();
        else if (meta.partial) counts.partial++;
        else leave(asked.personalizations ? "a personalization that only an edge decides" : "an event whose sections only an edge decides");
      }
    } catch (error) {
      fail(error?.message ?? String(error));
    }
    device?.free();
  }
  return counts;
}
