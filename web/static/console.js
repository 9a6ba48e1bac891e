// The console: xterm.js over a WebSocket. web/console.py describes the messages.
"use strict";

const CHUNK_BYTES = 32 * 1024;
const TELL_BYTES = 64 * 1024;
const place = document.getElementById("console");
const form = document.getElementById("command");
const state = document.getElementById("state");

// xterm.js writes styles as text, which the page's policy forbids. The same by the CSS object model is allowed.
const create = document.createElement.bind(document);
document.createElement = (name, options) => {
  if (name !== "style") return create(name, options);
  const element = create("template");
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets.push(sheet);
  Object.defineProperty(element, "textContent", { set: (text) => sheet.replaceSync(text) });
  return element;
};
const setAttribute = Element.prototype.setAttribute;
Element.prototype.setAttribute = function (name, value) {
  if (name === "style") this.style.cssText = value;
  else setAttribute.call(this, name, value);
};

function run(command) {
  const terminal = new Terminal({ cursorBlink: true, fontSize: 13, fontFamily: 'ui-monospace, "DejaVu Sans Mono", monospace', theme: { background: "#14171e" } });
  const fit = new FitAddon.FitAddon();
  const socket = new WebSocket(location.origin.replace(/^http/, "ws") + place.dataset.url);
  const encoder = new TextEncoder();
  let unsaid = 0;
  let isOver = false;

  const tell = (message) => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify(message));
  const type = (bytes) => {
    if (socket.readyState !== WebSocket.OPEN) return;
    for (let start = 0; start < bytes.length; start += CHUNK_BYTES) socket.send(bytes.subarray(start, start + CHUNK_BYTES));
  };
  const shown = (count) => {
    unsaid += count;
    if (unsaid < TELL_BYTES) return;
    tell({ seen: unsaid });
    unsaid = 0;
  };
  const end = (text) => {
    if (isOver) return;
    isOver = true;
    watch.disconnect();
    terminal.options.disableStdin = true;
    terminal.options.cursorBlink = false;
    state.textContent = text;
    form.querySelector("button").disabled = false;
  };

  place.hidden = false;
  place.replaceChildren();
  terminal.loadAddon(fit);
  terminal.open(place);
  fit.fit();
  terminal.focus();
  const watch = new ResizeObserver(() => fit.fit());
  watch.observe(place);
  form.querySelector("button").disabled = true;
  state.textContent = "The dyno is starting.";

  socket.binaryType = "arraybuffer";
  socket.onopen = () => tell({ command, columns: terminal.cols, rows: terminal.rows });
  socket.onmessage = ({ data }) => {
    if (typeof data !== "string") {
      terminal.write(new Uint8Array(data), () => shown(data.byteLength));
      return;
    }
    const message = JSON.parse(data);
    if (message.dyno) state.textContent = `${message.dyno} is running.`;
    else if (message.error) end(message.error);
    else end(message.reason ? `The command was stopped: ${message.reason}.` : `The command ended with status ${message.exit}.`);
  };
  socket.onclose = () => end("The connection was lost, and the dyno was stopped.");
  terminal.onData((text) => type(encoder.encode(text)));
  terminal.onBinary((text) => type(Uint8Array.from(text, (character) => character.charCodeAt(0))));
  terminal.onResize(({ cols, rows }) => tell({ columns: cols, rows }));
}

form.hidden = false;
form.addEventListener("submit", (event) => {
  event.preventDefault();
  event.stopPropagation();
  run(form.elements.command.value);
});
