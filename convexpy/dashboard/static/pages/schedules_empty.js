/** What stands on the page of jobs before there is one: what a job is, and the line that makes it. */

import { isWritable } from "../ui/api.js";
import { icon } from "../ui/icons.js";
import { openNewJob } from "../ui/new_job.js";
import { html, nothing, svg } from "../ui/render.js";
import { copyButton } from "../ui/states.js";

const CODE = `# shop/orders.py
from datetime import timedelta

@mutation
def place_order(ctx: MutationCtx, item: str) -> str:
    order = Order(item=item, ordered_at=ctx.now)
    ctx.db.add(order)
    ctx.db.flush()
    ctx.schedule.after(timedelta(seconds=5), charge, order_id=order.id)
    return order.id

# then, in a terminal
$ convexpy run orders:place_order '{"item": "coffee"}'`;
const MARKED = "ctx.schedule.after";
const PIECE = /(#.*|'[^']*'|\b(?:from|import|def|return)\b|\b\d+\b|^\$)/;
const DUE = [42, 29, 36, 21, 15, 25, 9, 8, 13, 6, 5, 3];

/** @param {string} piece */
function kindOf(piece) {
  if (piece.startsWith("#") || piece === "$") return "c";
  return piece.startsWith("'") || /^\d/.test(piece) ? "st" : "k";
}

/** @param {string} line */
function codeLine(line) {
  const pieces = (line || " ")
    .split(PIECE)
    .map((piece, at) => (at % 2 === 1 ? html`<span class=${kindOf(piece)}>${piece}</span>` : piece));
  return html`<span class=${line.includes(MARKED) ? "hl" : "line"}>${pieces}</span>`;
}

export const nothingYet = () => html`
  <div class="page">
    <div class="empty no-jobs-yet">
      <div>
        <svg class="art" viewBox="0 0 416 64" preserveAspectRatio="none" aria-hidden="true">
          ${DUE.map((tall, at) => svg`<rect class="due" x=${214.5 + at * 17} width="10" y=${62 - tall} height=${tall}/>`)}
          <line class="base" x1="0" x2="416" y1="62.5" y2="62.5"/><line class="now" x1="208" x2="208" y1="0" y2="63"/>
        </svg>
        <h1>Nothing is scheduled yet</h1>
        <p>A job is a call that runs later. A mutation schedules it, and it exists if and only if the mutation commits.</p>
        <p>Paste this into a mutation, save, and call it. The job appears here while you watch.</p>
        ${isWritable() ? html`<p><button type="button" class="btn primary" @click=${() => openNewJob()}>${icon("plus")}New job from a form</button></p>` : nothing}
      </div>
      <div class="code-box">${copyButton(CODE)}<pre class="code" tabindex="0">${CODE.split("\n").map(codeLine)}</pre></div>
    </div>
  </div>`;
