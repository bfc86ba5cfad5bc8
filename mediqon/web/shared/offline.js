// The service worker of the wall and of the phone: their pages open without network as well. It keeps pages and their files
// only, never an answer about the line: so whatever is shown from here says itself since when it is not live.

const KEPT = "mediqon-pages-1";
const PATIENCE_MS = 4_000;
const PAGES = /^\/(t|display|kiosk)\/[^/]+$/;
const FILES = /^\/(web\/|qr\/|manifest)/;

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const { pathname, origin } = new URL(event.request.url);
  if (event.request.method !== "GET" || origin !== location.origin) return;
  if (PAGES.test(pathname) || FILES.test(pathname)) event.respondWith(networkFirst(event.request));
});

async function networkFirst(request) {
  const cache = await caches.open(KEPT);
  const fromNetwork = fetch(request).then((answer) => {
    if (answer.ok) cache.put(request, answer.clone());
    return answer;
  });
  // A page is kept in the language it was last read in, whichever is asked for.
  const kept = (await cache.match(request)) ?? (await cache.match(request, { ignoreSearch: true }));
  if (!kept) return fromNetwork;
  const late = new Promise((done) => setTimeout(() => done(kept), PATIENCE_MS));
  return Promise.race([fromNetwork.then((answer) => (answer.status >= 500 ? kept : answer)).catch(() => kept), late]);
}
