/** The frame around every page: navigation, top bar, keys, and which page an address opens. */

import { address, go, link, read, visit } from "./ui/address.js";
import { awaySince, connection, isPaused, session } from "./ui/api.js";
import { bytes, count, now, relative, isUtc, showUtc, plural } from "./ui/format.js";
import { brandMark, icon } from "./ui/icons.js";
import { keys } from "./ui/keys.js";
import { openKeys } from "./ui/key_sheet.js";
import { openPalette } from "./ui/palette.js";
import { PAGES } from "./ui/pages.js";
import { effect, html, mount, nothing } from "./ui/render.js";
import { openPage } from "./ui/router.js";
import { openSheet } from "./ui/sheet.js";
import { themeChoice } from "./ui/theme.js";
import { mountToasts } from "./ui/toast.js";

const frame = document.createElement("div");
frame.className = "frame";
document.body.append(frame);

const crumbs = () => {
  const { page, parts } = address.value;
  const { title } = PAGES[page] ?? { title: "Not found" };
  if (page === "job") {
    const id = parts[0] ?? "";
    return html`<a class="crumb" href=${link("/schedules")}>Schedules</a> / <b class="mono cut" title=${id}>${id.slice(-8)}</b>`;
  }
  if (parts.length === 0) return html`<b>${title}</b>`;
  return html`<a class="crumb" href=${link(`/${page}`)}>${title}</a> / <b class="mono cut">${parts.join(" / ")}</b>`;
};

/** What stands at the right of a page in the navigation. @param {string} page */
function navigationCount(page) {
  const counts = session.value?.counts;
  if (!counts) return nothing;
  const [shown, title] = /** @type {Record<string, [any, string]>} */ ({
    schedules: [counts.pending, "Jobs that wait or run"],
    errors: [counts.errors, "New in the last hour"],
    live: [counts.live, "Live queries"],
  })[page] ?? [0, ""];
  if (count(shown) !== "0") return html`<span class=${`n ${page === "errors" ? "bad" : ""}`} title=${title}>${count(shown)}</span>`;
  return nothing;
}

/** @param {string} name */
function navigationItem(name) {
  const { title, isWide } = PAGES[name];
  const isCurrent = address.value.page === name || (name === "schedules" && address.value.page === "job");
  return html`
    <li class=${isWide ? "wide" : ""}>
      <a href=${link(`/${name}`)} aria-current=${isCurrent ? "page" : nothing} title=${title}>
        ${icon(name)}<span class="word">${title}</span>${navigationCount(name)}
      </a>
    </li>`;
}

const inNavigation = Object.keys(PAGES).filter((name) => !PAGES[name].isHidden);

function openMore() {
  openSheet(
    (/** @type {() => void} */ close) => html`
      <ul class="more-list" @click=${close}>${inNavigation.filter((name) => PAGES[name].isWide).map(navigationItem)}</ul>
      <div class="more-foot">${themeChoice("more")}</div>`,
    { title: "More", kind: "small" },
  );
}

function foot() {
  const known = session.value;
  if (!known) return nothing;
  const { count: workers, heardTime } = known.workers;
  const isHeard = workers > 0;
  const heard = isHeard ? html`${plural(workers, "worker")}, heard ${relative(heardTime)}` : "No worker is heard";
  return html`
    <span><i class=${`dot ${isHeard ? "" : "bad"}`}></i>${heard}</span>
    <span class="dim">${known.database.kind} ${known.database.version} · ${bytes(known.database.bytes)}</span>`;
}

const navigation = () => html`
  <nav class="nav" aria-label="Pages">
    <a class="brand" href=${link("/")} title="Schedules">
      ${brandMark}<span class="word cut">${session.value?.name ?? ""}</span><small>convexpy</small></a>
    <ul>
      ${inNavigation.map(navigationItem)}
      <li class="more">
        <button type="button" @click=${openMore} aria-haspopup="dialog">${icon("more")}<span class="word">More</span></button>
      </li>
    </ul>
    <div class="foot">${foot()}</div>
  </nav>`;

function modeChip() {
  const known = session.value;
  if (!known) return nothing;
  const isDev = known.mode === "dev";
  const word = known.writable ? known.mode : `${known.mode} read-only`;
  return html`<span class=${`mode ${isDev ? "" : "production"}`} title=${isDev ? "A development server" : "A production server"}>
    ${isDev ? html`<i class="dot accent"></i>` : icon("lock")}${word}</span>`;
}

const topBar = () => html`
  <header class="top">
    <nav class="crumbs" aria-label="Where you are">${crumbs()}</nav>
    <button type="button" class="palette-hint" @click=${() => openPalette()} aria-keyshortcuts="Control+K">
      ${icon("search")}<span>Search or run a command</span><span class="keys" aria-hidden="true"><kbd>Ctrl</kbd><kbd>K</kbd></span>
    </button>
    ${modeChip()}
    ${themeChoice("top")}
  </header>`;

/** The server is away: said after two seconds, and taken away by itself. */
function awayBar() {
  const since = awaySince.value;
  if (connection.value === "closed") {
    const again = () => location.reload();
    const button = html`<button type="button" class="btn quiet" @click=${again}>Load again</button>`;
    return html`<div class="away">${icon("warning")}The server ended the connection.${button}</div>`;
  }
  if (since === null || now.value - since < 2_000) return nothing;
  return html`<div class="away">${icon("warning")}The server does not answer.
    What you see is as it was ${relative(since)}; trying again…</div>`;
}

const toMain = (/** @type {Event} */ event) => {
  event.preventDefault();
  document.getElementById("main")?.focus();
};

mount(
  frame,
  () => html`
    <a class="skip" href="#main" @click=${toMain}>Skip to the content</a>
    <div class="app">
      ${navigation()}
      ${topBar()}
      <div class="content">
        <div role="status">${awayBar()}</div>
        <main id="main" tabindex="-1" ref=${openPages}></main>
      </div>
    </div>`,
);

mountToasts();

/** Open the page of each address within the frame. @param {HTMLElement} main */
function openPages(main) {
  let close = () => {};
  let opened = "";
  effect(() => {
    const { page } = address.value;
    if (page === opened) return;
    opened = page;
    close();
    close = openPage(main, page);
  });
}

effect(() => {
  const { page, parts } = address.value;
  const title = [parts.join(" / "), PAGES[page]?.title ?? "Not found", session.value?.name, "convexpy"];
  document.title = title.filter(Boolean).join(" · ");
});

keys({
  "Ctrl k": { label: "Search or run a command", run: () => openPalette() },
  "?": { label: "All keys", run: openKeys },
  p: () => void (isPaused.value = !isPaused.value),
  u: () => showUtc(!isUtc.value),
  "/": () => {
    const field = /** @type {HTMLElement | null} */ (document.querySelector("main [data-filter]"));
    if (!field) return false;
    field.focus();
  },
  ...Object.fromEntries(
    inNavigation
      .filter((name) => PAGES[name].letter)
      .map((name) => {
        return [`g ${PAGES[name].letter}`, { label: PAGES[name].title, run: () => go(`/${name}`) }];
      }),
  ),
});

/** Links to pages of the dashboard are followed without loading it again. */
addEventListener("click", (event) => {
  const target = event.target instanceof Element ? event.target.closest("a[href]") : null;
  const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!(target instanceof HTMLAnchorElement) || event.defaultPrevented || !isPlain) return;
  const isElsewhere =
    target.target || target.hasAttribute("download") || !target.href.startsWith(new URL(link("/"), location.href).href);
  if (isElsewhere || !(read(target.href).page in PAGES)) return;
  event.preventDefault();
  visit(target.href);
});
