// Hours as a person writes them: "09:00-13:00, 14:00-17:00 x2".

const WINDOW = /^((?:[01]?\d|2[0-3]):[0-5]\d)\s*[-–]\s*((?:[01]?\d|2[0-3]):[0-5]\d|24:00)(?:\s*[x×]\s*(\d{1,2}))?$/;

/** The windows `[{start, end, capacity}]` in these words; none for empty ones. Throws what to show, beginning with `day`. */
export function readHours(day, text) {
  return text.split(",").map((each) => each.trim()).filter(Boolean).map((each) => {
    const found = WINDOW.exec(each);
    if (!found) throw new Error(`${day}: “${each}” is not like 09:00-13:00.`);
    const [, start, end, capacity] = found;
    return { start: start.padStart(5, "0"), end: end.padStart(5, "0"), capacity: Number(capacity ?? 1) };
  });
}

export function hoursAsWords(windows) {
  return windows.map(({ start, end, capacity }) => `${start}-${end}${capacity > 1 ? ` x${capacity}` : ""}`).join(", ");
}
