// The API reference, drawn from the document that the server itself publishes.

import { get } from "/web/shared/api.js";
import { element, part, say, show, write } from "/web/shared/paper.js";

const METHODS = ["get", "post", "put", "patch", "delete"];
const at = (name) => part(document, name);
const calls = [];
let schemas = {};

try {
  const api = await get(document.body.dataset.document, { anonymous: true });
  schemas = api.components.schemas;
  for (const [path, item] of Object.entries(api.paths)) {
    for (const method of METHODS) if (item[method]) calls.push(call(method, path, item[method]));
  }
  at("calls").append(...calls.map(({ node }) => node));
  find();
} catch (error) {
  say(at("found"), error.message, "bad");
}
at("search").addEventListener("input", find);

function find() {
  const wanted = at("search").value.trim().toLowerCase();
  for (const { node, words } of calls) show(node, words.includes(wanted));
  write(at("found"), `${calls.filter(({ node }) => !node.hidden).length} calls`);
}

function call(method, path, operation) {
  const [lead, ...more] = (operation.description ?? operation.summary ?? "").split("\n\n");
  const summary = element("summary", {}, element("span", { class: "method" }, method.toUpperCase()), element("code", {}, path), element("span", { class: "who" }, operation.security?.length ? "token" : "anyone"), element("span", { class: "lead" }, ...spoken(lead)));
  const inside = element("div", { class: "inside" }, ...more.map((text) => element("p", {}, ...spoken(text))), ...parameters(operation), ...body(operation), ...answers(operation));
  return { node: element("details", {}, summary, inside), words: `${method} ${path} ${lead}`.toLowerCase() };
}

// `words` in backticks are code.
function spoken(text) {
  return text.split("`").map((piece, index) => (index % 2 ? element("code", {}, piece) : piece));
}

function parameters({ parameters = [] }) {
  if (parameters.length === 0) return [];
  const rows = parameters.map(({ name, in: place, required, schema, description }) => row(name, [kind(schema), place, required ? "" : "optional"].filter(Boolean).join(", "), description));
  return [element("h2", {}, "Parameters"), element("dl", {}, ...rows)];
}

function body({ requestBody }) {
  const sent = Object.entries(requestBody?.content ?? {});
  return sent.flatMap(([type, { schema }]) => [element("h2", {}, `Body, ${type}`), fields(schema)]);
}

function answers({ responses }) {
  return Object.entries(responses).flatMap(([status, answer]) => {
    const schema = answer.content?.["application/json"]?.schema;
    return [element("h2", {}, `${status} ${answer.description ?? ""}`), schema && fields(schema)].filter(Boolean);
  });
}

function fields(schema) {
  const found = structure(schema);
  if (!found.properties) return element("p", {}, kind(schema));
  const rows = Object.entries(found.properties).map(([name, each]) => row(name, kind(each) + (found.required?.includes(name) ? "" : ", optional"), each.description));
  return element("div", {}, found.description ? element("p", { class: "soft small" }, found.description) : "", element("dl", {}, ...rows));
}

function row(name, what, more) {
  return element("div", {}, element("dt", {}, element("code", {}, name)), element("dd", {}, what, more ? element("span", { class: "soft small" }, more) : ""));
}

function nameOf($ref) {
  return $ref.split("/").at(-1);
}

// The object itself, through references and through "this or null".
function structure(schema) {
  if (schema.$ref) return schemas[nameOf(schema.$ref)] ?? {};
  const some = (schema.oneOf ?? schema.anyOf ?? []).find(({ $ref }) => $ref);
  return some ? structure(some) : schema;
}

function kind(schema) {
  if (schema.$ref) return nameOf(schema.$ref);
  if (schema.oneOf ?? schema.anyOf) return (schema.oneOf ?? schema.anyOf).map(kind).join(" or ");
  if (schema.type === "array") return `list of ${kind(schema.items ?? {})}`;
  if (schema.enum) return schema.enum.join(" | ");
  const type = Array.isArray(schema.type) ? schema.type.join(" or ") : (schema.type ?? "anything");
  return [schema.format ?? type, bound("at least", schema.minimum ?? schema.minLength), bound("at most", schema.maximum ?? schema.maxLength)].filter(Boolean).join(", ");
}

// The largest integer a database holds is no news.
function bound(words, number) {
  return Math.abs(number) <= Number.MAX_SAFE_INTEGER ? `${words} ${number}` : "";
}
