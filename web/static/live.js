// Adds new lines to the log of a deploy or an app as they arrive, and lets it be paused, searched, wrapped and copied.
// Without this script, a page shows the lines at the time it was loaded, and the search asks the server.
"use strict";

const MOST_LINES = 10000;
const RETRIES_MS = [1000, 2000, 5000, 10000, 10000, 30000, 30000, 30000];

function lineOf([kind, parts], number) {
  const line = document.createElement("div");
  line.className = kind;
  if (number) {
    line.id = `L${number}`;
    const anchor = document.createElement("a");
    anchor.href = `#L${number}`;
    anchor.dataset.line = number;
    anchor.tabIndex = -1;
    anchor.setAttribute("aria-label", `Line ${number}`);
    line.append(anchor);
  }
  line.append(...parts.map(partOf));
  return line;
}

function partOf([classes, text]) {
  const part = document.createElement("span");
  if (classes) part.className = classes;
  part.textContent = text;
  return part;
}

// A line of an app's log, with its time and who wrote it.
function loggedLineOf(logged) {
  const line = document.createElement("div");
  if (logged.kind) line.className = logged.kind;
  const time = document.createElement("a");
  time.className = "when";
  time.href = logged.link;
  time.title = logged.time;
  time.textContent = logged.when;
  line.append(time, " ", partOf(["bold", logged.process]), " ", ...logged.parts.map(partOf));
  return line;
}

function follow(log, matches) {
  let place = log.dataset.after;
  let count = Number(log.dataset.count);
  let failures = 0;
  let events = null;
  const pause = document.querySelector("[data-pause]");
  const isPaused = () => pause?.getAttribute("aria-pressed") === "true";

  function add(line) {
    const isAtEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 40;
    line.hidden = !matches(line);
    log.append(line);
    while (log.childElementCount > MOST_LINES) log.firstElementChild.remove();
    if (isAtEnd) log.scrollTop = log.scrollHeight;
  }

  function open() {
    const url = new URL(log.dataset.events, location.href);
    url.searchParams.set("after", place);
    events = new EventSource(url);
    events.onmessage = (event) => {
      failures = 0;
      // Only lines that are stored move the place, and have numbers: a position in the queue is not one.
      const isStored = event.lastEventId !== place;
      place = event.lastEventId;
      const data = JSON.parse(event.data);
      add(Array.isArray(data) ? lineOf(data, isStored ? ++count : 0) : loggedLineOf(data));
    };
    events.addEventListener("end", (event) => {
      events.close();
      for (const mark of document.querySelectorAll("[data-state] > .state")) {
        mark.className = `state ${event.data}`;
        mark.textContent = event.data;
      }
      for (const note of document.querySelectorAll(".ended")) note.hidden = false;
      log.classList.remove("live");
    });
    // The browser reconnects by itself unless the response was not a log, such as while the panel restarts.
    events.onerror = () => {
      if (events.readyState === EventSource.CLOSED && failures < RETRIES_MS.length) setTimeout(openUnlessPaused, RETRIES_MS[failures++]);
    };
  }

  function openUnlessPaused() {
    if (!isPaused()) open();
  }

  if (pause) {
    pause.hidden = false;
    pause.addEventListener("click", () => {
      pause.setAttribute("aria-pressed", String(!isPaused()));
      log.classList.toggle("live", !isPaused());
      events?.close();
      openUnlessPaused();
    });
  }

  log.classList.add("live");
  open();
}

function tools(log) {
  const search = document.querySelector(".log-search input");
  const wrap = document.querySelector("[data-wrap]");
  const copy = document.querySelector("[data-copy-log]");
  const matches = (line) => line.textContent.toLowerCase().includes((search?.value ?? "").toLowerCase());
  search?.addEventListener("input", () => {
    for (const line of log.children) line.hidden = !matches(line);
  });
  if (wrap) {
    wrap.hidden = false;
    wrap.addEventListener("click", () => wrap.setAttribute("aria-pressed", String(!log.classList.toggle("unwrapped"))));
  }
  if (copy && navigator.clipboard) {
    copy.hidden = false;
    copy.addEventListener("click", async () => {
      await navigator.clipboard.writeText([...log.children].filter((line) => !line.hidden).map((line) => `${line.textContent}\n`).join(""));
      document.querySelector(".message").textContent = "The log is copied.";
    });
  }
  return matches;
}

// The histogram has a page of its own, whose main part is shown here: without this script, a link leads there.
async function show(place) {
  const response = await fetch(place.dataset.histogram, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!response?.ok) return;
  const found = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("histogram");
  if (found) place.replaceWith(document.adoptNode(found));
}

for (const place of document.querySelectorAll("[data-histogram]")) show(place);
for (const log of document.querySelectorAll(".log")) {
  const matches = tools(log);
  if (!location.hash.startsWith("#L")) log.scrollTop = log.scrollHeight;
  if (log.dataset.events) follow(log, matches);
}
