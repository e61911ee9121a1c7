// The mediasoup worker, and how transports are made in it.

import * as mediasoup from "mediasoup";

const AUDIO = { kind: "audio", mimeType: "audio/opus", clockRate: 48000, channels: 2 };
const VIDEO = {
  VP8: { kind: "video", mimeType: "video/VP8", clockRate: 90000 },
  H264: {
    kind: "video",
    mimeType: "video/H264",
    clockRate: 90000,
    parameters: { "packetization-mode": 1, "profile-level-id": "42e01f", "level-asymmetry-allowed": 1 },
  },
};

/** What a receiver is given before its bandwidth is known, in bits per second. */
const FIRST_BITRATE = 1_000_000;

/** One worker, and the ports at which it does all its media. */
export class Media {
  #options;
  #worker;
  #server;
  #announcedPort;

  /** `{udpPort, tcpPort}`; null for what is switched off. */
  ports;

  static async start(options) {
    const media = new Media();
    media.#options = options;
    media.#announcedPort = options.announcedPort;
    media.#worker = await mediasoup.createWorker({ logLevel: "warn" });
    media.#worker.on("died", (error) => {
      console.error("the mediasoup worker died:", error.message);
      process.exit(2);
    });
    const listenInfos = options.transports.map((protocol) => ({
      protocol,
      ip: options.listenIp,
      announcedAddress: options.announcedIp,
      port: options.rtcPort,
    }));
    media.#server = await media.#worker.createWebRtcServer({ listenInfos });
    const { udpSockets, tcpServers } = await media.#server.dump();
    media.ports = { udpPort: udpSockets[0]?.port ?? null, tcpPort: tcpServers[0]?.port ?? null };
    return media;
  }

  /** From now on, candidates for UDP name this port: something that forwards to the worker's own. */
  announce(port) {
    this.#announcedPort = port;
  }

  async router() {
    return this.#worker.createRouter({ mediaCodecs: [AUDIO, ...this.#options.codecs.map((name) => VIDEO[name])] });
  }

  async transport(router, { forceTcp, sctpCapabilities, appData }) {
    const transport = await router.createWebRtcTransport({
      webRtcServer: this.#server,
      enableUdp: !forceTcp && this.#options.transports.includes("udp"),
      enableTcp: this.#options.transports.includes("tcp"),
      preferUdp: true,
      initialAvailableOutgoingBitrate: FIRST_BITRATE,
      enableSctp: Boolean(sctpCapabilities),
      appData,
    });
    await transport.enableTraceEvent(["bwe"]);
    return transport;
  }

  /** What the client is told about a transport. */
  description(transport) {
    return {
      id: transport.id,
      iceParameters: transport.iceParameters,
      iceCandidates: transport.iceCandidates.map((candidate) =>
        candidate.protocol === "udp" && this.#announcedPort ? { ...candidate, port: this.#announcedPort } : candidate,
      ),
      dtlsParameters: transport.dtlsParameters,
      sctpParameters: transport.sctpParameters,
      iceServers: this.#options.iceServers,
    };
  }
}
