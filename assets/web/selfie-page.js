// `/selfie`: one session of the frame door, from consent to the result.
//
// `?lang=es` chooses the language. `?origin=https://bank.example` names the site that opened this page, to which alone the
// result goes: `postMessage({type: "liveness-result", isOk, errors, jwt, sessionId}, origin)`. The subject is told so, and asked,
// before the camera is opened. The page's own window has an event `liveness-result` with the same in `detail`, for WebViews.

import { cameraAllowed, securePage } from "./camera.js";
import { el, icon } from "./dom.js";
import { LivenessClient, LivenessError } from "./liveness-client.js";
import { Progress, isAction, leading, prompt } from "./prompts.js";
import { button, video } from "./stage.js";
import { language, retell, word } from "./words.js";

/** How long a prompt stays at least, in milliseconds: nobody can read faster. What to do next comes at once. */
const READING = 700;

/** The code that says: all is well, go on. */
const CONTINUE = 37;

/** Codes that only ask for patience, since the service has not seen enough yet. */
const PATIENCE = [30, 33];

/** Cards for when something is in the way: their icon, and the prefix of their words. */
const PROBLEMS = {
  denied: { icon: "blocked" },
  nocamera: { icon: "blocked" },
  inuse: { icon: "blocked" },
  insecure: { icon: "lock", final: true },
  unsupported: { icon: "blocked", final: true },
  lost: { icon: "unplugged" },
  ended: { icon: "person", own: true },
  replaced: { icon: "person", own: true },
  trylater: { icon: "person", own: true },
};

const stage = document.getElementById("stage");
const recipient = originOf(new URLSearchParams(location.search).get("origin"));

let client = null;
let wakeLock = null;

retell(document);
open();
// Brought back out of the browser's memory with a dead session in it.
addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
document.addEventListener("visibilitychange", () => client && !document.hidden && keepAwake());

/** Explains and waits for consent, or begins at once when the camera is allowed and nobody else gets the result. */
async function open() {
  if (!isSecureContext) return problem("insecure");
  if (!recipient && (await cameraAllowed())) return begin();
  const step = (name, key) => el("li", {}, icon(name), el("span", { word: key }));
  card(
    "intro",
    null,
    "selfie_heading",
    el("p", { word: "selfie_lead" }),
    el("ul.steps", {}, step("camera", "intro_camera"), step("light", "intro_light"), step("face", "selfie_follow")),
    recipient && el("p.notice", {}, word("selfie_recipient").replace("{origin}", new URL(recipient).host)),
    button("start", begin),
    el("p.small", { word: "intro_privacy" }),
  );
}

async function begin() {
  const view = new View();
  view.show("camera");
  const current = new LivenessClient();
  client = current;
  current.addEventListener("state", ({ detail }) => {
    if (current !== client) return;
    if (detail === "connected") view.begin(current.sessionId);
    view.show(detail === "connected" ? "live" : detail);
  });
  try {
    await current.attachCamera(view.video);
    keepAwake();
    await current.connect(socketAddress());
    const result = await current.checkLiveness((status) => current === client && view.tell(status));
    stop();
    finish(result);
  } catch (error) {
    if (current !== client) return;
    stop();
    problem(error instanceof LivenessError ? error.code : "lost");
  }
}

function stop() {
  const current = client;
  client = null;
  current?.detachCamera();
  current?.disconnect();
  wakeLock?.release().catch(() => {});
  wakeLock = null;
}

function finish({ isOk, errors, jwt, sessionId }) {
  stage.dataset.outcome = isOk ? "success" : "failure";
  if (isOk) {
    card("success", "check", "selfie_success_heading", el("p", { word: "success_text" }));
  } else {
    const why = leading(errors);
    card(
      "failure",
      "question",
      "selfie_failure_heading",
      why === null ? null : el("p.notice", {}, prompt(why, language())),
      el("p", { word: "selfie_failure_text" }),
      button("try_again", begin),
    );
  }
  deliver({ isOk, errors, jwt, sessionId });
}

function deliver(result) {
  dispatchEvent(new CustomEvent("liveness-result", { detail: result }));
  const target = window.opener ?? (window.parent === window ? null : window.parent);
  if (recipient) target?.postMessage({ type: "liveness-result", ...result }, recipient);
}

