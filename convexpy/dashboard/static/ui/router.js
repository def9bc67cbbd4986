/** Opens a page in the frame, and says what went wrong where it cannot. */

import { link } from "./address.js";
import { keys } from "./keys.js";
import { PAGES } from "./pages.js";
import { html, mount } from "./render.js";
import { Scope } from "./scope.js";
import { problem, waitingLines } from "./states.js";

/** @import { Page, PageScope } from "./pages.js" */

let isFirst = true;
/** The scope of the page that is open, for the palette. */
export let openScope = /** @type {Scope | null} */ (null);

/**
 * @param {HTMLElement} main @param {string} name
 * @returns {() => void} what leaves it
 */
export function openPage(main, name) {
  const scope = new Scope();
  const place = document.createElement("div");
  place.className = "place";
  main.replaceChildren(place);
  main.scrollTop = 0;
  if (!isFirst) main.focus({ preventScroll: true }); // where a reader of the screen goes on
  isFirst = false;
  openScope = scope;
  void show(place, name, scope);
  return () => scope.close();
}

/** @param {HTMLElement} place @param {string} name @param {Scope} scope */
async function show(place, name, scope) {
  /** @param {() => unknown} view */
  const put = (view) => {
    unmount();
    unmount = mount(place, view, (error) => {
      console.error(error);
      queueMicrotask(() => put(() => failure(error, name, place, scope)));
    });
  };
  let unmount = mount(place, () => html`<div class="page">${waitingLines()}</div>`);
  scope.onClose(() => unmount());
  if (!(name in PAGES)) return put(missing);
  try {
    const { default: page } = /** @type {{ default: Page }} */ (await import(`../pages/${name}.js`));
    if (page.hasStyle) await addStyle(name);
    if (scope.isClosed) return;
    const ofPage = /** @type {PageScope} */ (
      Object.assign(scope, { keys: (/** @type {any} */ map) => scope.within(() => keys(map)) })
    );
    put(scope.within(() => page.open(ofPage)));
  } catch (error) {
    console.error(error);
    if (!scope.isClosed) put(() => failure(error, name, place, scope));
  }
}

/** @param {unknown} error @param {string} name @param {HTMLElement} place @param {Scope} scope */
function failure(error, name, place, scope) {
  const again = () => {
    place.replaceChildren();
    void show(place, name, scope);
  };
  return html`<div class="page">${problem(error, { what: `${PAGES[name]?.title ?? name} cannot be shown`, again })}</div>`;
}

const missing = () => html`
  <div class="page">
    <h1>There is no such page</h1>
    <p class="lead">The address leads to none of the dashboard's pages. <a class="link" href=${link("/schedules")}>Schedules</a></p>
  </div>`;

/** @param {string} name @returns {Promise<void>} */
function addStyle(name) {
  const href = new URL(`../pages/${name}.css`, import.meta.url).href;
  if (document.querySelector(`link[href="${href}"]`)) return Promise.resolve();
  return new Promise((resolve) => {
    const style = Object.assign(document.createElement("link"), { rel: "stylesheet", href });
    style.onload = style.onerror = () => resolve();
    document.head.append(style);
  });
}
