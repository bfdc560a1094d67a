// Words and numbers as an operator reads them. The tables come from texts.py, with the page.

const words = JSON.parse(document.getElementById("words").textContent);

export const language = words.language;

// The text of that key; `{}` take the arguments in turn, `{1}` takes the second.
export function text(key, ...values) {
  const pattern = words.texts[key];
  if (pattern === undefined) return key;
  let next = 0;
  return pattern.replace(/\{(\d?)\}/g, (_, index) => values[index === "" ? next++ : Number(index)]);
}

// The same in the page's other language.
export function textOther(key) {
  return words.texts_other[key] || "";
}

export function hasText(key) {
  return key in words.texts;
}

// A device's name or an alert's text, in the page's language.
export function inLanguage(row, field) {
  return row[`${field}_${language}`] || row[`${field}_ja`] || row[`${field}_en`] || row.device || "";
}

// "acc.x" -> "Acceleration x"
export function channelName(channel) {
  const [first, ...rest] = channel.split(".");
  return [words.channels[first] || first, ...rest].join(" ");
}

// How a channel of that unit is shown: {unit, factor, digits}; digits null: as many as tell.
export function shown(channel, unit) {
  const first = channel.split(".")[0];
  const row = words.units[`${first} ${unit}`] || words.units[` ${unit}`];
  if (!row) return { unit, factor: 1, digits: null };
  return { unit: row[0], factor: row[1], digits: row[2] };
}

// The number alone, or a dash where there is none.
export function valueText(value, { factor, digits }) {
  if (value === null || value === undefined) return "–";
  const scaled = value * factor;
  const fixed = digits === null ? String(Number(scaled.toPrecision(4))) : scaled.toFixed(digits);
  return fixed.replace("-", "−");
}

export function count(number) {
  if (number === null || number === undefined) return "–";
  return number.toLocaleString(language, { maximumFractionDigits: number < 10 ? 1 : 0 });
}

export function bytesText(size) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let step = 0;
  while (size >= 1000 && step < units.length - 1) {
    size /= 1000;
    step += 1;
  }
  return `${size.toLocaleString(language, { maximumFractionDigits: size < 10 ? 1 : 0 })} ${units[step]}`;
}

// A span of time in its largest unit, rounded down: an age must not look younger by rounding
// than the unit shows, and nobody needs seconds of an hour.
export function spanText(ms) {
  const s = Math.floor(ms / 1000);
  if (s < 120) return text("span_s", s);
  if (s < 7200) return text("span_min", Math.floor(s / 60));
  if (s < 172800) return text("span_h", Math.floor(s / 3600));
  return text("span_d", Math.floor(s / 86400));
}

export function ageText(ms) {
  if (ms === null || ms === undefined) return "–";
  return ms < 2000 ? text("age_now") : text("age_ago", spanText(ms));
}

// hh:mm:ss of this screen's time zone.
export function clockText(ms) {
  const part = (number) => String(number).padStart(2, "0");
  const time = new Date(ms);
  return [time.getHours(), time.getMinutes(), time.getSeconds()].map(part).join(":");
}

// The same, with the date where it is not today's.
export function momentText(ms, nowMs) {
  const day = (at) => new Date(at).toLocaleDateString(language, { month: "numeric", day: "numeric" });
  return day(ms) === day(nowMs) ? clockText(ms) : `${day(ms)} ${clockText(ms)}`;
}
