// What pages are drawn with: elements made of text (never of markup), and lists whose rows outlive a redraw.

/** `element("p", { class: "soft", "data-id": 3, disabled: true }, "text", child)`; null and false leave a part out. */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) mark(node, name, value);
  node.append(...children.filter((child) => child !== null && child !== false));
  return node;
}

/** Sets an attribute only when it changes, so that observers and screen readers are not disturbed. */
export function mark(node, name, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value === true ? "" : value)) node.setAttribute(name, value === true ? "" : value);
}

/** Writes text only when it changes: an aria-live region then speaks each news once. */
export function write(node, text) {
  const next = text === null || text === undefined ? "" : String(text);
  if (node.textContent !== next) node.textContent = next;
}

/** Shows or hides. */
export function show(node, visible) {
  node.hidden = !visible;
}

/**
 * Makes the children of `list` those of `items`, in order, keeping the node of every item that stays: focus, a
 * half-pressed button and an animation survive. `make(item)` builds a row once, `fill(row, item)` brings it up to date.
 */
export function keepRows(list, items, { key, make, fill }) {
  const old = new Map([...list.children].map((row) => [row.dataset.key, row]));
  let place = list.firstElementChild;
  for (const item of items) {
    const id = String(key(item));
    const row = old.get(id) ?? make(item);
    row.dataset.key = id;
    old.delete(id);
    fill(row, item);
    if (row === place) place = place.nextElementSibling;
    else list.insertBefore(row, place);
  }
  for (const gone of old.values()) gone.remove();
}

const asked = new WeakMap();

/** What `question` (a promise) brings for `place`; null when something newer was asked for it meanwhile, also instead of an error. */
export async function answerFor(place, question) {
  asked.set(place, question);
  const stands = () => asked.get(place) === question;
  try {
    const answer = await question;
    return stands() ? answer : null;
  } catch (error) {
    if (stands()) throw error;
    return null;
  }
}

/** The element with this `data-part` inside `root`: how a script finds its places in a page. */
export function part(root, name) {
  return root.querySelector(`[data-part="${name}"]`);
}

/** A fresh copy of a `<template id>`'s one element. */
export function copyOf(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}

/** While `work` runs the button is disabled and says so; keyboard focus comes back to it afterwards. */
export async function whileBusy(button, work) {
  if (button.disabled) return undefined;
  const hadFocus = document.activeElement === button;
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  try {
    return await work();
  } finally {
    button.disabled = false;
    button.removeAttribute("aria-busy");
    if (hadFocus && document.activeElement === document.body && button.isConnected) button.focus();
  }
}

/** One polite line of news: `say(node, "Called A-007.", "good")`. */
export function say(node, text, tone = "") {
  node.dataset.tone = tone;
  write(node, text);
}
