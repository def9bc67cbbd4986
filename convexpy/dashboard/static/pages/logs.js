/** Logs. */

import { html } from "../ui/render.js";
import { pageHead } from "../ui/states.js";

/** @import { Page } from "../ui/pages.js" */

/** @type {Page} */
export default {
  title: "Logs",
  open() {
    return () => html`<div class="page">${pageHead("Logs")}</div>`;
  },
};