function problem(why) {
  const { icon: name, final, own } = PROBLEMS[why] ?? PROBLEMS.lost;
  const words = own ? `selfie_${why}` : why in PROBLEMS ? why : "lost";
  const secure = why === "insecure" ? securePage() : null;
  card(
    why,
    name,
    `${words}_heading`,
    el("p", { word: `${words}_text` }),
    secure && el("p", { word: "insecure_hint" }),
    secure && el("a.button", { href: secure, word: "insecure_open" }),
    final ? null : button("try_again", begin),
  );
}

function card(state, badge, heading, ...body) {
  stage.dataset.state = state;
  delete stage.dataset.guide;
  const title = el("h1", { word: heading, tabindex: "-1" });
  stage.replaceChildren(el("section.card", {}, badge && el("div.badge", {}, icon(badge)), title, ...body));
  retell(stage);
  if (state !== "intro") title.focus({ preventScroll: true });
}

/** The subject's picture, the guide for the face, what to do, and how far they are. */
class View {
  /** Where the camera's picture goes. */
  video = video("camera");
  #prompt = el("p.prompt", { role: "status", "aria-live": "polite" });
  #steps = el("ul.steps-done", { role: "img" });
  #session = null;
  #progress = null;
  #done = 0;
  #code = undefined;
  #toldAt = -Infinity;

  constructor() {
    delete stage.dataset.outcome;
    this.video.dataset.label = "demo_shot_label";
    const picture = el("div.picture.selfie", {}, this.video, el("div.guide", { "aria-hidden": "true" }), el("div.spinner", { "aria-hidden": "true" }));
    // Phones change it when they are turned.
    this.video.addEventListener("resize", ({ target }) => picture.style.setProperty("--aspect", `${target.videoWidth / target.videoHeight}`));
    stage.replaceChildren(this.#prompt, picture, this.#steps);
    retell(stage);
  }

  /** A session has begun, or goes on; a service that was restarted knows nothing of the one before. */
  begin(session) {
    if (session === this.#session) return;
    this.#session = session;
    this.#progress = new Progress();
    this.#count(0, null);
  }

  /** How the session stands. */
  show(state) {
    stage.dataset.state = state;
    delete stage.dataset.guide;
    this.#toldAt = -Infinity;
    this.#code = undefined;
    this.#say(word(state === "live" ? "selfie_live" : state));
  }

  /** What was seen in a frame. */
  tell({ frame, isOk, errors }) {
    stage.dataset.frames = frame;
    const { done, current } = this.#progress.update(errors);
    this.#count(done, current);
    const code = isOk ? CONTINUE : leading(errors);
    const now = performance.now();
    if (code === this.#code || (now - this.#toldAt < READING && !isAction(code))) return;
    stage.dataset.guide = guide(code);
    this.#code = code;
    this.#toldAt = now;
    this.#say(prompt(code, language()));
  }

  #say(text) {
    // A live region repeats what is set again.
    if (this.#prompt.textContent !== text) this.#prompt.textContent = text;
  }

  #count(done, current) {
    const dots = [...Array(done).fill("li.done"), ...(current === null ? [] : ["li"])];
    if (dots.length !== this.#steps.childElementCount || done !== this.#done) this.#steps.replaceChildren(...dots.map((dot) => el(dot)));
    this.#steps.setAttribute("aria-label", word("selfie_step").replace("{count}", done));
    // Closed eyes see no prompt.
    if (done > this.#done) navigator.vibrate?.(40);
    this.#done = done;
  }
}

/** How the oval looks. */
function guide(code) {
  if (code === null || PATIENCE.includes(code)) return "";
  if (code === CONTINUE) return "ok";
  return isAction(code) ? "action" : "wrong";
}

async function keepAwake() {
  try {
    wakeLock = (await navigator.wakeLock?.request("screen")) ?? null;
  } catch {
    // A low battery may refuse it.
  }
}

/** The frame door beside this page. */
function socketAddress() {
  const url = new URL("ws", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  return url;
}

/** An origin of the web as browsers write it, or null. */
function originOf(text) {
  try {
    const { protocol, origin } = new URL(text);
    return protocol === "https:" || protocol === "http:" ? origin : null;
  } catch {
    return null;
  }
}
