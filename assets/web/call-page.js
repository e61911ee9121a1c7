// `/call/ROOM`: the room's page.

import { Stage } from "./stage.js";
import { retell } from "./words.js";

retell(document);

const url = new URL(`${location.pathname.replace(/\/$/, "")}/ws`, location.href);
url.protocol = url.protocol.replace("http", "ws");
new Stage(document.getElementById("stage"), url).open();

// Brought back out of the browser's memory with a dead call in it.
addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
