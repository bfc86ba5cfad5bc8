// What the kiosk says, in English. Each language has such a file; the names are the same in all.

import { isNumbered } from "/web/shared/words.js";

const people = (count) => (count === 1 ? "1 person" : `${count} people`);

export default {
  lang: "en",
  dir: "ltr",
  words: {
    title: "Take a token",
    whom: "Whom would you like to see?",
    name: "Your name",
    optional: "(you may leave this empty)",
    take: "Take a token",
    back: "Back",
    yours: "Your token",
    scan: "Scan this with your phone, and follow your place in line.",
    print: "Print",
    done: "Done",
  },
  code: "QR code of the page that follows this token",
  room: (room) => (isNumbered(room) ? `Room ${room}` : room),
  waiting: (count) => (count ? `${people(count)} waiting` : "nobody waiting"),
  closed: "closed for today",
  next: "You are next",
  ahead: (count) => `${people(count)} ahead`,
  between: (from, to) => `between ${from} and ${to}`,
  refusals: {
    queue_closed: "The line is closed for today.",
    day_full: "All tokens of today are taken.",
    unreachable: "No answer from the server. Please try again.",
  },
  refused: "That did not work. The reception gives you a token.",
  notInUse: ["This kiosk is not in use", "Its link was withdrawn or never existed. The reception gives you a token."],
  noConnection: ["No connection", "It tries again by itself. The reception gives you a token meanwhile."],
};
