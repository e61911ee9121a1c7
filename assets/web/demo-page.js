// `/demo`: a picture of the person, then a call that compares them with it.

import { NoCamera, closeCamera, openCamera } from "./camera.js";
import { el, icon } from "./dom.js";
import { Stage, button, play, video } from "./stage.js";
import { language, retell, word } from "./words.js";

/** Longest side of the picture that is sent, in pixels. */
const LONGEST_SIDE = 1600;
const stage = document.getElementById("stage");

let picture = null;
let camera = null;

retell(document);
// Without the camera there is no call: the stage says so, and where the secure page is.
if (isSecureContext) choose();
else new Stage(stage, new URL(location.href)).open();
addEventListener("pageshow", ({ persisted }) => persisted && location.reload());

function show(state, ...content) {
  closeCamera(camera);
  camera = null;
  stage.dataset.state = state;
  delete stage.dataset.outcome;
  const card = el("section.card", {}, ...content);
  stage.replaceChildren(card);
  retell(stage);
  return card;
}

function notice(key) {
  return key ? el("p.notice", { role: "alert", word: key }) : null;
}

/** First step: where the picture comes from. */
function choose(problem = null) {
  const file = el("input.hidden", { type: "file", accept: "image/jpeg,image/png,image/webp", id: "file", onchange: () => take(file.files[0]) });
  const card = show(
    "choose",
    el("h1", { word: "demo_heading" }),
    el("p", { word: "demo_lead" }),
    notice(problem),
    el("div.choices", {}, choice("camera", "demo_shot", shoot), choice("upload", "demo_upload", () => file.click(), "demo_drop")),
    file,
    el("p.small", { word: "demo_privacy" }),
  );
  card.addEventListener("dragover", (event) => event.preventDefault());
  card.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
  });
}

function choice(name, key, onclick, hint = null) {
  return el("button.choice", { type: "button", onclick }, icon(name), el("span", { word: key }), hint && el("span.hint", { word: hint }));
}

/** A shot with the webcam. */
async function shoot() {
  let stream;
  try {
    stream = await openCamera();
  } catch (error) {
    return choose(`${error instanceof NoCamera ? error.why : "inuse"}_text`);
  }
  // Asked twice, or meanwhile something else was chosen.
  if (stage.dataset.state !== "choose") return closeCamera(stream);
  const preview = video("mirrored");
  preview.dataset.label = "demo_shot_label";
  const capture = async () => {
    if (!preview.videoWidth) return;
    // As the camera sees it: only the preview is mirrored.
    const shot = await scaled(preview, preview.videoWidth, preview.videoHeight);
    confirm(shot);
  };
  show("shoot", el("div.frame", {}, preview), el("div.row", {}, button("demo_capture", capture), button("demo_cancel", () => choose(), "quiet")));
  camera = stream;
  play(preview, stream);
}

/** A file, made smaller where it is larger than anybody needs. */
async function take(file) {
  if (!file) return;
  try {
    const bitmap = await createImageBitmap(file);
    confirm(await scaled(bitmap, bitmap.width, bitmap.height));
  } catch {
    choose("error_unreadable_picture");
  }
}

/** JPEG of an image source, at most [`LONGEST_SIDE`] on its longer side. */
function scaled(source, width, height) {
  const factor = Math.min(1, LONGEST_SIDE / Math.max(width, height));
  const canvas = el("canvas", { width: Math.round(width * factor), height: Math.round(height * factor) });
  canvas.getContext("2d").drawImage(source, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("not encoded"))), "image/jpeg", 0.92));
}

/** Second step: is this the picture? */
function confirm(blob, problem = null) {
  picture = blob;
  const image = el("img", { src: URL.createObjectURL(blob), alt: "" });
  image.dataset.label = "demo_picture";
  image.addEventListener("load", () => URL.revokeObjectURL(image.src), { once: true });
  show("confirm", el("div.frame", {}, image), notice(problem), el("div.row", {}, button("demo_use", start), button("demo_other", () => choose(), "quiet")));
}

/** Third step: the flow, and its call. */
async function start() {
  show("preparing", el("div.spinner.inline", { "aria-hidden": "true" }), el("p", { word: "demo_preparing", role: "status" }));
  let started;
  try {
    const answer = await fetch(`demo/start?lang=${language()}`, { method: "POST", headers: { "content-type": "image/jpeg" }, body: picture });
    started = await answer.json();
    if (!answer.ok) {
      const key = `error_${started.error}`;
      return confirm(picture, word(key) ? key : "error_other");
    }
  } catch {
    return confirm(picture, "lost_text");
  }
  const began = performance.now();
  const url = new URL(`call/${encodeURIComponent(started.room)}/ws`, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  url.search = "";
  const call = new Stage(stage, url, { farewell: false });
  call.addEventListener("finished", async ({ detail }) => {
    call.close();
    const { card } = detail;
    card.append(await facts(started.flow_id, performance.now() - began), el("div.row", {}, button("demo_again", start), button("demo_other", () => choose(), "quiet")));
    retell(stage);
  });
  call.open();
}

/** How the flow went, from the service: seconds, and the reason by its name for those who look into it. */
async function facts(flow, elapsed) {
  let reason = "";
  try {
    const status = await (await fetch(`flows/${flow}`)).json();
    elapsed = status.timings?.decided_ms ?? elapsed;
    reason = status.reason ?? "";
  } catch {
    // The card says what matters.
  }
  const seconds = new Intl.NumberFormat(language(), { maximumFractionDigits: 1 }).format(elapsed / 1000);
  const line = el("p.small", {}, word("demo_took").replace("{seconds}", seconds));
  if (reason) line.append(" ", el("code", {}, reason));
  return line;
}
