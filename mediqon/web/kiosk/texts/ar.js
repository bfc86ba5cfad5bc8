// What the kiosk says, in Arabic, right to left.

import { isNumbered } from "/web/shared/words.js";

export default {
  lang: "ar",
  dir: "rtl",
  words: {
    title: "خذ رقمًا",
    whom: "من تود أن ترى؟",
    name: "اسمك",
    optional: "(يمكنك تركه فارغًا)",
    take: "خذ رقمًا",
    back: "رجوع",
    yours: "رقم دورك",
    scan: "امسح هذا بهاتفك وتابع مكانك في الدور.",
    print: "اطبع",
    done: "تم",
  },
  code: "رمز QR للصفحة التي تتابع هذا الرقم",
  room: (room) => (isNumbered(room) ? `غرفة ${room}` : room),
  waiting: (count) => (count ? `في الانتظار: ${count}` : "لا أحد في الانتظار"),
  closed: "مغلق لهذا اليوم",
  next: "دورك هو التالي",
  ahead: (count) => (count === 1 ? "أمامك شخص واحد" : `عدد من أمامك: ${count}`),
  between: (from, to) => `بين ${from} و${to}`,
  refusals: {
    queue_closed: "الدور مغلق لهذا اليوم.",
    day_full: "نفدت أرقام اليوم.",
    unreachable: "لا جواب من الخادم. يرجى المحاولة من جديد.",
  },
  refused: "لم ينجح ذلك. يعطيك الاستقبال رقمًا.",
  notInUse: ["هذا الجهاز غير مستخدم", "سُحب رابطه أو لم يوجد قط. يعطيك الاستقبال رقمًا."],
  noConnection: ["لا يوجد اتصال", "تُعاد المحاولة تلقائيًا. يعطيك الاستقبال رقمًا في هذه الأثناء."],
};
