import { Client } from "/client.js";

const CHANNELS = ["general", "random", "reading"];
const PAGE_SIZE = 30;
const TYPING_INTERVAL = 2_000; // milliseconds; the server forgets a typist after 4 seconds
const SAME_SPEAKER = 5 * 60_000; // milliseconds; messages so close together share a byline

const element = Object.fromEntries([...document.querySelectorAll("[id]")].map((found) => [found.id, found]));
const client = new Client(undefined, { onConnection: showConnection });

let channel = "";
let me = null;
let leaveChannel = () => {};
let lastTyping = 0;
let offlineTimer;

// The connection

function showConnection(state) {
  clearTimeout(offlineTimer);
  if (state === "connected") element.offline.hidden = true;
  else offlineTimer = setTimeout(() => (element.offline.hidden = false), 700); // a short break is nobody's concern
}

// The user. Each tab has its own, and keeps it when it is loaded again.

function useToken(token) {
  if (token === null) sessionStorage.removeItem("token");
  else sessionStorage.setItem("token", token);
  client.setAuth(token === null ? null : () => token, (isLoggedIn) => isLoggedIn || sessionStorage.removeItem("token"));
}

function showUser(user) {
  me = user;
  element.user.hidden = element.composer.hidden = user === null;
  element.login.hidden = user !== null;
  element["user-name"].textContent = user?.name ?? "";
  if (user) resizeBody();
}

element.login.addEventListener("submit", (event) => {
  event.preventDefault();
  const name = element.name.value.trim();
  attempt(async () => {
    useToken(await client.action("login:enter", { name }));
    element.name.value = "";
  });
});

element.leave.addEventListener("click", () => useToken(null));

// The channel and its pages: the newest first, each a subscription that begins where the one before it ends.

function enterChannel(name) {
  leaveChannel();
  channel = name;
  element.title.textContent = document.title = `# ${name}`;
  element.body.placeholder = `Message # ${name}`;
  element.body.value = sessionStorage.getItem(`draft ${name}`) ?? "";
  for (const link of element.channels.children) link.toggleAttribute("aria-current", link.textContent === `# ${name}`);
  element.older.hidden = element.empty.hidden = true;
  element.messages.replaceChildren();
  showTypists([]);
  resizeBody();
  const pages = [];
  const subscribePage = (cursor) => {
    const page = {};
    pages.push(page);
    const args = { channel: name, paginationOpts: { numItems: PAGE_SIZE, cursor } };
    const show = (result) => {
      Object.assign(page, result);
      showMessages(pages);
    };
    page.unsubscribe = client.subscribe("messages:page", args, show, showProblem);
  };
  subscribePage(null);
  element.older.onclick = () => subscribePage(pages.at(-1).continueCursor);
  const forgetTypists = client.subscribe("typing:who", { channel: name }, showTypists, showProblem);
  leaveChannel = () => {
    forgetTypists();
    for (const page of pages) page.unsubscribe();
  };
}

function showMessages(pages) {
  const loaded = pages.filter((page) => page.page);
  const messages = loaded.flatMap((page) => page.page).reverse();
  const { scroller } = element;
  const fromBottom = scroller.scrollHeight - scroller.scrollTop; // which stays, when older ones come above
  const wasAtEnd = fromBottom - scroller.clientHeight < 40;
  element.messages.replaceChildren(...messages.flatMap((message, index) => messageRows(message, messages[index - 1])));
  element.older.hidden = loaded.length < pages.length || loaded.at(-1).isDone;
  element.empty.hidden = messages.length > 0;
  element.empty.textContent = `Nothing in # ${channel} yet. The first message is yours.`;
  scroller.scrollTop = wasAtEnd ? scroller.scrollHeight : scroller.scrollHeight - fromBottom;
}

