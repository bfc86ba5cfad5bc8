// The one HTTP client: says who is asking, renews that by itself, and turns every refusal into words for people.

import { setClock } from "/web/shared/clock.js";

const ANSWER_WITHIN_MS = 10_000;
const RENEW_BEFORE_MS = 30_000;
const TRIES = 3;
const PAUSE_BETWEEN_TRIES_MS = 600;

/** The server said no. `code` is the contract's stable word; `message` is for people; `problem` is the whole answer. */
export class Refusal extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `The server answered ${status}.`);
    this.status = status;
    this.code = problem.code ?? "";
    this.problem = problem;
  }
}

/** Nobody answered: the network or the server is away. Whether the request was done is unknown. */
export class Unreachable extends Error {
  constructor() {
    super("No answer from the server. Please check the connection and try again.");
    this.code = "unreachable";
  }
}

// Who is asking. The access token lives in memory only, the refresh token in a cookie that no script can read. `kept` is
// the user's number: that this tab is logged in, and as whom, for the cookie is the whole browser's.
const kept = {
  read: () => sessionStorage.getItem("mediqon.user"),
  write: (user) => (user ? sessionStorage.setItem("mediqon.user", user) : sessionStorage.removeItem("mediqon.user")),
};
let access = null;
let renewing = null;

function keep(answer) {
  access = { token: answer.access_token, until: performance.now() + answer.expires_in * 1000 };
  kept.write(String(answer.user.id));
  return answer.user;
}

function forget() {
  access = null;
  kept.write(null);
}

/** Logs in; answers with the user. */
export async function login(email, password) {
  return keep(await post("/auth/login", { email, password, cookie: true }, { anonymous: true }));
}

/** Ends the session here and on the server; being offline does not keep anybody logged in here. */
export async function logout() {
  if (loggedIn()) await post("/auth/logout", {}, { anonymous: true }).catch(() => {});
  forget();
}

/** True when there is a session, or one that can still be renewed. */
export function loggedIn() {
  return access !== null || kept.read() !== null;
}

/**
 * A usable access token, renewed when it is about to end. Null when nobody is logged in or the session is over; throws
 * Unreachable when that cannot be known. Any number of callers share one renewal: a refresh token works once.
 */
export async function accessToken() {
  if (access && performance.now() < access.until - RENEW_BEFORE_MS) return access.token;
  if (!kept.read()) return null;
  renewing ??= renew().finally(() => (renewing = null));
  return renewing;
}

async function renew() {
  try {
    const answer = await post("/auth/refresh", {}, { anonymous: true });
    if (String(answer.user.id) === kept.read()) {
      keep(answer);
      return access.token;
    }
  } catch (error) {
    if (!(error instanceof Refusal) || error.status === 429 || error.status >= 500) throw error;
  }
  forget(); // the session is over, or somebody else has logged in with this browser since
  return null;
}

/** The access token was refused: the next `accessToken()` gets a new one. */
export function spoilAccessToken() {
  access = null;
}

/** `GET path`: the answer, decoded. */
export async function get(path, options = {}) {
  return (await send("GET", path, options)).body;
}

/** `POST path`. */
export async function post(path, body = {}, options = {}) {
  return (await send("POST", path, { ...options, body })).body;
}

/** `PATCH path`. It says what shall be, so a lost answer is asked for again: saying it twice does no harm. */
export async function patch(path, body) {
  return patiently(async () => (await send("PATCH", path, { body })).body);
}

/** `PUT path`: likewise. */
export async function put(path, body) {
  return patiently(async () => (await send("PUT", path, { body })).body);
}

/** `DELETE path`. */
export async function remove(path) {
  await send("DELETE", path, {});
}

/** `GET path` that costs little when nothing changed: a function that answers null for 304 Not Modified. */
export function conditional(path) {
  let etag = null;
  return async () => {
    const answer = await send("GET", path, { etag, anonymous: true });
    if (answer.status === 304) return null;
    etag = answer.etag;
    return answer.body;
  };
}

// What was asked and has not been answered yet → its Idempotency-Key.
const unanswered = new Map();

/**
 * A POST that is done at most once: the same words sent again (a double click, a lost answer) carry the same
 * Idempotency-Key until the server has answered. Asks again by itself when an answer is lost.
 */
export async function postOnce(path, body = {}) {
  const said = `${path} ${JSON.stringify(body)}`;
  if (!unanswered.has(said)) unanswered.set(said, randomKey());
  try {
    const answer = await patiently(() => post(path, body, { key: unanswered.get(said) }));
    unanswered.delete(said);
    return answer;
  } catch (error) {
    if (error instanceof Refusal && error.status < 500) unanswered.delete(said);
    throw error;
  }
}

async function patiently(work) {
  for (let tried = 1; ; tried += 1) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Unreachable) || tried === TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_BETWEEN_TRIES_MS * tried));
    }
  }
}

// crypto.randomUUID is missing on plain http in a clinic's own network.
function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function send(method, path, options, again = false) {
  const token = options.anonymous ? null : await accessToken();
  const response = await ask(method, path, options, token);
  if (response.status === 401 && token && !again) {
    spoilAccessToken();
    return send(method, path, options, true);
  }
  if (response.status === 304) return { status: 304 };
  const body = response.status === 204 ? null : await response.json().catch(() => null);
  if (!response.ok) throw new Refusal(response.status, body ?? {});
  return { status: response.status, etag: response.headers.get("ETag"), body };
}

async function ask(method, path, { body, key, etag }, token) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (token) headers.Authorization = `Bearer ${token}`;
  if (key) headers["Idempotency-Key"] = key;
  if (etag) headers["If-None-Match"] = etag;
  try {
    const response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      credentials: "same-origin",
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    setClock(response.headers.get("Date"));
    return response;
  } catch {
    throw new Unreachable();
  }
}
