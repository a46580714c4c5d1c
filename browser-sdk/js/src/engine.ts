// The engine on the device, as the core knows it: it may come, and then it is asked first.

import type { Around, Device } from "./device/device.ts";
import type { EngineInfo } from "./types.ts";

export interface EngineOf {
  load(): Promise<EngineInfo>;
  /** Once it was loaded. */
  device(): Device | undefined;
}

/** @param denied why it may not come; empty if it may */
export function makeEngine(denied: () => string, around: () => Around): EngineOf {
  let device: Device | undefined;
  let starting: Promise<Device> | undefined;
  return {
    device: () => device,
    async load() {
      const reason = denied();
      if (reason) return { state: "off", reason, waiting: 0 };
      try {
        starting ??= import("./device/device.ts").then(({ makeDevice }) => (device = makeDevice(around())));
        return await (await starting).load();
      } catch {
        starting = undefined;
        return { state: "failed", reason: "network", waiting: 0 };
      }
    },
  };
}
