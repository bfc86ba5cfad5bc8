// The desk by keyboard: one letter each, never while somebody types, and only as long as they are switched on.

const SWITCH = "mediqon.keys";

/** Whether the letters are on; remembered by this browser (speech input and screen readers may need them off). */
export const keysEnabled = () => localStorage.getItem(SWITCH) !== "off";

export function switchKeys(on) {
  if (on) localStorage.removeItem(SWITCH);
  else localStorage.setItem(SWITCH, "off");
}

/** Calls `onKey("N")` for a letter or "?"; an answer of true says that it meant something here. */
export function listenToKeys(onKey) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.("input, select, textarea, dialog")) return;
    if (event.key !== "?" && !keysEnabled()) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step ? walk(step) : onKey(event.key.toUpperCase())) event.preventDefault();
  });
}

// Arrows go from visit to visit, wherever the focus is in the row.
function walk(step) {
  const rows = [...document.querySelectorAll("[data-part=desk] .visit")].filter((row) => row.checkVisibility());
  const here = rows.indexOf(document.activeElement?.closest(".visit"));
  const row = rows[here < 0 ? (step > 0 ? 0 : rows.length - 1) : here + step];
  row?.querySelector("button")?.focus();
  return Boolean(row);
}

/** The id of the visit whose row has the focus, or null. */
export function chosenVisit() {
  return document.activeElement?.closest(".visit")?.dataset.key ?? null;
}
