// The wasm instances of an isolate: one for visitors, and one of the control plane while that is needed. Both run the same
// bundles, which the control plane's module compiles for the other one. A trap costs an instance; the next one gets the state of
// the last.

import { FrameReader, FrameWriter } from "./frame.js";
import { BEHIND, COMPILE, CONFIGURE, DEGRADE, FOLD, INSTALL, Instance, IS_PART, KEYS, MEET, MISPLACE, OPEN, SCHEMA, STAND_IN } from "./instance.js";
import { fault } from "./log.js";
import { placementOf } from "./objects.js";
import controlModule from "./usher-control.wasm";
import visitorsModule from "./usher.wasm";

/** A larger memory of the control plane is given back after each use: an isolate has 128 MB for everything. */
const CONTROL_BYTES_KEPT = 24 * 1024 * 1024;

export class Planes {
  #secret;
  #demo;
  /** Where activations may be sent, as the settings say it. The control plane reads it. */
  #destinations;
  /** The keys in it, or the complaint about it, as the control plane's module reads it. */
  #keys;
  #formSetting;
  /** Makes the hashes of sources unpredictable, in all instances the same. */
  #seed = crypto.getRandomValues(new Uint8Array(32));
  #profileDays;
  #lost;
  #visitors;
  /** Undefined until it is asked, and after each change of what runs. */
  #control;
  /** The memory with which it started: large bundles are not compiled again for each request. */
  #controlBytes = 0;
  /** What sources used by the count of the control plane. */
  #controlUsed;
  /** An instance of the control plane's module without any state, which compiles bundles; undefined when there are none to compile. */
  #compiler;
  /** Pointer, body and compiled plan of the running bundles by audience. */
  #running = new Map();
  /** Hashes of bundles that trapped on installation. They are not tried again: each trap costs an instance. */
  #trapped = new Set();
  /** The same for those that trapped in the control plane alone, each with the reason. Visitors are still served. */
  #trappedInControl = new Map();
  /** The reason why an audience does not run its bundle; "" is the control object. */
  #degraded = new Map();
  /** The audiences whose bundle was written by a newer build. */
  #tooNew = new Set();
  /** The pointers that were compared last, as a frame. */
  #pointers;
  /** The reason why another form is written than is set; logged once. */
  #formComplaint = "";
  /** The reason why the data are not where the settings say; empty: they are. */
  #placementFault;
  #shards;
  /** Statements that create the tables, as the control plane's module has them. */
  schema;
  /** The form to write. */
  form = 0;
  /** True once criteria of a bundle read facts of requests, which it costs to ask the platform for. */
  readsFacts = false;

