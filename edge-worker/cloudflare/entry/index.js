// The worker: one thin path around synchronous calls into wasm. JavaScript moves bytes; Rust decides.
//
// A plain object is the default export and small bodies are read whole, because that costs least on this platform.

import { BODY, INTERNAL, RATE, STORAGE, engine } from "./engine.js";
import { control, writer } from "./objects.js";
import { patiently } from "./patience.js";
import { bodyOf, discardBody, headOf, readBody, sourceOf } from "./request.js";
import { lookUp, withoutCopies } from "./snapshots.js";

export { UsherStore } from "./store.js";

export default {
  async fetch(request, env, context) {
    const service = engine(env);
    let head;
    try {
      const waiting = service.fresh(env, context);
      if (waiting) await waiting;
      head = headOf(request, service.headers);
      const declared = bodyOf(request);
      let max = declared.declared;
      if (!declared.small || env.USHER_RATE) {
        const admitted = service.admit(head, declared.declared);
        const refused = admitted.response ?? (admitted.metered && (await overRate(env, request)) && service.failed(head, RATE));
        if (refused) {
          await discardBody(request);
          return refused;
        }
        if (!declared.small) max = admitted.max;
      }
      const body = await readBody(request, declared, max);
      if (!body) return service.failed(head, BODY);
      const step = service.front(head, body);
      switch (step.kind) {
        case "respond":
          return step.response;
        case "write":
          return await withoutCopies(env, context, await deliver(service, writer(env, step.shard), step.message));
        case "look":
          return afterwards(service, env, context, step.later, await lookUp(service, env, context, head, step));
        case "publish":
          return await publish(service, env, head, step);
        case "control":
          return await instruct(service, env, step.message);
      }
    } catch (error) {
      // A trap has already replaced the instance; in any case the visitor gets an answer.
      console.error(JSON.stringify({ event: "failure", detail: String(error?.message ?? error) }));
      return inNeed(service, head);
    }
  },
};

/** True if the rate-limiting binding, where there is one, has counted too many requests of this source in this location. */
async function overRate(env, request) {
  const key = sourceOf(request);
  if (!env.USHER_RATE || !key) return false;
  try {
    return !(await env.USHER_RATE.limit({ key })).success;
  } catch (error) {
    // Whoever is counted elsewhere, too, is not refused for want of this count.
    console.error(JSON.stringify({ event: "rate_unavailable", detail: String(error?.message ?? error) }));
    return false;
  }
}

/** An answer in the format of the route, or a constant one if there is no instance. */
function inNeed(service, head) {
  try {
    if (head) return service.failed(head, INTERNAL);
  } catch (error) {
    console.error(JSON.stringify({ event: "failure", detail: String(error?.message ?? error) }));
  }
  return service.internal();
}

/** An answer that does not wait for a message, which is empty if there is none. */
function afterwards(service, env, context, { shard, message }, response) {
  if (message.length > 0) {
    const delivered = deliver(service, writer(env, shard), message);
    context.waitUntil(delivered.then((answer) => withoutCopies(env, context, answer)));
  }
  return response;
}

/** Delivers a message to the object that owns the data; its answer is the caller's. */
async function deliver(service, object, message) {
  try {
    return await object.fetch("http://store/", { method: "POST", body: message });
  } catch (error) {
    console.error(JSON.stringify({ event: "storage_unavailable", detail: String(error?.message ?? error) }));
    return service.unavailable(message);
  }
}

/** Stores the body first and reads it back, then the pointer, so that no pointer refers to a missing body. */
async function publish(service, env, head, { hash, body, message, restore }) {
  const name = `bundle/${hash}`;
  try {
    await env.USHER_KV.put(name, body);
    const stored = await env.USHER_KV.get(name, "arrayBuffer");
    if (stored?.byteLength !== body.length) throw new Error("the bundle did not read back");
  } catch (error) {
    console.error(JSON.stringify({ event: "storage_unavailable", detail: String(error?.message ?? error) }));
    return service.failed(head, STORAGE);
  }
  // A control object that lost the audience continues from the shards' number.
  if (restore.length > 0) await deliver(service, control(env), restore);
  return await instruct(service, env, message);
}

/**
 * Delivers a message to the control object, and catches up with it. Bodies that it dropped are deleted from KV, too.
 */
async function instruct(service, env, message) {
  const response = await deliver(service, control(env), message);
  await service.refresh(env);
  const dropped = response.headers.get("usher-dropped");
  if (!dropped) return response;
  for (const hash of dropped.split(",")) {
    // A copy that stays only takes space.
    await patiently(() => env.USHER_KV.delete(`bundle/${hash}`));
  }
  const answer = new Response(response.body, response);
  answer.headers.delete("usher-dropped");
  return answer;
}
