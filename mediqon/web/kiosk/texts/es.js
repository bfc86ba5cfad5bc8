// What the kiosk says, in Spanish.

import { isNumbered } from "/web/shared/words.js";

const people = (count) => (count === 1 ? "1 persona" : `${count} personas`);

export default {
  lang: "es",
  dir: "ltr",
  words: {
    title: "Tome un turno",
    whom: "¿A quién desea ver?",
    name: "Su nombre",
    optional: "(puede dejarlo en blanco)",
    take: "Tomar turno",
    back: "Atrás",
    yours: "Su turno",
    scan: "Escanéelo con el móvil y siga su lugar en la cola.",
    print: "Imprimir",
    done: "Listo",
  },
  code: "Código QR de la página que sigue este turno",
  room: (room) => (isNumbered(room) ? `Sala ${room}` : room),
  waiting: (count) => (count ? `${people(count)} en espera` : "nadie en espera"),
  closed: "cerrado por hoy",
  next: "Es el siguiente",
  ahead: (count) => `${people(count)} delante`,
  between: (from, to) => `entre las ${from} y las ${to}`,
  refusals: {
    queue_closed: "La cola está cerrada por hoy.",
    day_full: "Ya no quedan turnos para hoy.",
    unreachable: "El servidor no responde. Inténtelo de nuevo, por favor.",
  },
  refused: "No ha sido posible. En recepción le dan un turno.",
  notInUse: ["Este quiosco no está en uso", "Su enlace fue retirado o nunca existió. En recepción le dan un turno."],
  noConnection: ["Sin conexión", "Se intenta de nuevo automáticamente. Mientras tanto, en recepción le dan un turno."],
};
