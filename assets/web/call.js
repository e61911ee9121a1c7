// The call: signalling with the service, one peer connection at a time, and coming back after a loss. No page in here.
//
// Messages are JSON text. To the service: camera, offer, candidate, bye. From it: waiting, busy, ready (make a new connection and
// offer), answer, candidate, outcome, ended, error.

/** Close codes of the service after which coming back is of no use. */
const ENDED = 4000;
const BUSY = 4001;
const REPLACED = 4002;

/** Milliseconds. */
const FIRST_RETRY = 500;
const LONGEST_RETRY = 8_000;
/** How long coming back is tried before the person is asked. */
const GIVE_UP = 60_000;
/** Our own old connection may still be in the room for a moment after a reload or a loss. */
const BUSY_PATIENCE = 12_000;
/** How long a silent connection may recover by itself. */
const SILENCE = 8_000;
/** Characters. */
const LONGEST_LABEL = 200;

/**
 * Events (`CustomEvent`):
 * - `state`: `connecting`, `waiting`, `starting`, `weak`, `recovered`, `reconnecting`, and the last ones: `busy`, `replaced`, `lost`, `ended`
 * - `language`: the flow's
 * - `video`: the `MediaStream` from the service
 * - `outcome`: `{success, reason, text}`
 */
export class Call extends EventTarget {
  #url;
  #stream;
  #socket = null;
  #peer = null;
  /** Candidates that came before the answer. */
  #early = [];
  /** Messages are handled one after the other, though handling awaits. */
  #turn = Promise.resolve();
  #over = false;
  #decided = false;
  #lostSince = null;
  #busySince = null;
  #delay = FIRST_RETRY;
  #retryTimer = 0;
  #silenceTimer = 0;

