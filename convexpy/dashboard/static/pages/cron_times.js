/** Times of crons, which are UTC, and beside it those of this machine. */

import { now } from "../ui/format.js";

const DAY = 24 * 3_600_000;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/** @param {number} value */
const two = (value) => String(value).padStart(2, "0");
/** @param {number} time "09:00" */
export const utcClock = (time) => (({ getUTCHours, getUTCMinutes }, date) => `${two(getUTCHours.call(date))}:${two(getUTCMinutes.call(date))}`)(Date.prototype, new Date(time));
/** @param {number} time "10:00" */
export const localClock = (time) => `${two(new Date(time).getHours())}:${two(new Date(time).getMinutes())}`;

/** Whether this machine's clock is another one than UTC. */
export const isElsewhere = () => new Date().getTimezoneOffset() !== 0;

/** "Berlin +1". */
export function zoneName() {
  const offset = -new Date().getTimezoneOffset() / 60;
  const city = Intl.DateTimeFormat().resolvedOptions().timeZone?.split("/").pop()?.replaceAll("_", " ") ?? "Here";
  return `${city} ${offset < 0 ? "−" : "+"}${Math.abs(offset)}`;
}

/** "Mon 30 Nov", of UTC. @param {number} time */
export function utcDay(time) {
  const date = new Date(time);
  return `${WEEKDAYS[date.getUTCDay()]} ${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
}

/** How many days of UTC lie between. @param {number} time */
const daysAway = (time) => Math.floor(time / DAY) - Math.floor(now.peek() / DAY);

/** "15:00 UTC · 16:00 here", with the day if it is another one. @param {number} time */
export function bothClocks(time) {
  const away = daysAway(time);
  const day = away === 0 ? "" : away === 1 ? "tomorrow " : `${utcDay(time).slice(4)} `;
  return `${day}${utcClock(time)}${day ? "" : " UTC"}${isElsewhere() ? ` · ${localClock(time)} here` : ""}`;
}

/** "at 15:00", "tomorrow", "on 3 Dec". @param {number} time */
export function dayWord(time) {
  const away = daysAway(time);
  if (away === 0) return `at ${utcClock(time)} UTC`;
  return away === 1 ? "tomorrow" : `on ${utcDay(time).slice(4)}`;
}

/** "3 Dec 09:00 UTC". @param {number} time */
export const utcInstant = (time) => `${utcDay(time).slice(4)} ${utcClock(time)} UTC`;

/** The value of `<input type="datetime-local">`, in this machine's time. @param {number} time */
export function localInput(time) {
  const date = new Date(time);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${localClock(time)}`;
}
