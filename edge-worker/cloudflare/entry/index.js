// The worker: one thin path around synchronous calls into wasm. JavaScript moves bytes; Rust decides.
//
// A plain object is the default export and small bodies are read whole, because that costs least on this platform.

import { BODY, INTERNAL, RATE, STORAGE, engine } from "./engine.js";
import { fault } from "./log.js";
import { measure } from "./metrics.js";
import { ask, control, send, writer } from "./objects.js";
import { patiently } from "./patience.js";
import { bodyOf, discardBody, headOf, readBody, requestId, sourceOf } from "./request.js";
import { lookUp, withoutCopies } from "./snapshots.js";

export { UsherStore } from "./store.js";

export default {
  async fetch(request, env, context) {
    const service = engine(env);
    if (!env.USHER_METRICS) return answer(service, request, env, context, {});
    const [start, about] = [Date.now(), { work: "refuse" }];
    const response = await answer(service, request, env, context, about);
    measure(env, "front", about.work, Date.now() - start, response, about.id);
    return response;
  },
};

/** The answer to a request. `about` is told its id, and the kind of its step. */
async function answer(service, request, env, context, about) {
  let head;
  try {
    const waiting = service.fresh(env, context);
    if (waiting) await waiting;
    head = headOf(request, service);
    about.id = head.id;
    const declared = bodyOf(request);
    let max = declared.declared;
    if (!declared.small || env.USHER_RATE) {
      const admitted = service.admit(head, declared.declared);
      const refused = admitted.response ?? (admitted.metered && (await overRate(env, request, head.id)) && service.failed(head, RATE));
      if (refused) {
        await discardBody(request);
        return refused;
      }
      if (!declared.small) max = admitted.max;
    }
    const body = await readBody(request, declared, max);
    if (!body) return service.failed(head, BODY);
    const step = service.front(head, body);
    about.work = step.kind;
    switch (step.kind) {
      case "respond":
        return step.response;
      case "write":
        return await withoutCopies(service, env, context, await deliver(service, writer(env, step.shard), step.message, head.id), head.id);
      case "split":
        return await withoutCopies(service, env, context, await split(service, env, step, head.id), head.id);
      case "look":
        return afterwards(service, env, context, head.id, step.later, step.response ?? (await lookUp(service, env, context, head, step)));
      case "publish":
        return await publish(service, env, head, step);
      case "control":
        return await instruct(service, env, step.message, head.id);
    }
  } catch (error) {
    // A trap has already replaced the instance; in any case the visitor gets an answer.
    const id = head?.id ?? requestId(request);
    fault("failure", error, id);
    return inNeed(service, head, id);
  }
}

/** True if the rate-limiting binding, where there is one, has counted too many requests of this source in this location. */
async function overRate(env, request, requestId) {
  const key = sourceOf(request);
  if (!env.USHER_RATE || !key) return false;
  try {
    return !(await env.USHER_RATE.limit({ key })).success;
  } catch (error) {
    // Whoever is counted elsewhere, too, is not refused for want of this count.
    fault("rate_unavailable", error, requestId);
    return false;
  }
}

/** An answer in the format of the route, or a constant one if there is no instance. */
function inNeed(service, head, requestId) {
  try {
    if (head) return service.failed(head, INTERNAL);
  } catch (error) {
    fault("failure", error, requestId);
  }
  return service.internal(requestId);
}

/** An answer that does not wait for a message, which is empty if there is none. */
function afterwards(service, env, context, requestId, { shard, message }, response) {
  if (message.length > 0) {
    const delivered = deliver(service, writer(env, shard), message, requestId);
    context.waitUntil(delivered.then((answer) => withoutCopies(service, env, context, answer, requestId)));
  }
  return response;
}

/** Delivers each part of a batch to its shard, at the same time, and joins the answers. */
async function split(service, env, { parts, join }, requestId) {
  const answers = await Promise.all(parts.map(({ shard, message }) => ask(env, shard, message, requestId)));
  return service.join(join, answers, requestId);
}

/** Delivers a message to the object that owns the data; its answer is the caller's. */
async function deliver(service, object, message, requestId) {
  try {
    return await send(object, message, requestId);
  } catch (error) {
    fault("storage_unavailable", error, requestId);
    return Object.assign(service.unavailable(message, requestId), { storeErrors: 1 });
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
    fault("storage_unavailable", error, head.id);
    return service.failed(head, STORAGE);
  }
  // A control object that lost the audience continues from the shards' number.
  if (restore.length > 0) await deliver(service, control(env), restore, head.id);
  return await instruct(service, env, message, head.id);
}

/**
 * Delivers a message to the control object, and catches up with it. Bodies that it dropped are deleted from KV, too.
 */
async function instruct(service, env, message, requestId) {
  const response = await deliver(service, control(env), message, requestId);
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
