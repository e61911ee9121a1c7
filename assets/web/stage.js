// What the person sees of a call: the card before it, the picture during it, the card after it, and a line that says how it stands.

import { Call } from "./call.js";
import { NoCamera, cameraAllowed, closeCamera, openCamera, securePage } from "./camera.js";
import { el, icon } from "./dom.js";
import { retell, speak, word } from "./words.js";

/** How long the service's own last picture stays before the card with the outcome, in milliseconds. */
const OUTCOME_PAUSE = 3_500;

/** Cards for when something is in the way; each leads on by `action`. */
const PROBLEMS = {
  denied: { icon: "blocked", action: "try_again" },
  nocamera: { icon: "blocked", action: "try_again" },
  inuse: { icon: "blocked", action: "try_again" },
  insecure: { icon: "lock" },
  unsupported: { icon: "blocked" },
  busy: { icon: "person", action: "try_again" },
  replaced: { icon: "person", action: "continue_here" },
  lost: { icon: "unplugged", action: "try_again" },
};

/**
 * Runs one call inside `root`. `root.dataset.state` says how it stands, `root.dataset.outcome` how it ended.
 * Fires `finished` with `{success, text, card}` or, when it ended without an outcome, `{success: null, card}`.
 */
export class Stage extends EventTarget {
  #root;
  #url;
  #memory;
  #farewell;
  #camera = null;
  #call = null;
  #outcome = null;
  #wakeLock = null;
  #preview = video("preview");
  #remote = video("remote");
  #line = el("p.line", { role: "status", "aria-live": "polite" });
  #picture = el("div.picture", {}, this.#preview, this.#remote, el("div.spinner", { "aria-hidden": "true" }));

