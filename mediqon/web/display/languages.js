// The languages of a screen, in rotation. Everything visible is drawn again when the turn passes.

const TURN_MS = 10_000;
const KNOWN = ["en", "hi", "es", "ar"];

/**
 * Loads the texts of these languages ("es-MX" is Spanish) and calls `onTurn(texts)` now and at each turn; what is not
 * known is left out, and English stands in for nothing at all. Answers with all the texts, in order.
 */
export async function speakInTurn(wanted, onTurn) {
  const names = [...new Set(wanted.map((name) => name.split("-")[0]))].filter((name) => KNOWN.includes(name));
  const modules = await Promise.all((names.length ? names : ["en"]).map((name) => import(`/web/display/texts/${name}.js`)));
  const texts = modules.map((module) => module.default);
  let turn = 0;
  const show = () => {
    const now = texts[turn % texts.length];
    turn += 1;
    Object.assign(document.documentElement, { lang: now.lang, dir: now.dir });
    onTurn(now);
  };
  show();
  if (texts.length > 1) setInterval(show, TURN_MS);
  return texts;
}
