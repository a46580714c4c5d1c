// The operator's log: JSON lines of these fields alone, as `Record` in `usher_edge::log` has them; the platform adds the time.
// Nothing else of the entry writes to the console.

/** What happened in the service; `requestId` where it is about a request. */
export function note({ event, detail }, requestId) {
  console.log(line(event, detail, requestId));
}

/** What failed: an event and its reason, which is an error or a text. */
export function fault(event, reason, requestId) {
  console.error(line(event, String(reason?.message ?? reason), requestId));
}

function line(event, detail, requestId) {
  // Undefined fields are left out.
  return JSON.stringify({ event, detail: detail || undefined, request_id: requestId || undefined });
}
