// The stock td-js-sdk beside ours, as a page would use it against RT 2.0: only the host name is another.

import { loadScript } from "./load.js";

const DATABASE = "web";

export async function load() {
  if (location.protocol === "http:") usePlainHttp();
  await loadScript("td.min.js");
}

/** Sends a page view, and asks: the offers of its visitor, who is another than the shop's. */
export async function ask({ keys }) {
  const { host } = location;
  const td = new window.Treasure({ database: DATABASE, writeKey: keys.write_key, host, startInSignedMode: true });
  td.resetUUID();
  const call = (start) => new Promise((done, fail) => start(done, (error) => fail(new Error(error?.message || "the request was refused"))));
  await call((done, failed) => td.trackPageview("pageviews", done, failed));
  const where = { endpoint: host, database: DATABASE, table: "pageviews", token: keys.public_token };
  return call((done, failed) => td.fetchPersonalization(where, { ...td.getTrackValues(), td_path: "/" }, done, failed));
}

/** It writes `https://` before every host, and `make demo` serves plain HTTP. */
function usePlainHttp() {
  const send = window.fetch.bind(window);
  const [secure, plain] = [`https://${location.host}/`, `http://${location.host}/`];
  window.fetch = (url, options) => send(typeof url === "string" ? url.replace(secure, plain) : url, options);
}
