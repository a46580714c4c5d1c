// A receiver that answers at once, in a process of its own: it prints its address, then a line for each message, `<customer> <time>`, in
// Unix milliseconds with three digits after the point.

import { createServer } from "node:http";

let lines = [];
const server = createServer((request, response) => {
  const at = performance.timeOrigin + performance.now();
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const { customer } = JSON.parse(Buffer.concat(parts).toString("utf8"));
    lines.push(`${customer} ${at.toFixed(3)}\n`);
    response.writeHead(200).end();
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/in`));
setInterval(() => {
  if (lines.length > 0) process.stdout.write(lines.join(""));
  lines = [];
}, 20);