  /** `url` of the WebSocket; `stream` with the camera's video track; `rejoining` when this page was in the room before. */
  constructor(url, stream, rejoining = false) {
    super();
    this.#url = url;
    this.#stream = stream;
    this.#busySince = rejoining ? performance.now() : null;
    addEventListener("online", this.#comeBackNow);
    addEventListener("pagehide", this.#leave);
    this.#tell("connecting");
    this.#connect();
  }

  /** Another camera track, in the same call. */
  async replaceTrack(stream) {
    this.#stream = stream;
    if (this.#peer) this.#nameCamera();
    const sender = this.#peer?.getTransceivers()[0]?.sender;
    await sender?.replaceTrack(stream.getVideoTracks()[0]);
  }

  /** Leaves for good. */
  close() {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#send({ type: "bye" });
    this.#end();
  }

  #leave = () => this.close();

  #comeBackNow = () => {
    if (this.#retryTimer) this.#connect();
  };

  #end() {
    this.#over = true;
    removeEventListener("online", this.#comeBackNow);
    removeEventListener("pagehide", this.#leave);
    clearTimeout(this.#retryTimer);
    this.#closePeer();
    this.#socket?.close(1000);
  }

  #fire(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #tell(state) {
    this.#fire("state", state);
  }

  #finish(state) {
    if (this.#over) return;
    this.#end();
    this.#tell(state);
  }

  #connect() {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = 0;
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      this.#turn = this.#turn
        .then(() => (socket === this.#socket ? this.#handle(JSON.parse(data)) : undefined))
        .catch((error) => this.#failed(error));
    };
    socket.onclose = ({ code }) => {
      // After the messages that came before it.
      this.#turn = this.#turn.then(() => (socket === this.#socket ? this.#closed(code) : undefined));
    };
  }

  #closed(code) {
    if (this.#over) return;
    if (code === ENDED || this.#decided) return this.#finish("ended");
    if (code === REPLACED) return this.#finish("replaced");
    if (code === BUSY && (this.#busySince === null || performance.now() - this.#busySince > BUSY_PATIENCE)) return this.#finish("busy");
    this.#retry();
  }

  #retry() {
    this.#closePeer();
    this.#lostSince ??= performance.now();
    this.#busySince ??= performance.now();
    if (performance.now() - this.#lostSince > GIVE_UP) return this.#finish("lost");
    this.#tell("reconnecting");
    this.#retryTimer = setTimeout(() => this.#connect(), this.#delay * (0.75 + Math.random() / 2));
    this.#delay = Math.min(2 * this.#delay, LONGEST_RETRY);
  }

  /** The media is gone while the socket may look well: begin anew. After the outcome the service leaves by itself. */
  #restart() {
    if (this.#decided) return;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
    this.#retry();
  }

  #failed(error) {
    console.error("call:", error);
    if (!this.#over) this.#restart();
  }

  #send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  async #handle(message) {
    if (this.#over) return;
    if (message.type !== "busy") {
      this.#lostSince = null;
      this.#delay = FIRST_RETRY;
    }
    switch (message.type) {
      case "waiting":
        this.#busySince = null;
        this.#closePeer();
        return this.#tell("waiting");
      case "ready":
        this.#busySince = null;
        return this.#offer(message);
      case "answer":
        await this.#peer?.setRemoteDescription({ type: "answer", sdp: message.sdp });
        for (const candidate of this.#early.splice(0)) await this.#add(candidate);
        return;
      case "candidate":
        if (!this.#peer?.remoteDescription) return void this.#early.push(message);
        return this.#add(message);
      case "outcome":
        this.#decided = true;
        return this.#fire("outcome", message);
      case "ended":
        return this.#finish("ended");
      case "error":
        return console.warn("call:", message.message);
    }
  }

  async #offer({ iceServers, iceTransportPolicy, lang }) {
    this.#closePeer();
    if (lang) this.#fire("language", lang);
    this.#tell("starting");
    const peer = new RTCPeerConnection({ iceServers: iceServers ?? [], iceTransportPolicy: iceTransportPolicy ?? "all", bundlePolicy: "max-bundle" });
    this.#peer = peer;
    peer.onicecandidate = ({ candidate }) => {
      if (peer !== this.#peer) return;
      const { candidate: text = "", sdpMLineIndex = 0, sdpMid = "0" } = candidate ?? {};
      this.#send({ type: "candidate", candidate: text, sdpMLineIndex, sdpMid });
    };
    peer.ontrack = ({ track }) => {
      if (peer === this.#peer && track.kind === "video") this.#fire("video", new MediaStream([track]));
    };
    peer.onconnectionstatechange = () => {
      if (peer === this.#peer) this.#connectionChanged(peer.connectionState);
    };
    const transceiver = peer.addTransceiver(this.#stream.getVideoTracks()[0], { direction: "sendrecv", streams: [this.#stream] });
    preferCodecs(transceiver);
    await peer.setLocalDescription(await peer.createOffer());
    if (peer !== this.#peer) return;
    this.#nameCamera();
    this.#send({ type: "offer", sdp: peer.localDescription.sdp });
  }

  /** The service takes no longer label. */
  #nameCamera() {
    const label = this.#stream.getVideoTracks()[0]?.label ?? "";
    this.#send({ type: "camera", label: [...label].slice(0, LONGEST_LABEL).join("") });
  }

  #connectionChanged(state) {
    clearTimeout(this.#silenceTimer);
    if (state === "connected") this.#tell("recovered");
    if (state === "failed") this.#restart();
    if (state === "disconnected") {
      this.#tell("weak");
      this.#silenceTimer = setTimeout(() => this.#restart(), SILENCE);
    }
  }

  async #add({ candidate, sdpMLineIndex, sdpMid }) {
    // An empty one says that there are no more; not every browser takes it, and none needs it.
    if (!candidate) return;
    try {
      await this.#peer?.addIceCandidate({ candidate, sdpMLineIndex: sdpMLineIndex ?? 0, ...(sdpMid == null ? {} : { sdpMid }) });
    } catch (error) {
      // One useless candidate (a family this machine lacks, say) does not end a call.
      console.warn("call: candidate not used:", error.message);
    }
  }

  #closePeer() {
    clearTimeout(this.#silenceTimer);
    this.#early = [];
    const peer = this.#peer;
    this.#peer = null;
    peer?.close();
  }
}

/** VP8 first, H264 as well, nothing that the service does not speak. */
function preferCodecs(transceiver) {
  const codecs = RTCRtpReceiver.getCapabilities?.("video")?.codecs;
  if (!codecs || !transceiver.setCodecPreferences) return;
  const named = (name) => codecs.filter(({ mimeType }) => mimeType.toLowerCase() === `video/${name}`);
  const wanted = [...named("vp8"), ...named("h264"), ...named("rtx")];
  if (named("vp8").length + named("h264").length > 0) transceiver.setCodecPreferences(wanted);
}
