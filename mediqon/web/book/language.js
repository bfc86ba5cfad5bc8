// The language of the page: the one asked for or chosen before, else the browser's first that is known.

import { copyOf, element, mark, part, say, write } from "/web/shared/paper.js";
import { dayName } from "/web/shared/clock.js";
import ar from "/web/book/texts/ar.js";
import en from "/web/book/texts/en.js";
import es from "/web/book/texts/es.js";
import hi from "/web/book/texts/hi.js";

const LANGUAGES = { en: "English", hi: "हिन्दी", es: "Español", ar: "العربية" };
const TEXTS = { en, hi, es, ar };
const KEPT = "mediqon.language";
const at = (name) => part(document, name);
const drawn = new WeakMap();

/** What the page says, in its present language. */
export let texts = en;

at("languages").append(...Object.entries(LANGUAGES).map(([name, words]) => languageButton(name, words)));
speak(known([new URLSearchParams(location.search).get("lang"), localStorage.getItem(KEPT), ...navigator.languages]) ?? "en");

function known(names) {
  return names.map((name) => name?.toLowerCase().split("-")[0]).find((name) => Object.hasOwn(TEXTS, name));
}

function languageButton(name, words) {
  const button = element("button", { type: "button", class: "quiet", lang: name }, words);
  button.onclick = () => choose(name);
  return button;
}

function choose(name) {
  localStorage.setItem(KEPT, name);
  const address = new URL(location);
  address.searchParams.set("lang", name);
  history.replaceState(null, "", address);
  speak(name);
}

// Says everything again in that language. Nothing is built anew, so focus and what was typed stay.
function speak(name) {
  texts = TEXTS[name];
  Object.assign(document.documentElement, { lang: name, dir: texts.dir });
  document.title = texts.words.title;
  for (const button of at("languages").children) mark(button, "aria-pressed", String(button.lang === name));
  sayWords(document);
  for (const node of document.querySelectorAll("*")) drawn.get(node)?.();
}

function sayWords(root) {
  for (const node of root.querySelectorAll("[data-word]")) write(node, texts.words[node.dataset.word]);
  for (const node of root.querySelectorAll("[data-label]")) mark(node, node.matches("img") ? "alt" : "aria-label", texts.words[node.dataset.label]);
}

/** Draws the words of a node, now and in every language chosen later, until it is given others. */
export function inWords(node, draw) {
  drawn.set(node, draw);
  draw();
}

/** News that can be told in any language: `tell(node, () => texts.cancelled(token), "good")`. */
export function tell(node, words, tone) {
  inWords(node, () => say(node, words(), tone));
}

/** Takes the news away. */
export function hush(node) {
  tell(node, () => "");
}

/** A copy of a `<template id>`'s one element, in words. */
export function copyInWords(id) {
  const copy = copyOf(id);
  sayWords(copy);
  return copy;
}

/** "Tuesday 24 November" of a hospital's date. */
export const dayWords = (date, options) => dayName(date, options, texts.locale);

/** Where a visit is followed, in the same language. */
export const pageOf = ({ code }) => `/t/${encodeURIComponent(code)}?lang=${document.documentElement.lang}`;

/** What went wrong: in English the server's own words, which know more. */
export function problemWords({ code, problem }) {
  const fields = (problem?.errors ?? []).map(({ field }) => field);
  if (fields.includes("password")) return texts.guessable;
  const named = fields.map((field) => texts.words[field]).filter(Boolean);
  if (named.length) return texts.check(named.join(texts.comma));
  return (texts === en && problem?.detail) || (texts.problems[code] ?? texts.refused);
}
