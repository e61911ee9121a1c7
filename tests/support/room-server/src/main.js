// A mediasoup room server for tests: `ws://HOST:PORT/?roomId=ROOM&peerId=PEER`, sub-protocol `protoo`.
//
// Prints one line of JSON when it is ready: {port, control, udpPort, tcpPort}. Ends with its standard input
// where that is a pipe, so that it cannot outlive the test that started it.

import { fstatSync, readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";

import protoo from "protoo-server";

import { serveControl } from "./control.js";
import { Media } from "./media.js";
import { parse } from "./options.js";
import { servePage } from "./page.js";
import { Room } from "./room.js";

/** Largest protoo message, in bytes. */
const LARGEST_MESSAGE = 960_000;

async function main() {
  const options = parse(process.argv.slice(2));
  // with the program that started it; a terminal and /dev/null are nobody's end
  if (fstatSync(0).isFIFO()) process.stdin.resume().on("end", () => process.exit(0));

  const media = await Media.start(options);
  const rooms = new Map();
  const { tls } = options;
  const server = tls
    ? https.createServer({ cert: readFileSync(tls.certificate), key: readFileSync(tls.key) }, servePage)
    : http.createServer(servePage);

  const limits = { maxReceivedFrameSize: LARGEST_MESSAGE, maxReceivedMessageSize: LARGEST_MESSAGE };
  const sockets = new protoo.WebSocketServer(server, limits);
  // One at a time: a room may have to be opened, and a second peer of the same id must find the first.
  let turn = Promise.resolve();
  sockets.on("connectionrequest", ({ request, socket }, accept, reject) => {
    const query = new URL(request.url, "ws://localhost").searchParams;
    const [roomId, peerId] = [query.get("roomId"), query.get("peerId")];
    if (!roomId || !peerId) return reject(400, "Connection request without roomId and/or peerId");
    turn = turn
      .then(async () => {
        if (!rooms.has(roomId)) {
          const onEmpty = () => rooms.delete(roomId);
          rooms.set(roomId, await Room.open(media, { limit: options.roomLimit, onEmpty }));
        }
        rooms.get(roomId).enter(peerId, accept(), socket);
      })
      .catch(reject);
  });

  await new Promise((resolve, fail) => server.once("error", fail).listen(options.port, options.listenIp, resolve));
  const control = await serveControl(rooms, media);
  console.log(JSON.stringify({ port: server.address().port, control, ...media.ports }));
}

main().catch((error) => {
  console.error(`room server: ${error.message}`);
  process.exit(1);
});
