// What the kiosk says, in Hindi.

import { isNumbered } from "/web/shared/words.js";

const people = (count) => (count === 1 ? "1 व्यक्ति" : `${count} लोग`);

export default {
  lang: "hi",
  dir: "ltr",
  words: {
    title: "टोकन लें",
    whom: "आप किससे मिलना चाहते हैं?",
    name: "आपका नाम",
    optional: "(खाली छोड़ सकते हैं)",
    take: "टोकन लें",
    back: "वापस",
    yours: "आपका टोकन",
    scan: "इसे अपने फ़ोन से स्कैन करें और कतार में अपनी जगह देखें।",
    print: "छापें",
    done: "हो गया",
  },
  code: "इस टोकन के पेज का QR कोड",
  room: (room) => (isNumbered(room) ? `कमरा ${room}` : room),
  waiting: (count) => (count ? `${people(count)} प्रतीक्षा में` : "कोई प्रतीक्षा में नहीं"),
  closed: "आज के लिए बंद",
  next: "अगली बारी आपकी है",
  ahead: (count) => `आपसे पहले ${people(count)}`,
  between: (from, to) => `${from} और ${to} के बीच`,
  refusals: {
    queue_closed: "कतार आज के लिए बंद है।",
    day_full: "आज के सभी टोकन दिए जा चुके हैं।",
    unreachable: "सर्वर से उत्तर नहीं मिला। कृपया फिर कोशिश करें।",
  },
  refused: "यह नहीं हो सका। रिसेप्शन आपको टोकन देगा।",
  notInUse: ["यह कियोस्क उपयोग में नहीं है", "इसका लिंक वापस ले लिया गया या कभी था ही नहीं। रिसेप्शन आपको टोकन देगा।"],
  noConnection: ["संपर्क नहीं", "स्वयं फिर कोशिश हो रही है। तब तक रिसेप्शन आपको टोकन देगा।"],
};
