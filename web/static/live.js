// Adds new lines to a deploy's log as they arrive. Without this script, a page shows the lines at the time it was loaded.
"use strict";

const MOST_LINES = 10000;
const RETRIES_MS = [1000, 2000, 5000, 10000, 10000, 30000, 30000, 30000];

function lineOf([kind, parts]) {
  const line = document.createElement("div");
  if (kind) line.className = kind;
  for (const [classes, text] of parts) {
    const part = document.createElement("span");
    if (classes) part.className = classes;
    part.textContent = text;
    line.append(part);
  }
  return line;
}

function follow(log) {
  let place = log.dataset.after;
  let failures = 0;

  function add(line) {
    const isAtEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 40;
    log.append(line);
    while (log.childElementCount > MOST_LINES) log.firstElementChild.remove();
    if (isAtEnd) log.scrollTop = log.scrollHeight;
  }

  function open() {
    const events = new EventSource(`${log.dataset.events}?after=${encodeURIComponent(place)}`);
    events.onmessage = (event) => {
      failures = 0;
      place = event.lastEventId;
      add(lineOf(JSON.parse(event.data)));
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
      if (events.readyState === EventSource.CLOSED && failures < RETRIES_MS.length) setTimeout(open, RETRIES_MS[failures++]);
    };
  }

  log.classList.add("live");
  open();
}

for (const log of document.querySelectorAll(".log")) {
  log.scrollTop = log.scrollHeight;
  if (log.dataset.events) follow(log);
}
