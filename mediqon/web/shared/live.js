// The one live client. A frame is a complete state, so there is nothing to patch and nothing to replay: after sleep, a
// reload or a lost network the next frame makes the page right again. Until then the page says that it is not live.

const PING_EVERY_MS = 5_000;
const PONG_WITHIN_MS = 7_000;
const LIVE_FOR_MS = 15_000;
const CONNECT_WITHIN_MS = 10_000;
const CONNECTING_FOR_MS = 4_000;
const POLL_AFTER_MS = 10_000;
const POLL_EVERY_MS = 10_000;
const BACKOFF_FIRST_MS = 500;
const BACKOFF_MOST_MS = 10_000;
const CROWDED_WAIT_MS = 30_000;
const SLEPT_MS = 4_000;
const BEAT_MS = 1_000;

const STOPS = { 4403: "forbidden", 4404: "unknown" };
const CREDENTIALS = 4401;
const CROWDED = 4429;

/**
 * One live line to the server.
 *   path          such as "/live/displays/abc"
 *   onFrame       called with each frame that is not older than the one shown for the same doctor
 *   onLiveness    called when it changes: `{live, connecting, since, stopped, polling}`; `since` is when what is shown was
 *                 last known to be right (ms, device clock) or null; `stopped` is null, "forbidden", "unknown" or "login"
 *   subprotocols  async, for a line that needs credentials: the list, or null when nobody is logged in
 *   renew         called when the server says that the credentials are over, before the next connection
 *   poll          async, used while no socket can be had: fetches and shows the state, answers its age in seconds, or null
 */
export class LiveLine {
  #path; #onFrame; #onLiveness; #subprotocols; #renew; #poll;
  #socket = null;
  #opening = false;
  #failures = 0;
  #refusedLogins = 0;
  #retryTimer = 0;
  #beatTimer = 0;
  #connectingSince = 0;
  #pingAt = 0;
  #awaitingPong = false;
  #provedAt = -Infinity;
  #everProved = false;
  #heardAt = performance.now();
  #polledAt = -Infinity;
  #polling = false;
  #startedAt = performance.now();
  #stopped = null;
  #closed = false;
  #newest = new Map();
  #said = "";
  #drift = Date.now() - performance.now();

  constructor(path, { onFrame, onLiveness, subprotocols = null, renew = () => {}, poll = null }) {
    this.#path = path;
    this.#onFrame = onFrame;
    this.#onLiveness = onLiveness;
    this.#subprotocols = subprotocols;
    this.#renew = renew;
    this.#poll = poll;
  }

