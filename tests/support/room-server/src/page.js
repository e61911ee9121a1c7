// The page of a subject in a browser, with npm's mediasoup-client in it.

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const PAGE = fileURLToPath(new URL("../page/", import.meta.url));

/** Answers `GET /`, and the page's script. */
export function servePage(request, response) {
  const path = request.url.split("?")[0];
  const reply = (type, body) => response.writeHead(200, { "content-type": type }).end(body);
  const failed = (error) => response.writeHead(500).end(String(error));
  if (path === "/") {
    readFile(`${PAGE}index.html`).then((html) => reply("text/html; charset=utf-8", html), failed);
  } else if (path === "/subject.js") {
    script().then((code) => reply("text/javascript; charset=utf-8", code), failed);
  } else {
    response.writeHead(404).end();
  }
}

let bundle = null;

/** The script and its packages as one; made when it is first asked for. */
async function script() {
  bundle ??= build({
    entryPoints: [`${PAGE}subject.js`],
    bundle: true,
    format: "esm",
    write: false,
    define: { global: "globalThis" },
  });
  return (await bundle).outputFiles[0].text;
}
