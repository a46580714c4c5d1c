// The process of an attacker whose connections are silent or slow; `tests/attacks/idle-connections.test.mjs` starts it, says
// in one message what to do, and gets the number of connections when it is done. What is open then stays open until the process ends.

import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

process.once("disconnect", () => process.exit());
process.once("message", async ({ port, connections, addresses, starts, reopens, trickles, rounds, pause }) => {
  const sockets = new Map();
  let connected = 0;
  const open = (index) => {
    const socket = connect({ port, host: "127.0.0.1", localAddress: addresses[index % addresses.length] });
    sockets.set(index, socket);
    socket.on("error", () => {});
    socket.once("connect", () => (connected += 1));
    if (starts[index % starts.length]) socket.write(starts[index % starts.length]);
    if (reopens) socket.resume().once("close", () => setTimeout(() => open(index), 200));
  };
  for (let index = 0; index < connections; index++) {
    open(index);
    if (index % 100 === 99) await sleep(20);
  }
  for (let round = 0; round < rounds; round++) {
    for (const [index, socket] of sockets) {
      if (trickles && starts[index % starts.length] && socket.writable) socket.write(" ");
    }
    await sleep(pause);
  }
  process.send(connected);
});
