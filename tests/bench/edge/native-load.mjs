// The load on the native server, in a process of its own: events leave at a fixed rate, whether earlier ones were answered or not.
//
// It writes HTTP by itself, because Node's client cannot send as many requests on one core as are wanted.
//
// usage: node native-load.mjs '{"port":…,"headers":{…},"rate":…,"seconds":…,"users":…,"products":…,"round":…}'

import { createConnection } from "node:net";

const { port, headers, rate, seconds, users, products, round } = JSON.parse(process.argv[2]);
const CONNECTIONS = 64;
const CATEGORIES = 8;
const head = `POST /web/pageviews HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n${Object.entries(headers)
  .map(([name, value]) => `${name}: ${value}\r\n`)
  .join("")}content-length: `;

const free = [];
/** The times at which events were due that had no connection then, and how many of them have left since. */
const waiting = [];
let left = 0;
const latencies = [];
let state = 0x9e3779b9;
let sent = 0;

/** A number below the bound (xorshift). */
function below(bound) {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % bound;
}

function body() {
  const product = below(products);
  return JSON.stringify({ customer_id: `c-${below(users)}`, product_id: `P-${product}`, category: `category ${product % CATEGORIES}`, uuid: `${round}-${sent++}` });
}

async function connect() {
  const socket = createConnection({ port, host: "127.0.0.1", noDelay: true });
  await new Promise((done, fail) => socket.once("connect", done).once("error", fail));
  const connection = { socket, due: 0, read: "" };
  socket.on("data", (bytes) => take(connection, bytes));
  socket.on("close", () => stop("the server closed a connection"));
  return connection;
}

function leave(connection, due) {
  const text = body();
  connection.due = due;
  connection.socket.write(`${head}${text.length}\r\n\r\n${text}`);
}

/** An answer is whole when its head's length of body is there. */
function take(connection, bytes) {
  connection.read += bytes.toString("latin1");
  const end = connection.read.indexOf("\r\n\r\n");
  if (end < 0) return;
  const length = Number(/\r\ncontent-length: (\d+)/i.exec(connection.read.slice(0, end + 2))?.[1]);
  if (connection.read.length < end + 4 + length) return;
  if (!connection.read.startsWith("HTTP/1.1 200")) stop(connection.read.slice(0, 300));
  connection.read = "";
  latencies.push(performance.now() - connection.due);
  if (left < waiting.length) leave(connection, waiting[left++]);
  else free.push(connection);
}

function stop(reason) {
  console.error(reason);
  process.exit(1);
}

for (let n = 0; n < CONNECTIONS; n++) free.push(await connect());
const start = performance.now();
const total = rate * seconds;
let due = 0;
while (due < total) {
  for (const now = performance.now(); due < total && start + (due * 1_000) / rate <= now; due++) {
    const at = start + (due * 1_000) / rate;
    const connection = free.pop();
    if (connection) leave(connection, at);
    else waiting.push(at);
  }
  // What the server cannot take is not sent later.
  if (performance.now() - start > seconds * 1_000) break;
  await new Promise((done) => setImmediate(done));
}
const end = start + seconds * 1_000;
while (performance.now() < end) await new Promise((done) => setImmediate(done));
const answered = latencies.length / seconds;
left = waiting.length;
while (free.length < CONNECTIONS) await new Promise((done) => setTimeout(done, 5));
latencies.sort((a, b) => a - b);
const at = (quantile) => latencies[Math.floor((latencies.length - 1) * quantile)];
console.log(JSON.stringify({ answered, latencies: [0.5, 0.95, 0.99].map(at) }));
process.exit(0);
