// One peer of a room: its connection, its transports, what it sends and what it receives.

import { REQUESTS } from "./requests.js";

export class Peer {
  #connection;
  #protooTransport;
  #socket;

  /** By id. */
  transports = new Map();
  producers = new Map();
  consumers = new Map();

  /** What `join` said; null before. */
  introduction = null;

  /** `connection` is protoo's peer; `protooTransport` and `socket` are what it talks through. */
  constructor(room, connection, protooTransport, socket) {
    this.room = room;
    this.id = connection.id;
    this.#protooTransport = protooTransport;
    this.#socket = socket;
    this.#connection = connection;
    this.#connection.on("request", (request, accept, reject) => this.#answer(request, accept, reject));
    this.#connection.on("close", () => room.gone(this));
  }

  get joined() {
    return this.introduction !== null;
  }

  /** As other peers are told. */
  get description() {
    const { displayName, device } = this.introduction;
    return { id: this.id, displayName, device };
  }

  async request(method, data) {
    return this.#connection.request(method, data);
  }

  notify(method, data) {
    // A peer that goes away meanwhile needs no notification.
    this.#connection.notify(method, data).catch(() => {});
  }

  /** Sends text as it is, which may be anything. */
  sendRaw(text) {
    return this.#protooTransport._connection.sendUTF(text);
  }

  /** Puts the peer out, with protoo's close code 4000. */
  close() {
    this.#connection.close();
  }

  /** The connection is gone as when a cable is pulled: no close frame. */
  cut() {
    this.#socket.destroy();
  }

  closeTransports() {
    for (const transport of this.transports.values()) transport.close();
  }

  /** Has this peer receive what `owner` produces; nothing when it cannot. */
  async consume(owner, producer) {
    const { rtpCapabilities } = this.introduction;
    const transport = [...this.transports.values()].find((transport) => transport.appData.consuming);
    if (!transport || !this.room.router.canConsume({ producerId: producer.id, rtpCapabilities })) return;

    const consumer = await transport.consume({ producerId: producer.id, rtpCapabilities, paused: true });
    const { id: consumerId } = consumer;
    const tell = (method, data = {}) => this.notify(method, { consumerId, ...data });
    const forget = () => this.consumers.delete(consumerId);
    this.consumers.set(consumerId, consumer);
    consumer.on("transportclose", forget);
    consumer.on("producerclose", () => {
      forget();
      tell("consumerClosed");
    });
    consumer.on("producerpause", () => tell("consumerPaused"));
    consumer.on("producerresume", () => tell("consumerResumed"));
    consumer.on("score", (score) => tell("consumerScore", { score }));
    consumer.on("layerschange", (layers) =>
      tell("consumerLayersChanged", {
        spatialLayer: layers?.spatialLayer ?? null,
        temporalLayer: layers?.temporalLayer ?? null,
      }),
    );

    await this.request("newConsumer", {
      peerId: owner.id,
      producerId: producer.id,
      id: consumerId,
      kind: consumer.kind,
      rtpParameters: consumer.rtpParameters,
      type: consumer.type,
      appData: { ...producer.appData, peerId: owner.id },
      producerPaused: consumer.producerPaused,
    });
    // The client has it: media may flow, beginning with a key frame.
    await consumer.resume();
    tell("consumerScore", { score: consumer.score });
  }

  /** `consume`, when nobody waits for it: a peer that refuses or goes away keeps a paused consumer, or none. */
  consumeLater(owner, producer) {
    this.consume(owner, producer).catch((error) => console.error(`${this.id}: newConsumer: ${error.message ?? error}`));
  }

  async #answer({ method, data }, accept, reject) {
    try {
      const handler = REQUESTS[method];
      if (!handler) throw new Error(`unknown request.method "${method}"`);
      accept(await handler(this, data ?? {}));
    } catch (error) {
      console.error(`${this.id}: ${method}: ${error.message}`);
      reject(500, error.message);
    }
  }
}
