// In front of all other scripts of the pages that nobody sits at: where one of their files did not arrive, a browser shows
// what there is, for good. The page comes again as soon as the server gives it.

const AGAIN_MS = 5_000;

addEventListener("error", ({ target }) => target.matches?.("script, [rel=stylesheet]") && setTimeout(again, AGAIN_MS), true);

async function again() {
  const { ok } = await fetch(location).catch(() => ({}));
  if (ok) location.reload();
  else setTimeout(again, AGAIN_MS);
}
