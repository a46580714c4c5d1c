// A network that fails, to show the SDK then: calls of the edge fail, or arrive and their answers are lost. It is simulated here, in
// front of everything, and the switch says so.

let mode = "on";

/** Takes the place of `fetch` and of beacons for calls below the endpoint. */
export function watchNetwork(usher, endpoint) {
  const prefix = new URL(`${endpoint}/v1/`, location.href).href;
  const isEdge = (url) => new URL(url, location.href).href.startsWith(prefix);
  const send = window.fetch.bind(window);
  window.fetch = async (resource, options) => {
    if (mode === "on" || !isEdge(resource.url ?? resource)) return send(resource, options);
    if (mode === "lost") await send(resource, options);
    throw new TypeError("The network is cut off by this page.");
  };
  const beacon = navigator.sendBeacon.bind(navigator);
  navigator.sendBeacon = (url, body) => (mode === "off" && isEdge(url) ? false : beacon(url, body));
  leave = () => usher.flush();
}

let leave = () => {};

/** `on`, `off` or `lost`. Back on, what waits is sent. */
export function setNetwork(next) {
  mode = next;
  if (mode === "on") leave();
}
