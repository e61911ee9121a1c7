// One room: a router, the peers in it, and who gets to see whom.

import protoo from "protoo-server";

import { Peer } from "./peer.js";

export class Room {
  #media;
  #limit;
  #router;
  #connections = new protoo.Room();
  /** By id. */
  #peers = new Map();
  #onEmpty;

  /** `limit`: how many peers it takes, 0 for any number. `onEmpty`: the last peer has left. */
  static async open(media, { limit, onEmpty }) {
    const room = new Room();
    room.#media = media;
    room.#limit = limit;
    room.#onEmpty = onEmpty;
    room.#router = await media.router();
    return room;
  }

  get media() {
    return this.#media;
  }

  get router() {
    return this.#router;
  }

  get peers() {
    return [...this.#peers.values()];
  }

  peer(id) {
    return this.#peers.get(id);
  }

  /** A new connection. A peer of the same id is put out; a full room closes the connection without a word. */
  enter(id, transport, socket) {
    this.#peers.get(id)?.close();
    if (this.#limit && this.#peers.size >= this.#limit) return transport.close();
    this.#peers.set(id, new Peer(this, this.#connections.createPeer(id, transport), transport, socket));
  }

  /** The peers, other than this one, that have joined. */
  others(peer) {
    return this.peers.filter((other) => other !== peer && other.joined);
  }

  tellOthers(peer, method, data) {
    for (const other of this.others(peer)) other.notify(method, data);
  }

  /** Called by the peer when its connection is gone. */
  gone(peer) {
    this.#peers.delete(peer.id);
    if (peer.joined) this.tellOthers(peer, "peerClosed", { peerId: peer.id });
    peer.closeTransports();
    // Not before the peer that may have put this one out is in.
    setImmediate(() => {
      if (this.#peers.size > 0 || this.#router.closed) return;
      this.#router.close();
      this.#onEmpty();
    });
  }
}
