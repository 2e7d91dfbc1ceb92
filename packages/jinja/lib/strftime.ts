const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"] as const;
const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
] as const;

type Field = (date: Date) => string | { number: number; width: number; pad: string };

const number = (value: number, width = 2, pad = "0") => ({ number: value, width, pad });

function dayOfYear(date: Date): number {
  return Math.round(
    (Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) - Date.UTC(date.getFullYear(), 0, 0)) /
      86_400_000,
  );
}

/** ISO 8601: a week belongs to the year of its Thursday; the first one of a year is number 1. */
function isoWeek(date: Date): { year: number; week: number } {
  const weekday = date.getDay() || 7;
  const thursday = new Date(date.getFullYear(), date.getMonth(), date.getDate() + 4 - weekday);
  return { year: thursday.getFullYear(), week: Math.ceil(dayOfYear(thursday) / 7) };
}

/** Python's strftime in the C locale, local time, for the directives of glibc that dates are written with. */
const FIELDS: Record<string, Field> = {
  a: (date) => DAYS[date.getDay()]!.slice(0, 3),
  A: (date) => DAYS[date.getDay()]!,
  b: (date) => MONTHS[date.getMonth()]!.slice(0, 3),
  h: (date) => MONTHS[date.getMonth()]!.slice(0, 3),
  B: (date) => MONTHS[date.getMonth()]!,
  c: (date) => strftime(date, "%a %b %e %H:%M:%S %Y"),
  C: (date) => number(Math.floor(date.getFullYear() / 100)),
  d: (date) => number(date.getDate()),
  D: (date) => strftime(date, "%m/%d/%y"),
  e: (date) => number(date.getDate(), 2, " "),
  f: (date) => number(date.getMilliseconds() * 1000, 6),
  F: (date) => strftime(date, "%Y-%m-%d"),
  g: (date) => number(isoWeek(date).year % 100),
  G: (date) => number(isoWeek(date).year, 1),
  H: (date) => number(date.getHours()),
  I: (date) => number(date.getHours() % 12 || 12),
  j: (date) => number(dayOfYear(date), 3),
  k: (date) => number(date.getHours(), 2, " "),
  l: (date) => number(date.getHours() % 12 || 12, 2, " "),
  m: (date) => number(date.getMonth() + 1),
  M: (date) => number(date.getMinutes()),
  n: () => "\n",
  p: (date) => (date.getHours() < 12 ? "AM" : "PM"),
  P: (date) => (date.getHours() < 12 ? "am" : "pm"),
  r: (date) => strftime(date, "%I:%M:%S %p"),
  R: (date) => strftime(date, "%H:%M"),
  s: (date) => String(Math.floor(date.getTime() / 1000)),
  S: (date) => number(date.getSeconds()),
  t: () => "\t",
  T: (date) => strftime(date, "%H:%M:%S"),
  u: (date) => String(date.getDay() || 7),
  U: (date) => number(Math.floor((dayOfYear(date) + 6 - date.getDay()) / 7)),
  V: (date) => number(isoWeek(date).week),
  w: (date) => String(date.getDay()),
  W: (date) => number(Math.floor((dayOfYear(date) + 6 - ((date.getDay() + 6) % 7)) / 7)),
  x: (date) => strftime(date, "%m/%d/%y"),
  X: (date) => strftime(date, "%H:%M:%S"),
  y: (date) => number(date.getFullYear() % 100),
  Y: (date) => number(date.getFullYear(), 1),
  // datetime.now() knows no time zone, so these two print nothing.
  z: () => "",
  Z: () => "",
  "%": () => "%",
};

export function strftime(date: Date, format: string): string {
  return format.replace(/%([-_0^#]?)([a-zA-Z%])/g, (directive, flag: string, letter: string) => {
    const field = FIELDS[letter];
    if (field === undefined) return directive;
    const value = field(date);
    if (typeof value === "string") return withCase(value, flag, letter);
    if (flag === "-") return String(value.number);
    return String(value.number).padStart(value.width, flag === "_" ? " " : flag === "0" ? "0" : value.pad);
  });
}

/** "#" asks for the other case: small for AM and PM, large for names, the same for all that is composed. */
function withCase(text: string, flag: string, letter: string): string {
  if (flag === "#" && letter === "p") return text.toLowerCase();
  const large = flag === "^" ? letter !== "P" : flag === "#" && "aAbBh".includes(letter);
  return large ? text.toUpperCase() : text;
}
