// Calls out loud: a chime, then the token and the room in each of the screen's languages. One after the other, never over
// each other, and each call once.

const WAITING_CALLS_MAX = 8;
const SPEECH_MOST_MS = 15_000;
const CHIME_MS = 1_100;
const NOTES_HZ = [659.25, 523.25];
const SILENCED = "mediqon.silent";

export class Announcer {
  #audio = null;
  #texts = [];
  #queue = [];
  #busy = false;
  #onChange;

  /** `onChange(state)`: "on", "silent" (somebody chose so) or "blocked" (the browser wants a click first). */
  constructor(onChange) {
    this.#onChange = onChange;
    if ("AudioContext" in globalThis) {
      this.#audio = new AudioContext();
      this.#audio.onstatechange = () => this.#tell();
    }
    this.#tell();
  }

  speakThese(texts) {
    this.#texts = texts;
  }

  get state() {
    if (localStorage.getItem(SILENCED)) return "silent";
    return this.#audio && this.#audio.state !== "running" ? "blocked" : "on";
  }

  /** The one click: it lets the browser sound, or silences it. */
  async toggle() {
    if (this.state === "on") localStorage.setItem(SILENCED, "yes");
    else {
      localStorage.removeItem(SILENCED);
      await this.#audio?.resume();
      globalThis.speechSynthesis?.speak(new SpeechSynthesisUtterance(""));
    }
    this.#queue = [];
    this.#tell();
  }

  /** Puts a call at the end of the line. `isCurrent()` is asked again when its turn comes: nobody is sent for in vain. */
  announce(token, room, isCurrent) {
    if (this.state !== "on") return;
    this.#queue.push({ token, room, isCurrent });
    this.#queue = this.#queue.slice(-WAITING_CALLS_MAX);
    this.#work();
  }

  async #work() {
    if (this.#busy) return;
    this.#busy = true;
    while (this.#queue.length) {
      const { token, room, isCurrent } = this.#queue.shift();
      if (this.state !== "on" || !isCurrent()) continue;
      await this.#chime();
      for (const texts of this.#texts) if (isCurrent()) await say(texts, texts.spoken(pronounced(token), room));
    }
    this.#busy = false;
  }

  #chime() {
    if (!this.#audio) return undefined;
    NOTES_HZ.forEach((pitch, note) => this.#strike(pitch, this.#audio.currentTime + note * 0.32));
    return new Promise((done) => setTimeout(done, CHIME_MS));
  }

  #strike(pitch, at) {
    const tone = new OscillatorNode(this.#audio, { frequency: pitch });
    const loud = new GainNode(this.#audio, { gain: 0 });
    loud.gain.setValueAtTime(0, at);
    loud.gain.linearRampToValueAtTime(0.5, at + 0.02);
    loud.gain.exponentialRampToValueAtTime(0.001, at + 0.75);
    tone.connect(loud).connect(this.#audio.destination);
    tone.start(at);
    tone.stop(at + 0.8);
  }

  #tell() {
    this.#onChange(this.state);
  }
}

/** "A-007" is said as "A 7". */
export function pronounced(token) {
  return token.replace(/-/g, " ").replace(/([A-Z])(?=\d)/g, "$1 ").replace(/\b0+(?=\d)/g, "");
}

// A browser without a voice for this language would mumble it: then it is left out. One that never says that it is done
// does not hold up the line.
function say(texts, words) {
  const synthesis = globalThis.speechSynthesis;
  if (!synthesis) return undefined;
  const voices = synthesis.getVoices();
  const voice = voices.find(({ lang }) => lang.toLowerCase().startsWith(texts.lang));
  if (voices.length && !voice) return undefined;
  const utterance = new SpeechSynthesisUtterance(words);
  Object.assign(utterance, { lang: texts.locale.split("-u-")[0], voice: voice ?? null, rate: 0.9 });
  return new Promise((done) => {
    const timer = setTimeout(() => {
      synthesis.cancel();
      done();
    }, SPEECH_MOST_MS);
    utterance.onend = utterance.onerror = () => {
      clearTimeout(timer);
      done();
    };
    synthesis.speak(utterance);
  });
}
