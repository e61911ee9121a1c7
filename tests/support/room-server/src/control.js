// What a test may ask for beside the protocol: `POST /COMMAND` with JSON, answered with JSON, at a port of its own.

import http from "node:http";

/** A port of loopback with the commands for `rooms`, a map by id. Answers its number. */
export async function serveControl(rooms, media) {
  const commands = commandsFor(rooms, media);
  const server = http.createServer(async (request, response) => {
    const reply = (status, body) => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body ?? {}));
    };
    try {
      let text = "";
      for await (const part of request) text += part;
      const command = commands[request.url.slice(1)];
      if (!command) return reply(404, { error: `no command ${request.url}` });
      reply(200, await command(text ? JSON.parse(text) : {}));
    } catch (error) {
      reply(400, { error: error.message });
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server.address().port;
}

/** `{room, peer}` in the data of a command is who it is about. */
function commandsFor(rooms, media) {
  const about = ({ room, peer }) => {
    const found = rooms.get(room)?.peer(peer);
    if (!found) throw new Error(`there is no peer ${peer} in room ${room}`);
    return found;
  };
  const producers = (data) => {
    const found = [...about(data).producers.values()].filter(({ kind }) => kind === (data.kind ?? "video"));
    if (!found.length) throw new Error(`peer ${data.peer} produces nothing`);
    return found;
  };
  return {
    /** Everybody, with what they send and receive: `{room: {peer: {...}}}`. */
    async rooms() {
      const all = {};
      for (const [id, room] of rooms) {
        all[id] = {};
        for (const peer of room.peers) all[id][peer.id] = await state(peer);
      }
      return all;
    },
    /** The connection is gone without a close frame. */
    "cut-socket": (data) => about(data).cut(),
    /** The connection is closed with code 4000. */
    "close-peer": (data) => about(data).close(),
    /** `direction`: `send` or `receive`, as the client sees it. The client is not told; it sees DTLS end. */
    "close-transport"(data) {
      const wanted = data.direction === "send" ? "producing" : "consuming";
      const found = [...about(data).transports.values()].filter(({ appData }) => appData[wanted]);
      if (!found.length) throw new Error(`peer ${data.peer} has no transport to ${data.direction}`);
      for (const transport of found) transport.close();
    },
    "pause-producer": (data) => Promise.all(producers(data).map((producer) => producer.pause())),
    "resume-producer": (data) => Promise.all(producers(data).map((producer) => producer.resume())),
    "close-producer": (data) => producers(data).forEach((producer) => producer.close()),
    /** Sends a request to the client; answers what it answered. */
    request: async (data) => ({ answer: await about(data).request(data.method, data.data) }),
    notify: (data) => about(data).notify(data.method, data.data),
    /** Sends `text` as one WebSocket message. */
    "send-raw": (data) => about(data).sendRaw(data.text),
    /** Candidates for UDP name this `port` from now on. */
    announce: ({ port }) => media.announce(port),
  };
}

async function state(peer) {
  const each = (things, describe) => Promise.all([...things.values()].map(describe));
  return {
    joined: peer.joined,
    introduction: peer.introduction,
    transports: await each(peer.transports, async (transport) => ({
      id: transport.id,
      direction: transport.appData.producing ? "send" : "receive",
      iceState: transport.iceState,
      iceSelectedTuple: transport.iceSelectedTuple ?? null,
      dtlsState: transport.dtlsState,
      stats: await transport.getStats(),
    })),
    producers: await each(peer.producers, async (producer) => ({
      id: producer.id,
      kind: producer.kind,
      type: producer.type,
      paused: producer.paused,
      score: producer.score,
      rtpParameters: producer.rtpParameters,
      stats: await producer.getStats(),
    })),
    consumers: await each(peer.consumers, async (consumer) => ({
      id: consumer.id,
      producerId: consumer.producerId,
      kind: consumer.kind,
      type: consumer.type,
      paused: consumer.paused,
      producerPaused: consumer.producerPaused,
      score: consumer.score,
      preferredLayers: consumer.preferredLayers ?? null,
      currentLayers: consumer.currentLayers ?? null,
      stats: await consumer.getStats(),
    })),
  };
}
