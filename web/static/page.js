// Every page: forms that are sent once, dialogs, copy buttons, local times, keys, and the parts that change by themselves.
// Without this script, pages show how things were when they were loaded, and all forms work.
"use strict";

const RETRY_MS = 2000;
const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

// Forms: a second click sends nothing, and the button says that the first one works.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method === "dialog") return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  // A disabled button would not be sent, so it is marked only.
  for (const button of [event.submitter, ...form.querySelectorAll("button:not([type=button])")]) button?.setAttribute("aria-busy", "true");
});
addEventListener("pageshow", () => {
  // The browser's Back shows the page as it was left.
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  for (const button of document.querySelectorAll("[aria-busy]")) button.removeAttribute("aria-busy");
});

// Dialogs: modal, with the focus on the safe button. Without this script they are popovers.
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog]");
  const closer = event.target.closest("[data-close]");
  if (opener || closer) event.preventDefault();
  if (opener) {
    const dialog = document.getElementById(opener.dataset.dialog);
    dialog.removeAttribute("popover");
    dialog.showModal();
  }
  closer?.closest("dialog").close();
  for (const menu of document.querySelectorAll("details.switcher[open], details.dropdown[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

// Copying needs this script and a secure origin.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  say("Copied.");
});

function say(text) {
  const message = document.querySelector(".message");
  if (message) message.textContent = text;
}

// Times: the exact one in the reader's zone as a hint, and in its place after a click.
document.addEventListener("click", (event) => {
  const time = event.target.closest("time[datetime]");
  if (!time) return;
  [time.textContent, time.title] = [time.title, time.textContent];
});

function prepare() {
  for (const time of document.querySelectorAll("time[datetime]:not([data-local])")) {
    time.title = EXACT.format(new Date(time.dateTime));
    time.dataset.local = "yes";
  }
  if (navigator.clipboard) for (const button of document.querySelectorAll(".copy[hidden]")) button.hidden = false;
  const favicon = document.getElementById("favicon");
  const mark = document.getElementById("live")?.dataset.mark ?? "idle";
  if (favicon && favicon.getAttribute("href") !== favicon.dataset[mark]) favicon.href = favicon.dataset[mark];
}
prepare();
document.addEventListener("htmx:after:swap", prepare);

// Keys.
let before = "";
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") for (const menu of document.querySelectorAll("details.switcher[open], details.dropdown[open]")) menu.open = false;
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, [contenteditable], .xterm")) return;
  if (event.key === "/") {
    const search = document.querySelector("input[type=search]");
    if (search) {
      event.preventDefault();
      search.focus();
    } else location.assign("/apps#search");
  } else if (event.key === "?") document.getElementById("keys")?.showModal();
  else if (before === "g" && event.key === "a") location.assign("/apps");
  before = event.key;
});

// The event stream says that something changed; htmx then loads the page and morphs what differs. The browser reconnects by itself,
// unless the answer was no stream, as while the panel restarts.
function listen(url) {
  const events = new EventSource(url);
  events.addEventListener("changed", () => document.body.dispatchEvent(new Event("skypanel:changed")));
  // The session has ended, or the app is no longer one's own: the server says so, or asks to sign in.
  events.addEventListener("over", () => {
    events.close();
    location.reload();
  });
  events.onerror = () => {
    if (events.readyState === EventSource.CLOSED) setTimeout(() => listen(url), RETRY_MS);
  };
  addEventListener("pagehide", () => events.close(), { once: true });
}
if (document.body.dataset.events) listen(document.body.dataset.events);
// Where the page may no longer be seen, or has moved, the browser shows what the server says.
document.addEventListener("htmx:response:error", () => location.reload());
