// The client of the frame door: sends pictures of a camera over a WebSocket until the service says whether the person is
// live. One file, no dependencies; `prompts.js` beside it has words for the codes.
//
//   import { LivenessClient } from "/call/assets/liveness-client.js";
//   import { leading, prompt } from "/call/assets/prompts.js";
//
//   const client = new LivenessClient(document.getElementById("camera"));
//   await client.attachCamera();
//   await client.connect("wss://SERVICE/ws");
//   const { isOk, jwt } = await client.checkLiveness(({ errors }) => (line.textContent = prompt(leading(errors), "en")));
//   client.detachCamera();
//   client.disconnect();
//   // Your back end verifies `jwt`, and believes nothing else.
//
// What fails throws a `LivenessError` with a `code`. docs/frame-client.md has the rest.

/** Close codes of the service. */
const NORMAL = 1000;
const TRY_LATER = 1013;
const ENDED = 4000;
const NOT_CONNECTED = 4001;
const REPLACED = 4002;
const FLOOD = 4003;

/** Milliseconds. */
const FIRST_RETRY = 500;
const LONGEST_RETRY = 8_000;
/** How often a connection is tried in a row: before there is a session, and after one was lost (about 25 seconds). */
const FIRST_TRIES = 3;
const TRIES = 7;
/** How long the answer to a frame is waited for before the next one goes, in milliseconds. */
const ANSWER_PATIENCE = 5_000;
/** How long a camera may take for its next picture, in milliseconds. */
const CAMERA_PATIENCE = 500;
/** Pause after a picture that could not be taken or used, in milliseconds. */
const PAUSE = 250;
/** Of the service's rate, so that a timer that fires early costs no frame. */
const RATE_MARGIN = 1.05;
/** A picture has no fewer pixels on its longer side, whatever the limits: no face in it would be large enough. */
const SMALLEST_SIDE = 320;

const DEFAULTS = {
  mode: "selfie",
  requestInterval: 100,
  video: {},
  image: { mimetype: "image/jpeg", quality: 0.85, longSide: 1280 },
  sessionId: null,
  heartbeat: null,
};

const ADVICE = {
  insecure: "browsers give the camera to pages on https:// or localhost only: serve this page over HTTPS",
  unsupported: "this browser has no access to cameras: use a current one",
  denied: "the camera is blocked: allow it for this page in the browser's settings",
  nocamera: "there is no camera: connect one, or use another device",
  inuse: "the camera cannot be used: close the program that uses it",
  notattached: "no camera is attached: await attachCamera() first",
  disconnected: "there is no connection: await connect(url) first, and again after a result",
  running: "a check is running already: wait for its result",
  lost: "the service cannot be reached: check the address and the network, then connect again",
  ended: "the session is over without a result: connect again for a new one",
  replaced: "the session goes on in another connection: do not come back with its id",
  trylater: "the service takes no more sessions just now: try again in a minute",
  refused: "the service refuses this client: see the close code in `cause`",
};

/** What went wrong, as `code`; `message` says what to do. */
export class LivenessError extends Error {
  /** @param {keyof typeof ADVICE} code */
  constructor(code, cause) {
    super(`${code}: ${ADVICE[code]}`, { cause });
    this.name = "LivenessError";
    this.code = code;
  }
}

/**
 * @typedef {object} Options
 * @property {"selfie" | "operator"} mode front camera and a mirrored picture, or the back camera of somebody beside the subject;
 *   what is sent is never mirrored
 * @property {number} requestInterval least milliseconds between two frames; the service may allow fewer
 * @property {MediaTrackConstraints} video what the camera should be like
 * @property {{mimetype: string, quality: number, longSide: number}} image how frames are encoded, and their largest side in pixels
 * @property {string | null} sessionId of an earlier connection, to go on with
 * @property {number | null} heartbeat seconds; the service's own when it is shorter
 *
 * @typedef {object} FrameStatus
 * @property {number} frame its number in the session, from 1
 * @property {number} skipped frames before it that were not looked at
 * @property {boolean} isOk
 * @property {number[]} errors codes; `prompt(leading(errors), language)` of prompts.js has words for them
 * @property {object} details where the face is, and in development every score
 *
 * @typedef {object} Result
 * @property {boolean} isOk
 * @property {number[]} errors
 * @property {string} jwt the same, signed: for the back end, which verifies it
 * @property {string} sessionId the `sid` of the token
 */