  /** `url`: the room's WebSocket. `farewell`: say at the end what to do now; without it the page around this does. */
  constructor(root, url, { farewell = true } = {}) {
    super();
    this.#farewell = farewell;
    this.#root = root;
    this.#url = url;
    this.#memory = `joined ${url.pathname}`;
    this.#remote.dataset.label = "video_label";
    this.#remote.addEventListener("playing", () => this.#live());
    // The service may send portrait or landscape, and change in between.
    this.#remote.addEventListener("resize", () => this.#fit(this.#remote));
    this.#preview.addEventListener("resize", () => this.#fit(this.#preview));
    document.addEventListener("visibilitychange", this.#visible);
  }

  /** Explains and waits for consent, or begins at once when the camera is allowed or this is a reload of a running call. */
  async open() {
    if (!isSecureContext) return this.#problem("insecure");
    if (this.#joinedBefore() || (await cameraAllowed())) return this.begin();
    this.#intro();
  }

  /** Opens the camera and joins. */
  async begin() {
    this.#show("camera");
    let camera;
    try {
      camera = await openCamera();
    } catch (error) {
      return this.#problem(error instanceof NoCamera ? error.why : "inuse");
    }
    this.#useCamera(camera);
    const call = new Call(this.#url, camera, this.#joinedBefore());
    this.#call = call;
    const on = (type, handle) => call.addEventListener(type, ({ detail }) => call === this.#call && handle(detail));
    on("state", (state) => this.#changed(state));
    on("language", speak);
    on("video", (stream) => play(this.#remote, stream));
    on("outcome", (outcome) => this.#decided(outcome));
    this.#changed("connecting");
    this.#remember(true);
    this.#keepAwake();
  }

  /** Leaves and forgets everything. */
  close() {
    this.#stop();
    document.removeEventListener("visibilitychange", this.#visible);
  }

  #intro() {
    const step = (name, key) => el("li", {}, icon(name), el("span", { word: key }));
    this.#card({
      state: "intro",
      heading: "intro_heading",
      body: [
        el("p", { word: "intro_lead" }),
        el("ul.steps", {}, step("camera", "intro_camera"), step("light", "intro_light"), step("face", "intro_follow")),
        button("start", () => this.begin()),
        el("p.small", { word: "intro_privacy" }),
      ],
    });
  }

  #problem(why) {
    this.#stop();
    const { icon: name, action } = PROBLEMS[why];
    const secure = why === "insecure" ? securePage() : null;
    this.#card({
      state: why,
      badge: name,
      heading: `${why}_heading`,
      body: [
        el("p", { word: `${why}_text` }),
        secure && el("p", { word: "insecure_hint" }),
        secure && el("a.button", { href: secure, word: "insecure_open" }),
        action && button(action, () => this.begin()),
      ],
    });
  }

  #changed(state) {
    // What the outcome says must not be covered by the end of the connection.
    if (this.#outcome && state !== "ended") return;
    switch (state) {
      case "recovered":
        return this.#root.dataset.state === "weak" ? this.#show("live") : undefined;
      case "ended":
        return this.#ended();
      case "busy":
      case "replaced":
      case "lost":
        this.#remember(false);
        return this.#problem(state);
      case "waiting":
      case "reconnecting":
        this.#remote.srcObject = null;
        return this.#show(state);
      default:
        return this.#show(state);
    }
  }

  #live() {
    if (this.#outcome) return;
    if (this.#root.dataset.state !== "reconnecting") this.#show("live");
  }

  #decided(outcome) {
    this.#outcome = outcome;
    this.#remember(false);
    this.#root.dataset.outcome = outcome.success ? "success" : "failure";
    // Beside the service's own last picture; the card follows when the service has left, or soon in any case.
    delete this.#line.dataset.word;
    this.#line.textContent = outcome.text || word(outcome.success ? "success_heading" : "failure_heading");
    setTimeout(() => this.#ended(), OUTCOME_PAUSE);
  }

  #ended() {
    if (!this.#call) return;
    this.#stop();
    this.#remember(false);
    const outcome = this.#outcome;
    const name = outcome ? (outcome.success ? "success" : "failure") : "ended";
    const card = this.#card({
      state: name,
      badge: { success: "check", failure: "question", ended: "person" }[name],
      heading: `${name}_heading`,
      body: [
        outcome?.text && !outcome.success ? el("p", {}, outcome.text) : null,
        this.#farewell || !outcome ? el("p", { word: `${name}_text` }) : null,
      ],
    });
    this.dispatchEvent(new CustomEvent("finished", { detail: { success: outcome?.success ?? null, card } }));
  }

  /** Shows the call with the line for `state`. */
  #show(state) {
    this.#root.dataset.state = state;
    this.#line.textContent = word(state);
    // A change of language renews it.
    this.#line.dataset.word = state;
    if (!this.#picture.isConnected) {
      this.#root.replaceChildren(this.#picture, this.#line);
      retell(this.#root);
    }
  }

  /** Shows a card in place of the call. */
  #card({ state, badge, heading, body }) {
    this.#root.dataset.state = state;
    const title = el("h1", { word: heading, tabindex: "-1" });
    const card = el("section.card", {}, badge && el("div.badge", {}, icon(badge)), title, ...body);
    this.#root.replaceChildren(card);
    retell(this.#root);
    if (state !== "intro") title.focus({ preventScroll: true });
    return card;
  }

  #useCamera(camera) {
    this.#camera = camera;
    play(this.#preview, camera);
    // Unplugged, or taken by the system: ask again, in the same call.
    camera.getVideoTracks()[0].addEventListener("ended", async () => {
      if (camera !== this.#camera || !this.#call) return;
      try {
        const again = await openCamera();
        this.#useCamera(again);
        await this.#call?.replaceTrack(again);
      } catch (error) {
        this.#problem(error instanceof NoCamera ? error.why : "inuse");
      }
    });
  }

  #stop() {
    const call = this.#call;
    this.#call = null;
    call?.close();
    closeCamera(this.#camera);
    this.#camera = null;
    this.#preview.srcObject = this.#remote.srcObject = null;
    this.#wakeLock?.release().catch(() => {});
    this.#wakeLock = null;
  }

  /** Room and browser agree on the picture's shape. */
  #fit({ videoWidth, videoHeight }) {
    if (videoWidth && videoHeight) this.#picture.style.setProperty("--aspect", `${videoWidth / videoHeight}`);
  }

  async #keepAwake() {
    try {
      this.#wakeLock = await navigator.wakeLock?.request("screen");
    } catch {
      // A low battery may refuse it.
    }
  }

  #visible = () => {
    if (document.visibilityState !== "visible" || !this.#call) return;
    this.#keepAwake();
    // Safari pauses what is hidden.
    for (const element of [this.#preview, this.#remote]) if (element.srcObject) element.play().catch(() => {});
  };

  // A reload must find its way back without a question; private windows may not remember.
  #remember(joined) {
    try {
      if (joined) sessionStorage.setItem(this.#memory, "1");
      else sessionStorage.removeItem(this.#memory);
    } catch {
      return;
    }
  }

  #joinedBefore() {
    try {
      return sessionStorage.getItem(this.#memory) === "1";
    } catch {
      return false;
    }
  }
}

/** A video element that plays by itself everywhere: muted and inline, or Safari would want a tap and the whole screen. */
export function video(name) {
  const element = el(`video.${name}`, { playsinline: true, autoplay: true, muted: true, disablepictureinpicture: true });
  element.muted = true;
  return element;
}

/** Plays `stream` in `element`; where a gesture is needed after all, at the next tap. */
export function play(element, stream) {
  element.srcObject = stream;
  element.play().catch(() => document.addEventListener("pointerdown", () => element.play().catch(() => {}), { once: true }));
}

/** A button with the words for `key`. */
export function button(key, onclick, kind = "") {
  return el(`button.button${kind && `.${kind}`}`, { type: "button", word: key, onclick });
}