/** The row of a message, after that of its day if it is the first one. */
function messageRows(message, previous) {
  const sent = new Date(message.sentAt);
  const before = previous && new Date(previous.sentAt);
  const isSameDay = before?.toDateString() === sent.toDateString();
  const follows = isSameDay && previous.authorId === message.authorId && sent - before < SAME_SPEAKER;
  const row = make("li", follows ? "message follows" : "message");
  if (!follows) {
    const sign = make("span", "sign", [...message.author][0].toUpperCase());
    sign.style.setProperty("--hue", hueOf(message.authorId));
    sign.ariaHidden = "true";
    const time = make("time", "", sent.toLocaleTimeString(undefined, { timeStyle: "short" }));
    time.dateTime = message.sentAt;
    const byline = make("div", "byline");
    byline.append(make("span", "author", message.author), time);
    row.append(sign, byline);
  }
  row.append(make("p", message.isUnsent ? "body unsent" : "body", message.body));
  return isSameDay ? [row] : [make("li", "day", sent.toLocaleDateString(undefined, { dateStyle: "full" })), row];
}

function make(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function hueOf(text) {
  return [...text].reduce((hue, letter) => (hue * 31 + letter.codePointAt(0)) % 360, 7);
}

function showTypists(typists) {
  const names = typists.filter((typist) => typist.userId !== me?.id).map((typist) => typist.name);
  const listed = names.length > 3 ? "Several people" : new Intl.ListFormat("en").format(names);
  element.typists.textContent = names.length === 0 ? "" : `${listed} ${names.length === 1 ? "is" : "are"} typing …`;
}

// Writing

element.composer.addEventListener("submit", (event) => {
  event.preventDefault();
  const body = element.body.value.trim();
  if (body === "" || me === null) return;
  setBody("");
  const to = channel;
  const message = { id: -Date.now(), authorId: me.id, author: me.name, body, sentAt: new Date().toISOString(), isUnsent: true };
  attempt(async () => {
    try {
      await client.mutation("messages:send", { channel: to, body }, { optimistic: (store) => prepend(store, to, message) });
    } catch (error) {
      if (channel === to && element.body.value === "") setBody(body); // it was not sent, so it is not lost either
      throw error;
    }
  });
});

/** Show a message in the newest page before the server has it. */
function prepend(store, to, message) {
  for (const { args, value } of store.all("messages:page")) {
    if (value && args.channel === to && args.paginationOpts.cursor === null) {
      store.set("messages:page", args, { ...value, page: [message, ...value.page] });
    }
  }
}

element.body.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  element.composer.requestSubmit();
});

element.body.addEventListener("input", () => {
  setBody(element.body.value);
  if (element.body.value === "" || Date.now() - lastTyping < TYPING_INTERVAL || !element.offline.hidden) return;
  lastTyping = Date.now();
  client.mutation("typing:start", { channel }).catch(() => {}); // only a hint
});

function setBody(text) {
  if (element.body.value !== text) element.body.value = text;
  if (text === "") lastTyping = 0;
  sessionStorage.setItem(`draft ${channel}`, text);
  resizeBody();
}

/** As high as its text, up to the limit in the style sheet. */
function resizeBody() {
  element.body.style.height = "auto";
  element.body.style.height = `${element.body.scrollHeight + 2}px`;
}

// Problems

async function attempt(work) {
  element.problem.hidden = true;
  try {
    await work();
  } catch (error) {
    showProblem(error);
  }
}

function showProblem(error) {
  element.problem.textContent = error.message;
  element.problem.hidden = false;
}

// Begin

for (const name of CHANNELS) {
  const link = make("a", "", `# ${name}`);
  link.href = `#${name}`;
  element.channels.append(link);
}
const chosen = () => (CHANNELS.includes(location.hash.slice(1)) ? location.hash.slice(1) : CHANNELS[0]);
window.addEventListener("hashchange", () => enterChannel(chosen()));
if (sessionStorage.getItem("token")) useToken(sessionStorage.getItem("token"));
client.subscribe("login:me", {}, showUser, showProblem);
enterChannel(chosen());
