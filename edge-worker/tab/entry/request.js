// Reads a request into the parts that the service takes, and makes an answer of what it gives.

/** The states of HTTP whose answers have no body. */
const BODILESS = new Set([101, 204, 205, 304]);

/**
 * @param {Request} request
 * @param {string} target  path and query for the service, beginning with `/`
 * @param {number} max     the largest body in bytes; no more is inflated than the service needs to refuse it
 * @param {string} [origin] that of the calling page, where the browser does not say it
 * @returns {Promise<Parts>}
 *
 * @typedef {{method: string, target: string, headers: [string, string][], body: Uint8Array | undefined}} Parts
 *   `body` is undefined when it is not what its encoding says, or did not arrive
 */
export async function partsOf(request, target, max, origin) {
  const headers = [...request.headers];
  if (origin !== undefined && !request.headers.has("origin")) headers.push(["origin", origin]);
  const { method } = request;
  return { method, target, headers, body: await bodyOf(request, max) };
}

/** The answer of the service as the browser's. */
export function answerOf({ status, headers, body }) {
  return new Response(BODILESS.has(status) ? null : body, { status, headers });
}

async function bodyOf(request, max) {
  if (request.method === "GET" || request.method === "HEAD") return new Uint8Array();
  try {
    if (!isPacked(request)) return new Uint8Array(await request.arrayBuffer());
    return await unpacked(request.body, max);
  } catch {
    return undefined;
  }
}

/** True if the body of a request is compressed in the way that the service takes. */
export function isPacked({ headers }) {
  return /^\s*(x-)?gzip\s*$/i.test(headers.get("content-encoding") ?? "");
}

/** An inflated body may be a thousand times as long as what was sent, so it is read in parts. */
async function unpacked(body, max) {
  if (body === null) return undefined;
  const parts = [];
  let length = 0;
  const reader = body.pipeThrough(new DecompressionStream("gzip")).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    length += value.length;
    if (length > max) {
      reader.cancel().catch(() => {});
      break;
    }
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
