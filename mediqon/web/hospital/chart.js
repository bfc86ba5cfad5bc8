// One kind of chart: a bar for each visit, drawn as SVG, with its numbers in words for whoever cannot see it.

import { element } from "/web/shared/paper.js";

const SVG = "http://www.w3.org/2000/svg";
const TALL = 140;
const BAR = 22;
const GAP = 8;
const FOOT = 22;
const HEAD = 16;

/** A figure with a bar of `value` for each `{name, value}`. */
export function barChart(title, bars) {
  const most = Math.max(1, ...bars.map(({ value }) => value));
  const wide = bars.length * (BAR + GAP) + GAP;
  const picture = shape("svg", { viewBox: `0 0 ${wide} ${HEAD + TALL + FOOT}`, width: wide, height: HEAD + TALL + FOOT, role: "img" });
  picture.append(text("title", {}, `${title}: ${bars.map(({ name, value }) => `${name} ${value}`).join(", ")}`));
  bars.forEach(({ name, value }, index) => {
    const height = (value / most) * TALL;
    const x = GAP + index * (BAR + GAP);
    const middle = { x: x + BAR / 2, "text-anchor": "middle" };
    picture.append(
      shape("rect", { x, y: HEAD + TALL - height, width: BAR, height, rx: 3 }),
      text("text", { ...middle, y: HEAD + TALL - height - 4 }, Math.round(value)),
      text("text", { ...middle, y: HEAD + TALL + 15 }, name.split("-").at(-1)),
    );
  });
  return element("figure", { class: "chart" }, element("figcaption", {}, title), element("div", { class: "table", tabindex: "0", role: "group", "aria-label": title }, picture));
}

function shape(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

function text(tag, attributes, words) {
  const node = shape(tag, attributes);
  node.textContent = words;
  return node;
}
