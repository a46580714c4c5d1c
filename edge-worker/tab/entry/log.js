// The log of an edge in a tab: JSON lines as the service writes them. Nothing else of the entry writes to the console.

/** Lines of the service. */
export function note(lines) {
  for (const line of lines) console.debug(line);
}

/** A failure of the host: an event and its reason, which is an error or a text. */
export function fault(event, reason) {
  console.debug(JSON.stringify({ event, detail: String(reason?.message ?? reason) }));
}
