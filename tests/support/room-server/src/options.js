// The command line.

import { parseArgs } from "node:util";

const OPTIONS = {
  // port of the rooms and the page; 0 is any free one
  port: { type: "string", default: "0" },
  // address of the rooms, the page and the media
  "listen-ip": { type: "string", default: "127.0.0.1" },
  // what the ICE candidates say instead of the address
  "announced-ip": { type: "string" },
  // what the UDP candidates say instead of the port; the control command `announce` changes it
  "announced-port": { type: "string" },
  // port of the media, UDP and TCP; 0 is any free ones
  "rtc-port": { type: "string", default: "0" },
  // `udp`, `tcp` or both
  transports: { type: "string", default: "udp,tcp" },
  // the router's video codecs in order: `VP8`, `H264` or both
  codecs: { type: "string", default: "VP8,H264" },
  // how many peers a room takes; 0 is no limit
  "room-limit": { type: "string", default: "0" },
  // JSON, handed out with each transport as it is
  "ice-servers": { type: "string", default: "[]" },
  // PEM files; with them the rooms and the page are `wss:` and `https:`
  "tls-certificate": { type: "string" },
  "tls-key": { type: "string" },
};

/** What `arguments_` ask for; throws an `Error` that says what is wrong with them. */
export function parse(arguments_) {
  const { values } = parseArgs({ args: arguments_, options: OPTIONS });
  const list = (name, known) => {
    const chosen = values[name].split(",").filter(Boolean);
    const strange = chosen.find((item) => !known.includes(item));
    if (strange || !chosen.length) throw new Error(`--${name} takes ${known.join(" and ")}, not '${values[name]}'`);
    return chosen;
  };
  if (!values["tls-certificate"] !== !values["tls-key"]) throw new Error("--tls-certificate and --tls-key go together");
  return {
    port: number(values, "port", 65535),
    listenIp: values["listen-ip"],
    announcedIp: values["announced-ip"],
    announcedPort: values["announced-port"] === undefined ? null : number(values, "announced-port", 65535),
    rtcPort: number(values, "rtc-port", 65535),
    transports: list("transports", ["udp", "tcp"]),
    codecs: list("codecs", ["VP8", "H264"]),
    roomLimit: number(values, "room-limit", 1000),
    iceServers: JSON.parse(values["ice-servers"]),
    tls: values["tls-key"] ? { certificate: values["tls-certificate"], key: values["tls-key"] } : null,
  };
}

function number(values, name, highest) {
  const value = Number(values[name]);
  if (!Number.isInteger(value) || value < 0 || value > highest) {
    throw new Error(`--${name} takes a whole number up to ${highest}, not '${values[name]}'`);
  }
  return value;
}
