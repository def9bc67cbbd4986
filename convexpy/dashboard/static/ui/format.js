/** Numbers, durations and times, as every page writes them. */

import { calmly, html, signal } from "./render.js";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** The time now, in milliseconds since 1970; it goes on every second. */
export const now = signal(Date.now());
setInterval(() => calmly(() => (now.value = Date.now())), SECOND);

/** Whether clocks show UTC: otherwise the time of this machine. */
export const isUtc = signal(remembered("utc") !== "false");

/** @param {boolean} utc */
export function showUtc(utc) {
  isUtc.value = utc;
  remember("utc", String(utc));
}

/** A setting of this browser. @param {string} name */
export function remembered(name) {
  try {
    return localStorage.getItem(`convexpy.${name}`);
  } catch {
    return null; // storage may be switched off
  }
}

/** @param {string} name @param {string} value */
export function remember(name, value) {
  try {
    localStorage.setItem(`convexpy.${name}`, value);
  } catch {} // then it lasts as long as the page
}

/** 18 ms, 2.01 s, 48 s, 3 min, 2 h, 12 days. @param {number | null | undefined} ms */
export function duration(ms) {
  if (ms === null || ms === undefined) return "";
  const size = Math.abs(ms);
  if (size < 0.95) return size === 0 ? "0 ms" : `${trim(ms, 2)} ms`;
  if (size < 999.5) return `${Math.round(ms)} ms`;
  if (size < 9.995 * SECOND) return `${trim(ms / SECOND, 2)} s`;
  if (size < 59.5 * SECOND) return `${trim(ms / SECOND, size < 20 * SECOND ? 1 : 0)} s`;
  return whole(ms);
}

/** @param {number} ms */
function whole(ms) {
  if (ms < 59.5 * SECOND) return `${Math.max(0, Math.round(ms / SECOND))} s`;
  if (ms < 59.5 * MINUTE) return `${Math.round(ms / MINUTE)} min`;
  if (ms < 48 * HOUR) return `${Math.round(ms / HOUR)} h`;
  return `${Math.round(ms / DAY)} days`;
}

/** @param {number} value @param {number} digits */
const trim = (value, digits) => String(Number(value.toFixed(digits)));

/** "in 3 min", "1 s ago", "now"; it follows `now`. @param {number | null | undefined} time milliseconds since 1970 */
export function relative(time) {
  if (time === null || time === undefined) return "";
  const distance = time - now.value;
  if (Math.abs(distance) < 500) return "now";
  return distance > 0 ? `in ${whole(distance)}` : `${whole(-distance)} ago`;
}

/** "14:35:30", past a day "11 Dec", past half a year "11 Dec 2025". @param {number | null | undefined} time */
export function clock(time) {
  if (time === null || time === undefined) return "";
  const parts = partsOf(time);
  const distance = Math.abs(time - now.peek());
  if (distance < DAY) return `${parts.hour}:${parts.minute}:${parts.second}`;
  return `${parts.day} ${MONTHS[parts.month]}${distance < 180 * DAY ? "" : ` ${parts.year}`}`;
}

/** "29 Nov 14:35". @param {number} time */
export const dayClock = (time) => (({ day, month }) => `${day} ${MONTHS[month]} ${minuteClock(time)}`)(partsOf(time));

/** "14:35". @param {number} time */
export const minuteClock = (time) => (({ hour, minute }) => `${hour}:${minute}`)(partsOf(time));

/** "30 Nov 2026, 14:35:30.120 UTC": all that is known, for a title. @param {number | null | undefined} time */
export function instant(time) {
  if (time === null || time === undefined) return "";
  const { year, month, day, hour, minute, second } = partsOf(time);
  const fraction = String(Math.floor(((time % SECOND) + SECOND) % SECOND)).padStart(3, "0");
  return `${day} ${MONTHS[month]} ${year}, ${hour}:${minute}:${second}.${fraction} ${isUtc.value ? "UTC" : "local time"}`;
}

/** A time as a cell shows it: "in 3 min" with the clock dim beside. @param {number | null | undefined} time */
export function when(time) {
  if (time === null || time === undefined) return html`<span class="dim">–</span>`;
  return html`<span class="when" title=${instant(time)}>${relative(time)} <span class="dim">${clock(time)}</span></span>`;
}

/** @param {number} time */
function partsOf(time) {
  const date = new Date(time);
  const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
  if (isUtc.value) {
    const [hour, minute, second] = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(two);
    return { year: date.getUTCFullYear(), month: date.getUTCMonth(), day: date.getUTCDate(), hour, minute, second };
  }
  const [hour, minute, second] = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two);
  return { year: date.getFullYear(), month: date.getMonth(), day: date.getDate(), hour, minute, second };
}

/** 14,831. @param {number | bigint | null | undefined} value */
export function number(value) {
  return value === null || value === undefined ? "" : value.toLocaleString("en-US");
}

/** A count as the server gives it: a number, or one that stopped: "10,000+".
 * @param {number | { count: number, more?: boolean } | null | undefined} value */
export function count(value) {
  if (value === null || value === undefined) return "";
  return typeof value === "number" ? number(value) : `${number(value.count)}${value.more ? "+" : ""}`;
}

/** 18.2 MB. @param {number | null | undefined} size */
export function bytes(size) {
  if (size === null || size === undefined) return "";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let [value, unit] = [size, 0];
  for (; value >= 999.5 && unit < units.length - 1; unit++) value /= 1000;
  return `${trim(value, value < 100 && unit > 0 ? 1 : 0)} ${units[unit]}`;
}

/** "1 job", "3 jobs". @param {number} n @param {string} noun @param {string} [many] */
export const plural = (n, noun, many = `${noun}s`) => `${number(n)} ${n === 1 ? noun : many}`;

/** The name of a function: its module dim, itself strong. @param {string | null | undefined} name */
export function functionName(name) {
  if (!name) return "";
  const at = name.lastIndexOf(":") + 1;
  return html`<span class="fn" title=${name}><i>${name.slice(0, at)}</i><b>${name.slice(at)}</b></span>`;
}
