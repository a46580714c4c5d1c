// The one concession to a local page without TLS. The SDK writes `https://` before every host;
// `make demo` serves plain HTTP. On an https page (and so in the browser test) this does nothing.

if (location.protocol === "http:") {
  const send = window.fetch.bind(window);
  const [secure, plain] = [`https://${location.host}/`, `http://${location.host}/`];
  window.fetch = (url, options) => send(typeof url === "string" ? url.replace(secure, plain) : url, options);
}
