// The languages of a screen, in rotation. Everything visible is drawn again when the turn passes.

import ar from "/web/display/texts/ar.js";
import en from "/web/display/texts/en.js";
import es from "/web/display/texts/es.js";
import hi from "/web/display/texts/hi.js";

const TURN_MS = 10_000;
const TEXTS = { en, hi, es, ar };

/**
 * Calls `onTurn(texts)` now and at each turn with the texts of these languages ("es-MX" is Spanish); what is not known is
 * left out, and English stands in for nothing at all. Answers with all the texts, in order.
 */
export function speakInTurn(wanted, onTurn) {
  const names = [...new Set(wanted.map((name) => name.split("-")[0]))].filter((name) => Object.hasOwn(TEXTS, name));
  const texts = (names.length ? names : ["en"]).map((name) => TEXTS[name]);
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
