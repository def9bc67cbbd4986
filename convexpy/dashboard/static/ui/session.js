/** Ends the session of this browser. */

import { root } from "./address.js";

export function logOut() {
  const form = Object.assign(document.createElement("form"), { method: "post", action: new URL("logout", root).href });
  document.body.append(form);
  form.submit();
}