  /** Connects, and keeps connecting until `close()`. */
  open() {
    addEventListener("online", this.#wake);
    addEventListener("pageshow", this.#wake);
    document.addEventListener("visibilitychange", this.#wake);
    this.#beatTimer = setInterval(this.#beat, BEAT_MS);
    this.#connect();
    this.#judge();
    return this;
  }

  /** Hangs up for good: nothing is heard of it any more, not even what was under way. */
  close() {
    this.#closed = true;
    removeEventListener("online", this.#wake);
    removeEventListener("pageshow", this.#wake);
    document.removeEventListener("visibilitychange", this.#wake);
    clearInterval(this.#beatTimer);
    clearTimeout(this.#retryTimer);
    this.#drop();
  }

  /** Shows a state that came another way (an HTTP answer), under the same rule: never back in time. */
  offer(frame) {
    const known = this.#newest.get(frame.doctor_id);
    if (this.#closed || (known && isOlder(frame, known))) return false;
    this.#newest.set(frame.doctor_id, { date: frame.date, version: frame.version });
    this.#onFrame(frame);
    return !known || isOlder(known, frame);
  }

  async #connect() {
    clearTimeout(this.#retryTimer);
    if (this.#closed || this.#stopped || this.#opening || this.#socket) return;
    this.#opening = true;
    try {
      const subprotocols = this.#subprotocols ? await this.#subprotocols() : [];
      if (this.#closed) return undefined;
      if (subprotocols === null) return this.#stop("login");
      this.#listen(new WebSocket(origin() + this.#path, subprotocols));
    } catch {
      this.#retryLater();
    } finally {
      this.#opening = false;
    }
  }

  #listen(socket) {
    this.#socket = socket;
    this.#connectingSince = performance.now();
    this.#awaitingPong = false;
    socket.onmessage = ({ data }) => this.#hear(JSON.parse(data));
    socket.onclose = ({ code }) => this.#lost(code);
  }

  #hear(frame) {
    this.#heardAt = performance.now();
    if (this.#failures > 0 || this.#refusedLogins > 0) this.#failures = this.#refusedLogins = 0;
    if (frame.type === "pong") {
      this.#awaitingPong = false;
      this.#prove(frame.age ?? 0);
    } else if ("version" in frame && this.offer(frame)) {
      // A newer version came straight from the database; a repeated one may be a redraw, so the pong decides.
      this.#prove(0);
    }
    if (this.#pingAt < this.#connectingSince) this.#ping();
    this.#judge();
  }

  #lost(code) {
    this.#drop();
    if (code in STOPS) this.#stop(STOPS[code]);
    else if (code === CREDENTIALS) this.#loginAgain();
    else this.#retryLater(code === CROWDED ? CROWDED_WAIT_MS : 0);
    this.#judge();
  }

  #drop() {
    if (!this.#socket) return;
    this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    this.#socket = null;
  }

  #stop(reason) {
    this.#stopped = reason;
    this.#judge();
  }

  #loginAgain() {
    this.#refusedLogins += 1;
    if (this.#refusedLogins > 2) return this.#stop("login");
    this.#renew();
    return this.#connect();
  }

  #retryLater(atLeast = 0) {
    if (this.#closed) return;
    const backoff = Math.min(BACKOFF_MOST_MS, BACKOFF_FIRST_MS * 2 ** this.#failures);
    this.#failures += 1;
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#connect(), atLeast + backoff * (0.5 + Math.random() / 2));
  }

  #ping() {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#pingAt = performance.now();
    this.#awaitingPong = true;
    this.#socket.send("ping");
  }

  // The network or the page came back: no waiting for the next timer.
  #wake = () => {
    if (document.visibilityState === "hidden" || this.#stopped) return;
    if (this.#socket?.readyState === WebSocket.OPEN) this.#ping();
    else if (!this.#socket) {
      this.#failures = 0;
      this.#connect();
    }
    this.#beat();
  };

  #beat = () => {
    const at = performance.now();
    this.#noticeSleep(at);
    if (this.#socket) this.#tendSocket(at);
    if (this.#poll && !this.#stopped && this.#shouldPoll(at)) this.#pollNow(at);
    this.#judge();
  };

  // performance.now() may stand still while a laptop sleeps, the wall clock does not: what was proved before is old.
  #noticeSleep(at) {
    const drift = Date.now() - at;
    if (Math.abs(drift - this.#drift) > SLEPT_MS) {
      this.#provedAt -= Math.abs(drift - this.#drift);
      this.#ping();
    }
    this.#drift = drift;
  }

  #tendSocket(at) {
    const stuck = this.#socket.readyState !== WebSocket.OPEN && at - this.#connectingSince > CONNECT_WITHIN_MS;
    const silent = this.#awaitingPong && at - this.#pingAt > PONG_WITHIN_MS;
    if (stuck || silent) {
      this.#drop();
      this.#retryLater();
    } else if (!this.#awaitingPong && at - this.#pingAt >= PING_EVERY_MS) this.#ping();
  }

  #shouldPoll(at) {
    const answering = this.#socket?.readyState === WebSocket.OPEN && !this.#awaitingPong;
    return !answering && at - this.#heardAt >= POLL_AFTER_MS && at - this.#polledAt >= POLL_EVERY_MS;
  }

  async #pollNow(at) {
    this.#polledAt = at;
    try {
      const age = await this.#poll();
      if (age !== null) this.#prove(age);
      this.#polling = true;
    } catch {
      this.#polling = false;
    }
    this.#judge();
  }

  #prove(ageSeconds) {
    this.#provedAt = performance.now() - ageSeconds * 1000;
    this.#everProved = true;
  }

  #judge() {
    if (this.#closed) return;
    const at = performance.now();
    const open = this.#socket?.readyState === WebSocket.OPEN;
    const live = !this.#stopped && at - this.#provedAt < LIVE_FOR_MS;
    const liveness = {
      live,
      connecting: !live && !this.#everProved && !this.#stopped && at - this.#startedAt < CONNECTING_FOR_MS,
      since: this.#everProved && !live ? Date.now() - (at - this.#provedAt) : null,
      stopped: this.#stopped,
      polling: this.#polling && !open,
    };
    const words = JSON.stringify({ ...liveness, since: liveness.since && Math.round(liveness.since / 60_000) });
    if (words === this.#said) return;
    this.#said = words;
    this.#onLiveness(liveness);
  }
}

/** Is state `a` older than `b` of the same doctor? A new day starts its versions over. */
export function isOlder(a, b) {
  return a.date < b.date || (a.date === b.date && a.version < b.version);
}

function origin() {
  return location.origin.replace(/^http/, "ws");
}
