// The camera: asking for it, and what to tell when there is none.

/** Front camera, no sound. */
const CONSTRAINTS = {
  audio: false,
  video: { facingMode: "user", width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30, max: 30 } },
};

/** Why there is no camera: `insecure`, `unsupported`, `denied`, `nocamera` or `inuse`. */
export class NoCamera extends Error {
  constructor(why) {
    super(`no camera: ${why}`);
    this.why = why;
  }
}

/** A stream with the camera's video. */
export async function openCamera() {
  if (!isSecureContext) throw new NoCamera("insecure");
  if (!navigator.mediaDevices?.getUserMedia || !globalThis.RTCPeerConnection) throw new NoCamera("unsupported");
  try {
    return await navigator.mediaDevices.getUserMedia(CONSTRAINTS);
  } catch (error) {
    console.warn("camera:", error.name, error.message);
    switch (error.name) {
      case "NotAllowedError":
      case "SecurityError":
        throw new NoCamera("denied");
      case "NotFoundError":
      case "OverconstrainedError":
        throw new NoCamera("nocamera");
      default:
        // NotReadableError and AbortError: another program, or the driver.
        throw new NoCamera("inuse");
    }
  }
}

/** Stops using a stream's camera, and its light goes out. */
export function closeCamera(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}

/** Whether the camera is allowed already, so that nobody need be asked again. */
export async function cameraAllowed() {
  try {
    return (await navigator.permissions.query({ name: "camera" })).state === "granted";
  } catch {
    // Not every browser knows this permission.
    return false;
  }
}

/** This page at the service's HTTPS port, where it has one of its own. */
export function securePage() {
  const port = document.body.dataset.httpsPort;
  if (!port) return null;
  const url = new URL(location.href);
  url.protocol = "https:";
  url.port = port;
  return url.href;
}