  constructor(env) {
    this.#secret = env.USHER_KEYS ?? "";
    this.#demo = env.USHER_DEMO === "1";
    this.#destinations = String(env.USHER_DESTINATIONS ?? "");
    this.#formSetting = String(env.USHER_FORM ?? "");
    this.#profileDays = String(env.USHER_PROFILE_DAYS ?? "");
    this.#lost = String(env.USHER_LOST ?? "");
    const { shards, complaint: unplaced } = placementOf(env);
    [this.#placementFault, this.#shards] = [unplaced, unplaced ? 1 : shards];
    this.#compiler = new Instance(controlModule);
    this.#keys = this.#compiler.run(KEYS, this.#secretFrame().done());
    this.schema = new FrameReader(this.#compiler.run(SCHEMA, new Uint8Array())).list((r) => r.text());
    const complaint = this.#start() || this.#placementFault;
    if (complaint) fault("unconfigured", complaint);
  }

  /** Runs an operation for visitors. A trap fails only its own request. */
  visitors = (operation, input) => {
    try {
      return new FrameReader(this.#visitors.run(operation, input));
    } catch (error) {
      this.#start();
      throw error;
    }
  };

  /** Runs an operation of the control plane. A trap fails only its own request, and no visitor's. */
  control = (operation, input) => {
    this.#control ??= this.#startControl();
    const instance = this.#control;
    let keeps = false;
    try {
      const output = instance.run(operation, input);
      // The instance that opened a message folds it, part by part.
      const isOpen = operation === OPEN || (operation === FOLD && output[0] === IS_PART);
      keeps = isOpen || instance.bytes <= Math.max(CONTROL_BYTES_KEPT, this.#controlBytes);
      return new FrameReader(output);
    } finally {
      // A trap leaves it there no more, nor does a memory that has grown.
      if (!keeps) this.#dropControl();
    }
  };

  /** The control plane starts again when it is asked, and goes on counting where it was. */
  #dropControl() {
    if (this.#control) this.#controlUsed = this.#control.used.slice();
    this.#control = undefined;
  }

  /** Passes in the form of a storage, 0 for none; returns the form to write, 0 when a newer build wrote it. */
  meet(stored) {
    return this.#met(this.visitors(MEET, new FrameWriter(8).long(stored).done()));
  }

  /** Refuses everything from now on, because the data are not where the settings say; logs the reason once. */
  misplace(reason) {
    if (reason === this.#placementFault) return;
    fault("misplaced", reason);
    this.#placementFault = reason;
    this.#change(MISPLACE, new FrameWriter().text(reason).done());
  }

  /** Compares pointers (`pointers · written?`) with what runs; the answer of the operation. */
  behind(input) {
    // The control plane was started with the same ones.
    const out = same(input, this.#pointers) ? this.visitors(BEHIND, input) : this.#change(BEHIND, input);
    if (out.byte() === 0) return { questions: out.list((r) => ({ shard: r.number(), message: r.bytes() })) };
    this.#pointers = input;
    return { raises: out.list((r) => r.bytes().slice()), behind: out };
  }

  runs(audience) {
    return this.#running.has(audience);
  }

  /** The reason why a bundle is not tried again, if it trapped. */
  trapped({ audience, number, hash }) {
    return this.#trapped.has(hash) ? trapped(audience, number) : "";
  }

  /** Installs a bundle; returns the reason if it does not run. */
  install({ audience, number, hash }, body) {
    const { compiled, trapped } = this.#compile({ audience, number, hash }, body);
    if (trapped) return trapped;
    const installed = this.#try({ audience, number, hash }, INSTALL, compiledFrame({ audience, number, hash, compiled }));
    if (installed.trapped) return installed.trapped;
    const [complaint, tooNew] = [installed.text(), installed.byte()];
    if (tooNew) this.#tooNew.add(audience);
    else this.#tooNew.delete(audience);
    if (complaint) return complaint;
    this.readsFacts ||= installed.byte() === 1;
    this.#degraded.delete(audience);
    const running = this.#running.get(audience);
    const later = running && !running.standsInFor && running.number >= number;
    if (!later) this.#running.set(audience, { audience, number, hash, body, compiled });
    return "";
  }

  /** Runs an earlier bundle in place of one that does not run; false if it does not run either. */
  standIn(standsInFor, { number, hash, body }) {
    const { audience } = standsInFor;
    const { compiled, trapped } = this.#compile({ audience, number, hash }, body);
    if (trapped) return false;
    const running = { audience, number: standsInFor.number, hash, body, compiled, standsInFor };
    const installed = this.#try({ audience, number, hash }, STAND_IN, compiledFrame(running));
    if (installed.trapped || installed.text()) return false;
    this.readsFacts ||= installed.byte() === 1;
    this.#running.set(audience, running);
    return true;
  }

  /** Compiles a bundle. A trap costs the instance that compiles, and no visitor's request. */
  #compile(pointer, body) {
    const compiler = this.#compiler ?? new Instance(controlModule);
    this.#compiler = undefined;
    try {
      const compiled = compiler.run(COMPILE, pointerFrame(pointer, body.length).bytes(body).done());
      if (compiler.bytes <= CONTROL_BYTES_KEPT) this.#compiler = compiler;
      return { compiled };
    } catch (error) {
      return { trapped: this.#trap(pointer, error) };
    }
  }

  /** Gives the memory back in which bundles were compiled: there are no more for now. */
  compiledAll() {
    this.#compiler = undefined;
  }

  /** A running bundle that was published again has a new number, also in a later instance. */
  renumber(pointers) {
    for (const { audience, number, hash } of pointers) {
      const running = this.#running.get(audience);
      // It was taken out.
      if (hash === "" && running?.number < number) this.#running.delete(audience);
      if (running?.hash === hash && running.number < number) running.number = number;
    }
  }

  /** Makes `/healthz` say `degraded`; logs the reason once. */
  degrade(audience, reason) {
    this.#note(audience, reason);
    this.#change(DEGRADE, this.#degradeFrame(audience, reason));
  }

  /** The control object answers, and these audiences alone do not run their bundles. */
  recover(missing) {
    for (const audience of this.#degraded.keys()) if (!missing.has(audience)) this.#degraded.delete(audience);
    for (const audience of this.#tooNew) if (!missing.has(audience)) this.#tooNew.delete(audience);
  }

  /** The control object answered to the end. */
  caughtUp() {
    const frame = this.#degradeFrame("", "");
    this.visitors(DEGRADE, frame);
    // It is the same in both, so the control plane need not start again.
    this.#control?.run(DEGRADE, frame);
  }

  /** Runs an operation that changes the running bundles. The control plane then starts again with them. */
  #change(operation, input) {
    this.#dropControl();
    return this.visitors(operation, input);
  }

  /** The same for a bundle that may trap: the other audiences keep running in a new instance. */
  #try(pointer, operation, input) {
    try {
      this.#dropControl();
      return new FrameReader(this.#visitors.run(operation, input));
    } catch (error) {
      const reason = this.#trap(pointer, error);
      this.#start();
      return { trapped: reason };
    }
  }

  /** Remembers a bundle that trapped; returns the reason for the log. */
  #trap({ audience, number, hash }, error) {
    this.#trapped.add(hash);
    return `${trapped(audience, number)}: ${error?.message ?? error}`;
  }

  #note(audience, reason) {
    if (!this.#degraded.has(audience)) fault("degraded", reason);
    this.#degraded.set(audience, reason);
  }

  #met(out) {
    const [form, complaint] = [out.byte(), out.text()];
    if (form && form !== this.form) {
      this.form = form;
      this.#dropControl();
    }
    if (complaint && complaint !== this.#formComplaint) fault("form_refused", complaint);
    this.#formComplaint = complaint;
    return form;
  }

  /** Starts the instance for visitors without the bundles that trap now; returns the complaint about the keys. */
  #start() {
    for (;;) {
      const instance = new Instance(visitorsModule);
      const out = this.#configure(instance, new FrameWriter().raw(this.#keys));
      const complaint = out.text();
      this.#met(out);
      // From the one that trapped, before it is replaced.
      instance.count(out.number(), out.number(), this.#visitors?.used);
      this.#visitors = instance;
      const broken = this.#restore(instance, this.#trapped);
      if (!broken) return complaint;
      this.#note(broken.audience, this.#trap(broken, broken.error));
      this.#running.delete(broken.audience);
    }
  }

  /** Starts an instance of the control plane; it refuses requests about bundles that trap in it. */
  #startControl() {
    for (;;) {
      const instance = new Instance(controlModule);
      const out = this.#configure(instance, this.#secretFrame());
      const complaint = out.text();
      // It alone reads identity keys and destinations.
      if (complaint) fault("unconfigured", complaint);
      // The form is that of the other instance.
      [out.byte(), out.text()];
      instance.count(out.number(), out.number(), this.#controlUsed);
      const broken = this.#restore(instance, this.#trappedInControl);
      if (!broken) {
        this.#controlBytes = instance.bytes;
        return instance;
      }
      const reason = `${trapped(broken.audience, broken.number)} in the control plane: ${broken.error?.message ?? broken.error}`;
      fault("degraded", reason);
      this.#trappedInControl.set(broken.hash, reason);
    }
  }

  #secretFrame() {
    return new FrameWriter().text(this.#secret).byte(this.#demo ? 1 : 0).text(this.#destinations);
  }

  #configure(instance, keys) {
    const settings = keys.text(this.#formSetting).text(this.#profileDays).text(this.#lost);
    const input = settings.text(this.#placementFault).number(this.#shards).long(this.form).raw(this.#seed).done();
    return new FrameReader(instance.run(CONFIGURE, input));
  }

  /** Gives a new instance the state of the last one; returns the bundle that traps now, if one does. */
  #restore(instance, without) {
    const faults = new Map(this.#degraded);
    for (const [audience, running] of this.#running) {
      if (without.has(running.hash)) {
        faults.set(audience, trapped(audience, running.number));
        continue;
      }
      try {
        const frame = instance === this.#visitors ? compiledFrame(running) : bodyFrame(running);
        const complaint = new FrameReader(instance.run(running.standsInFor ? STAND_IN : INSTALL, frame)).text();
        if (complaint) fault("degraded", complaint);
        if (complaint) faults.set(audience, complaint);
      } catch (error) {
        return { audience, number: running.number, hash: running.hash, error };
      }
    }
    if (this.#pointers) instance.run(BEHIND, this.#pointers);
    for (const [audience, reason] of faults) instance.run(DEGRADE, this.#degradeFrame(audience, reason));
    return undefined;
  }

  #degradeFrame(audience, reason) {
    return new FrameWriter().text(audience).text(reason).byte(this.#tooNew.has(audience) ? 1 : 0).done();
  }
}

function same(bytes, others) {
  return bytes.length === others?.length && bytes.every((byte, index) => byte === others[index]);
}

function trapped(audience, number) {
  return `bundle ${number} of audience ${audience} stopped the engine`;
}

/** A running bundle for the module that has the compiler. */
function bodyFrame(running) {
  return runningFrame(running, running.body.length).bytes(running.body).done();
}

/** A running bundle for the other one. */
function compiledFrame(running) {
  return runningFrame(running, running.compiled.length).raw(running.compiled).done();
}

function runningFrame(running, capacity) {
  if (!running.standsInFor) return pointerFrame(running, capacity);
  return pointerFrame(running.standsInFor, capacity).text(running.hash);
}

function pointerFrame({ audience, number, hash }, capacity) {
  return new FrameWriter(capacity + 256).text(audience).long(number).text(hash);
}
