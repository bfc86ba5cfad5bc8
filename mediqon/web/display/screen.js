// Care for the screen itself: it stays awake, nothing burns in, and what it last showed survives a reload.

const SHIFT_EVERY_MS = 60_000;
// Once around a small circle in an hour, in hundredths of the shorter side.
const SHIFT_VMIN = 0.5;
const TURN_MINUTES = 60;

/** Moves everything a little, all the time, so that no edge of a letter stays for years on the same pixels. */
export function keepMoving() {
  const move = () => {
    const angle = ((Date.now() / 60_000) % TURN_MINUTES) * ((2 * Math.PI) / TURN_MINUTES);
    document.body.style.translate = `${(SHIFT_VMIN * Math.cos(angle)).toFixed(2)}vmin ${(SHIFT_VMIN * Math.sin(angle)).toFixed(2)}vmin`;
  };
  move();
  setInterval(move, SHIFT_EVERY_MS);
}

/** Asks that the screen stay on; the browser takes that back whenever the page is hidden. Needs https or localhost. */
export function stayAwake() {
  const ask = () => document.visibilityState === "visible" && navigator.wakeLock?.request("screen").catch(() => {});
  document.addEventListener("visibilitychange", ask);
  ask();
}

/** What was last shown under this key: `read()` and `write(state)`. A full or forbidden storage is no reason to fail. */
export function memory(key) {
  return {
    read() {
      try {
        return JSON.parse(localStorage.getItem(key));
      } catch {
        return null;
      }
    },
    write(state) {
      try {
        localStorage.setItem(key, JSON.stringify(state));
      } catch {
        // A screen without storage forgets at a reload, and that is all.
      }
    },
  };
}
