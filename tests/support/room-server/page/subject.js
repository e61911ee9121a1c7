// A subject in a mediasoup room, by npm's mediasoup-client: sends the camera, shows the video that comes back.
//
// The address says how: ?room=ROOM&peer=PEER, and if wanted &codec=VP8|H264, &simulcast, &scalability=MODE (layers in
// one stream, as L1T3), &tcp (media over TCP only), &relay (media over a TURN server only).
// `window.state` says how it stands, and `window.subject` does what a person can do.

import { Device } from "mediasoup-client";
import { Peer, WebSocketTransport } from "protoo-client";

const CAMERA = { video: { width: 640, height: 480, frameRate: 30 } };
/** Three layers, the smallest first; bits per second. */
const SIMULCAST = [
  { scaleResolutionDownBy: 4, maxBitrate: 150_000 },
  { scaleResolutionDownBy: 2, maxBitrate: 400_000 },
  { scaleResolutionDownBy: 1, maxBitrate: 1_200_000 },
];

const query = new URLSearchParams(location.search);
const remote = document.querySelector("video.remote");
const line = document.getElementById("line");

/** For assertions; what is not there yet is null. */
window.state = {
  /** `connecting`, `joined`, `disconnected` (trying again), `closed` or `failed` */
  call: "connecting",
  /** ids of the other peers */
  peers: [],
  /** MIME type that is sent */
  sends: null,
  /** MIME type that is received */
  receives: null,
  /** frames of the returned video that were shown */
  shown: 0,
  /** whether the returned video is held up by the server or its sender */
  paused: false,
  /** how often the room was joined */
  joins: 0,
  error: null,
};

class Subject {
  #peer = null;
  #device;
  #send;
  #receive;
  #camera;
  #producers = [];
  #consumers = new Map();

  /** Enters the room, and enters it again whenever the connection comes back. */
  async enter() {
    this.#camera ??= (await navigator.mediaDevices.getUserMedia(CAMERA)).getVideoTracks()[0];
    document.querySelector("video.camera").srcObject = new MediaStream([this.#camera]);
    const url = new URL("/", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    url.search = new URLSearchParams({ roomId: query.get("room"), peerId: query.get("peer") });
    this.#peer = new Peer(new WebSocketTransport(url.href));
    this.#peer.on("open", () => this.#join().catch(failed));
    this.#peer.on("disconnected", () => this.#end("disconnected"));
    this.#peer.on("close", () => this.#end("closed"));
    this.#peer.on("request", (...request) => this.#answer(...request));
    this.#peer.on("notification", (notification) => this.#hear(notification));
  }

  /** As a person who closes the page. */
  leave() {
    this.#peer.close();
  }

  /** The camera is switched off, and the others are told. */
  async mute() {
    this.#producers[0].pause();
    await this.#peer.request("pauseProducer", { producerId: this.#producers[0].id });
  }

  async unmute() {
    this.#producers[0].resume();
    await this.#peer.request("resumeProducer", { producerId: this.#producers[0].id });
  }

  /** A second video beside the camera's, as a shared screen is. */
  async share() {
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("2d");
    setInterval(() => {
      context.fillStyle = `hsl(${performance.now() / 20} 80% 50%)`;
      context.fillRect(0, 0, canvas.width, canvas.height);
    }, 100);
    await this.#produce(canvas.captureStream(10).getVideoTracks()[0], { share: true });
  }

  /** Stops the newest video that is sent. */
  async stop() {
    const producer = this.#producers.pop();
    producer.close();
    await this.#peer.request("closeProducer", { producerId: producer.id });
  }

  /** Sends the camera anew, as a new producer. */
  async produceCamera() {
    const mode = query.get("scalability");
    const layers = query.has("simulcast") ? { encodings: SIMULCAST } : mode && { encodings: [{ scalabilityMode: mode }] };
    const producer = await this.#produce(this.#camera, {}, layers ?? {});
    window.state.sends = producer.rtpParameters.codecs[0].mimeType;
  }

  async #join() {
    this.#device = await Device.factory();
    await this.#device.load({ routerRtpCapabilities: await this.#peer.request("getRouterRtpCapabilities", {}) });
    this.#send = await this.#transport("send");
    this.#receive = await this.#transport("receive");
    const { peers } = await this.#peer.request("join", {
      displayName: "Subject",
      device: { flag: "chrome", name: "Chromium", version: "" },
      rtpCapabilities: this.#device.recvRtpCapabilities,
    });
    Object.assign(window.state, { call: "joined", peers: peers.map(({ id }) => id), error: null });
    window.state.joins += 1;
    await this.produceCamera();
  }