/** One subject in front of one camera. Events: `state` with `detail` `connecting`, `connected` or `reconnecting`. */
export class LivenessClient extends EventTarget {
  #root;
  #options;
  #camera = null;
  #connection = null;
  #check = null;
  #timer = 0;
  #sentAt = -Infinity;
  #isTaking = false;

  /**
   * @param {Element | null} root where the camera's picture goes; none when `attachCamera` is given a video
   * @param {Partial<Options>} options
   */
  constructor(root = null, options = {}) {
    super();
    this.#root = root;
    this.#options = { ...DEFAULTS, ...options, image: { ...DEFAULTS.image, ...options.image } };
  }

  /** The session's id, to come back with after this page is gone; null before `connect`. */
  get sessionId() {
    return this.#connection?.session?.sessionId ?? null;
  }

  /**
   * Opens a session. A connection that breaks later comes back by itself, and the session goes on.
   * @param {string | URL} url `wss://SERVICE/ws`
   */
  async connect(url) {
    this.disconnect();
    const { sessionId, heartbeat } = this.#options;
    // A later one is another session.
    this.#options.sessionId = null;
    const connection = new Connection(url, sessionId, heartbeat, {
      state: (state) => this.#tell(state),
      message: (message) => connection === this.#connection && this.#heard(message),
      end: (error) => connection === this.#connection && this.#ended(error),
    });
    this.#connection = connection;
    addEventListener("pagehide", this.#leave);
    await connection.opened;
  }

  /**
   * Asks for the camera and shows its picture.
   * @param {HTMLVideoElement | null} video where; without one it is made, inside the root
   * @returns {Promise<HTMLVideoElement>}
   */
  async attachCamera(video = null) {
    const { mode, video: wanted } = this.#options;
    const stream = await openCamera(mode, wanted);
    this.detachCamera();
    const element = video ?? document.createElement("video");
    if (!video) this.#root?.append(element);
    const camera = new Camera(stream, element, { mirrored: mode === "selfie", own: !video });
    this.#camera = camera;
    // Unplugged, or taken by the system: ask again.
    camera.onlost = () => camera === this.#camera && this.attachCamera(video).catch((error) => this.#finish(error));
    document.addEventListener("visibilitychange", this.#visible);
    return element;
  }

  /**
   * Sends frames until the service has decided.
   * @param {(status: FrameStatus) => void} onFrame for every answer
   * @returns {Promise<Result>} `isOk` false is a result, too; only what prevents one throws
   */
  async checkLiveness(onFrame = () => {}) {
    if (this.#check) throw new LivenessError("running");
    if (!this.#camera) throw new LivenessError("notattached");
    if (!this.#connection) throw new LivenessError("disconnected");
    const decided = new Promise((resolve, reject) => (this.#check = { onFrame, resolve, reject }));
    this.#schedule();
    return decided;
  }

  /** Lets go of the camera. */
  detachCamera() {
    document.removeEventListener("visibilitychange", this.#visible);
    this.#camera?.close();
    this.#camera = null;
  }

  /** Says goodbye: the session is over. A check that was running throws `ended`. */
  disconnect() {
    removeEventListener("pagehide", this.#leave);
    const connection = this.#connection;
    this.#connection = null;
    connection?.close();
    this.#finish(new LivenessError("ended"));
  }

  #leave = () => this.disconnect();

  #visible = () => {
    this.#camera?.play();
    this.#schedule();
  };

  #tell(state) {
    this.dispatchEvent(new CustomEvent("state", { detail: state }));
  }

  /** @param {Result | LivenessError} outcome */
  #finish(outcome) {
    const check = this.#check;
    this.#check = null;
    clearTimeout(this.#timer);
    if (outcome instanceof Error) check?.reject(outcome);
    else check?.resolve(outcome);
  }

  #ended(error) {
    removeEventListener("pagehide", this.#leave);
    this.#connection = null;
    this.#finish(error);
  }

  #heard(message) {
    switch (message.type) {
      case "session":
        return this.#schedule();
      case "frame": {
        const { type, ...status } = message;
        this.#schedule();
        return this.#check?.onFrame(status);
      }
      case "result": {
        const { isOk, errors = [], jwt } = message;
        const { sessionId } = this;
        // Nothing follows but the service's close.
        removeEventListener("pagehide", this.#leave);
        this.#connection.finished();
        this.#connection = null;
        return this.#finish({ isOk, errors, jwt, sessionId });
      }
      case "error":
        console.warn("liveness:", message.code, message.message);
        if (message.code === "too_large") this.#camera?.shrink();
        return this.#schedule(PAUSE);
    }
  }

  /** The next frame, `pause` milliseconds from now at the earliest. */
  #schedule(pause = 0) {
    clearTimeout(this.#timer);
    if (!this.#check) return;
    const rate = this.#connection?.session?.limits?.maxRate;
    const interval = Math.max(this.#options.requestInterval, rate ? (1000 / rate) * RATE_MARGIN : 0);
    const due = Math.max(pause, this.#sentAt + interval - performance.now(), 0);
    this.#timer = setTimeout(() => this.#send(), due);
  }

  async #send() {
    // A new session message, or the page that comes back into view, goes on.
    if (this.#isTaking || !this.#check || !this.#connection?.isOpen || document.hidden) return;
    this.#isTaking = true;
    const file = await this.#camera?.picture(this.#options.image, this.#connection.session.limits ?? {}).catch(() => null);
    this.#isTaking = false;
    if (!file || !this.#connection?.isOpen) return this.#schedule(PAUSE);
    if (!this.#check) return;
    this.#connection.send(file);
    this.#sentAt = performance.now();
    this.#schedule(ANSWER_PATIENCE);
  }
}

/** The names that LUNA PASS's library has for the same. */
LivenessClient.prototype.connectWS = LivenessClient.prototype.connect;
LivenessClient.prototype.disconnectWS = LivenessClient.prototype.disconnect;

/** A session over one WebSocket after the other. */
class Connection {
  /** What the service said of the session; null before it did. */
  session = null;
  /** Frames may be sent. */
  isOpen = false;
  /** Resolves with the first session, or rejects. */
  opened;
  #url;
  #sessionId;
  #heartbeat;
  #on;
  #settle;
  #socket = null;
  #isOver = false;
  #tries = 0;
  #retryTimer = 0;
  #heartbeatTimer = 0;
  #saidAt = 0;
  #heardAt = 0;

  constructor(url, sessionId, heartbeat, on) {
    this.#url = url;
    this.#sessionId = sessionId;
    this.#heartbeat = heartbeat;
    this.#on = on;
    this.opened = new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
    addEventListener("online", this.#comeBackNow);
    on.state("connecting");
    this.#open();
  }

  send(data) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#socket.send(data);
    this.#saidAt = performance.now();
  }

  /** The subject gives up. */
  close() {
    if (this.#isOver) return;
    this.send(JSON.stringify({ type: "bye" }));
    this.#socket?.close(NORMAL);
    this.finished();
    this.#settle.reject(new LivenessError("ended"));
  }

  /** There is a result; the service closes. */
  finished() {
    this.#isOver = true;
    this.#quiet();
    removeEventListener("online", this.#comeBackNow);
  }

  #fail(error) {
    if (this.#isOver) return;
    this.finished();
    this.#settle.reject(error);
    this.#on.end(error);
  }

  #quiet() {
    clearTimeout(this.#retryTimer);
    clearInterval(this.#heartbeatTimer);
    this.#retryTimer = 0;
    this.isOpen = false;
  }

  #comeBackNow = () => this.#retryTimer && this.#open();

  #open() {
    this.#quiet();
    let socket;
    try {
      socket = new WebSocket(this.#url);
    } catch (error) {
      // No address of a WebSocket, or one that this page may not use.
      return this.#fail(new LivenessError("lost", error));
    }
    this.#socket = socket;
    socket.onopen = () => this.send(JSON.stringify({ type: "connect", ...(this.#sessionId ? { sessionId: this.#sessionId } : {}) }));
    socket.onmessage = ({ data }) => socket === this.#socket && !this.#isOver && this.#heard(JSON.parse(data));
    socket.onclose = ({ code }) => socket === this.#socket && this.#closed(code);
  }

  #heard(message) {
    this.#heardAt = performance.now();
    if (message.type === "heartbeat") return;
    if (message.type === "session") {
      this.session = message;
      this.#sessionId = message.sessionId;
      this.#tries = 0;
      this.#beat(message.heartbeatInterval);
      this.isOpen = true;
      this.#on.state("connected");
      this.#settle.resolve(message);
    }
    this.#on.message(message);
  }

  /** Says something in time, and notices when nothing comes back. */
  #beat(seconds) {
    const interval = 1000 * Math.min(seconds, this.#heartbeat ?? seconds);
    this.#quiet();
    this.#heartbeatTimer = setInterval(() => {
      const now = performance.now();
      if (now - this.#heardAt > 3 * interval) return this.#closed();
      if (now - this.#saidAt >= interval / 3) this.send(JSON.stringify({ type: "heartbeat" }));
    }, interval / 3);
  }

  #closed(code) {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.#quiet();
    if (this.#isOver) return;
    switch (code) {
      case NORMAL:
      case ENDED:
        return this.#fail(new LivenessError("ended"));
      case REPLACED:
        return this.#fail(new LivenessError("replaced"));
      case TRY_LATER:
        return this.#fail(new LivenessError("trylater"));
      case NOT_CONNECTED:
      case FLOOD:
        return this.#fail(new LivenessError("refused", code));
    }
    this.#tries += 1;
    if (this.#tries >= (this.session ? TRIES : FIRST_TRIES)) return this.#fail(new LivenessError("lost"));
    this.#on.state(this.session ? "reconnecting" : "connecting");
    const delay = Math.min(FIRST_RETRY * 2 ** (this.#tries - 1), LONGEST_RETRY);
    this.#retryTimer = setTimeout(() => this.#open(), delay * (0.75 + Math.random() / 2));
  }
}

/** A camera's stream, in a video, and its pictures as files. */
class Camera {
  onlost = () => {};
  #stream;
  #video;
  #own;
  #canvas = document.createElement("canvas");
  /** Of the wanted side and quality; falls when pictures are too large. */
  #share = 1;

  constructor(stream, video, { mirrored, own }) {
    this.#stream = stream;
    this.#video = video;
    this.#own = own;
    for (const track of stream.getVideoTracks()) track.addEventListener("ended", () => this.onlost());
    // Muted and inline, or Safari would want a tap and the whole screen.
    Object.assign(video, { muted: true, autoplay: true, playsInline: true, srcObject: stream });
    if (mirrored) video.style.transform = "scaleX(-1)";
    this.play();
  }

  play() {
    this.#video.play().catch(() => {});
  }

  /** Pictures are to be smaller from now on. */
  shrink() {
    this.#share *= 0.8;
  }

  /** The next picture, never mirrored; null when there is none yet, or it is larger than allowed. */
  async picture({ mimetype, quality, longSide }, { maxBytes = Infinity, maxPixels = Infinity }) {
    await nextPicture(this.#video);
    const { videoWidth: width, videoHeight: height } = this.#video;
    if (!width || !height || this.#video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return null;
    const wanted = Math.max(longSide * this.#share, SMALLEST_SIDE) / Math.max(width, height);
    const scale = Math.min(1, wanted, Math.sqrt(maxPixels / (width * height)));
    // Rounded down, or the product might exceed the limit.
    Object.assign(this.#canvas, { width: Math.max(1, Math.floor(width * scale)), height: Math.max(1, Math.floor(height * scale)) });
    this.#canvas.getContext("2d", { alpha: false }).drawImage(this.#video, 0, 0, this.#canvas.width, this.#canvas.height);
    const file = await new Promise((done) => this.#canvas.toBlob(done, mimetype, quality * Math.max(this.#share, 0.5)));
    if (file && file.size > maxBytes) {
      this.shrink();
      return null;
    }
    return file;
  }

  close() {
    this.onlost = () => {};
    for (const track of this.#stream.getTracks()) track.stop();
    this.#video.srcObject = null;
    if (this.#own) this.#video.remove();
  }
}

/** Waits for a picture that was not seen before, where the browser can tell: the same one twice is worth nothing. */
function nextPicture(video) {
  if (!video.requestVideoFrameCallback) return null;
  return new Promise((done) => {
    const request = video.requestVideoFrameCallback(done);
    setTimeout(() => {
      video.cancelVideoFrameCallback(request);
      done();
    }, CAMERA_PATIENCE);
  });
}

async function openCamera(mode, wanted) {
  if (!isSecureContext) throw new LivenessError("insecure");
  if (!navigator.mediaDevices?.getUserMedia) throw new LivenessError("unsupported");
  const facingMode = mode === "selfie" ? "user" : "environment";
  const video = { facingMode, width: { ideal: 1280 }, height: { ideal: 720 }, ...wanted };
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: false, video });
  } catch (error) {
    switch (error.name) {
      case "NotAllowedError":
      case "SecurityError":
        throw new LivenessError("denied", error);
      case "NotFoundError":
      case "OverconstrainedError":
        throw new LivenessError("nocamera", error);
      default:
        // NotReadableError and AbortError: another program, or the driver.
        throw new LivenessError("inuse", error);
    }
  }
}
