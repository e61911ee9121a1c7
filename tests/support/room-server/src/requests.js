// What a client may ask for: `method: async (peer, data) => answer`. What is thrown becomes the error response.

/** The requests by their names on the wire. */
export const REQUESTS = {
  getRouterRtpCapabilities: async (peer) => peer.room.router.rtpCapabilities,

  async createWebRtcTransport(peer, { forceTcp, producing, consuming, sctpCapabilities }) {
    const { media, router } = peer.room;
    const appData = { producing, consuming };
    const transport = await media.transport(router, { forceTcp, sctpCapabilities, appData });
    peer.transports.set(transport.id, transport);
    transport.on("routerclose", () => peer.transports.delete(transport.id));
    transport.observer.on("close", () => peer.transports.delete(transport.id));
    transport.on("trace", ({ info }) => {
      const { desiredBitrate, effectiveDesiredBitrate, availableBitrate } = info;
      peer.notify("downlinkBwe", { desiredBitrate, effectiveDesiredBitrate, availableBitrate });
    });
    return media.description(transport);
  },

  async connectWebRtcTransport(peer, { transportId, dtlsParameters }) {
    await one(peer, "transport", transportId).connect({ dtlsParameters });
    return {};
  },

  async restartIce(peer, { transportId }) {
    return one(peer, "transport", transportId).restartIce();
  },

  async join(peer, { displayName, device, rtpCapabilities, sctpCapabilities }) {
    if (peer.joined) throw new Error("Peer already joined");
    peer.introduction = { displayName, device, rtpCapabilities, sctpCapabilities };
    const others = peer.room.others(peer);
    for (const other of others) other.notify("newPeer", peer.description);
    // After the answer.
    setImmediate(() => {
      for (const other of others) {
        for (const producer of other.producers.values()) peer.consumeLater(other, producer);
      }
    });
    return { peers: others.map((other) => other.description) };
  },

  async produce(peer, { transportId, kind, rtpParameters, appData }) {
    if (!peer.joined) throw new Error("Peer not yet joined");
    const transport = one(peer, "transport", transportId);
    const producer = await transport.produce({ kind, rtpParameters, appData: appData ?? {} });
    peer.producers.set(producer.id, producer);
    producer.observer.on("close", () => peer.producers.delete(producer.id));
    producer.on("score", (score) => peer.notify("producerScore", { producerId: producer.id, score }));
    setImmediate(() => {
      for (const other of peer.room.others(peer)) other.consumeLater(peer, producer);
    });
    return { id: producer.id };
  },

  async closeProducer(peer, { producerId }) {
    one(peer, "producer", producerId).close();
    return {};
  },

  async pauseProducer(peer, { producerId }) {
    await one(peer, "producer", producerId).pause();
    return {};
  },

  async resumeProducer(peer, { producerId }) {
    await one(peer, "producer", producerId).resume();
    return {};
  },

  async pauseConsumer(peer, { consumerId }) {
    await one(peer, "consumer", consumerId).pause();
    return {};
  },

  async resumeConsumer(peer, { consumerId }) {
    await one(peer, "consumer", consumerId).resume();
    return {};
  },

  async setConsumerPreferredLayers(peer, { consumerId, spatialLayer, temporalLayer }) {
    await one(peer, "consumer", consumerId).setPreferredLayers({ spatialLayer, temporalLayer });
    return {};
  },

  async setConsumerPriority(peer, { consumerId, priority }) {
    await one(peer, "consumer", consumerId).setPriority(priority);
    return {};
  },

  async requestConsumerKeyFrame(peer, { consumerId }) {
    await one(peer, "consumer", consumerId).requestKeyFrame();
    return {};
  },

  getTransportStats: async (peer, { transportId }) => one(peer, "transport", transportId).getStats(),
  getProducerStats: async (peer, { producerId }) => one(peer, "producer", producerId).getStats(),
  getConsumerStats: async (peer, { consumerId }) => one(peer, "consumer", consumerId).getStats(),

  async changeDisplayName(peer, { displayName }) {
    if (!peer.joined) throw new Error("Peer not yet joined");
    const { displayName: oldDisplayName } = peer.introduction;
    peer.introduction.displayName = displayName;
    peer.room.tellOthers(peer, "peerDisplayNameChanged", { peerId: peer.id, displayName, oldDisplayName });
    return {};
  },

  /** The answer finds no connection any more: the peer is put out first. */
  async leaveRoom(peer) {
    peer.room.tellOthers(peer, "peerLeft", { peerId: peer.id });
    peer.close();
    return {};
  },
};

/** The peer's transport, producer or consumer of this id. */
function one(peer, kind, id) {
  const found = peer[`${kind}s`].get(id);
  if (!found) throw new Error(`${kind} with id "${id}" not found`);
  return found;
}