  async #transport(direction) {
    const sends = direction === "send";
    const options = await this.#peer.request("createWebRtcTransport", {
      forceTcp: query.has("tcp"),
      producing: sends,
      consuming: !sends,
    });
    options.iceServers = options.iceServers?.filter(({ urls }) => !String(urls).includes("undefined"));
    if (query.has("relay")) options.iceTransportPolicy = "relay";
    const transport = sends ? this.#device.createSendTransport(options) : this.#device.createRecvTransport(options);
    transport.on("connect", ({ dtlsParameters }, done, failed) =>
      this.#peer.request("connectWebRtcTransport", { transportId: transport.id, dtlsParameters }).then(done, failed),
    );
    transport.on("produce", ({ kind, rtpParameters, appData }, done, failed) =>
      this.#peer.request("produce", { transportId: transport.id, kind, rtpParameters, appData }).then(done, failed),
    );
    return transport;
  }

  async #produce(track, appData, options = {}) {
    const wanted = query.get("codec");
    const { codecs } = this.#device.sendRtpCapabilities;
    const codec = wanted && codecs.find(({ mimeType }) => mimeType.toLowerCase() === `video/${wanted.toLowerCase()}`);
    if (wanted && !codec) throw new Error(`the room or the browser has no ${wanted}`);
    // A later call may send the same track again.
    const producer = await this.#send.produce({ track, appData, stopTracks: false, codec, ...options });
    this.#producers.push(producer);
    return producer;
  }

  async #answer({ method, data }, accept, reject) {
    if (method !== "newConsumer") return reject(403, `${method} is not for subjects`);
    try {
      const { peerId, producerId, id, kind, rtpParameters } = data;
      const consumer = await this.#receive.consume({ id, producerId, kind, rtpParameters, appData: { peerId } });
      this.#consumers.set(id, consumer);
      accept();
      this.#present();
    } catch (error) {
      reject(500, String(error));
    }
  }

  /** Shows the first video of those that are received. */
  #present() {
    const [first] = this.#consumers.values();
    if (remote.srcObject?.getVideoTracks()[0] === first?.track) return;
    remote.srcObject = first ? new MediaStream([first.track]) : null;
    window.state.receives = first?.rtpParameters.codecs[0].mimeType ?? null;
  }

  #hear({ method, data }) {
    const { state } = window;
    switch (method) {
      case "newPeer":
        state.peers.push(data.id);
        break;
      case "peerClosed":
        state.peers = state.peers.filter((id) => id !== data.peerId);
        break;
      case "consumerPaused":
        state.paused = true;
        break;
      case "consumerResumed":
        state.paused = false;
        break;
      case "consumerClosed":
        this.#consumers.get(data.consumerId)?.close();
        this.#consumers.delete(data.consumerId);
        this.#present();
        break;
    }
    show();
  }

  #end(call) {
    this.#send?.close();
    this.#receive?.close();
    this.#producers = [];
    this.#consumers.clear();
    this.#present();
    Object.assign(window.state, { call, peers: [], sends: null, paused: false });
    show();
  }
}

function show() {
  const { call, peers, error } = window.state;
  line.textContent = error ?? `${call}${peers.length ? ` with ${peers.join(", ")}` : ""}`;
}

function failed(error) {
  Object.assign(window.state, { call: "failed", error: String(error) });
  show();
}

function count() {
  window.state.shown += 1;
  remote.requestVideoFrameCallback(count);
}

remote.requestVideoFrameCallback(count);
window.subject = new Subject();
window.subject.enter().then(show, failed);
