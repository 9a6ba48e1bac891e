// Passkeys: a form with data-passkey asks the panel what to ask the browser, then the browser for a passkey, and sends its answer.
// Without this script, or where the browser knows no passkeys, these forms stay hidden.
"use strict";

const decoded = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
const encoded = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

async function create(options) {
  options.challenge = decoded(options.challenge);
  options.user.id = decoded(options.user.id);
  for (const known of options.excludeCredentials ?? []) known.id = decoded(known.id);
  const made = await navigator.credentials.create({ publicKey: options });
  return answer(made, { attestationObject: encoded(made.response.attestationObject) });
}

async function get(options) {
  options.challenge = decoded(options.challenge);
  const found = await navigator.credentials.get({ publicKey: options });
  const { authenticatorData, signature, userHandle } = found.response;
  const rest = { authenticatorData: encoded(authenticatorData), signature: encoded(signature) };
  return answer(found, userHandle ? { ...rest, userHandle: encoded(userHandle) } : rest);
}

function answer(credential, rest) {
  const response = { clientDataJSON: encoded(credential.response.clientDataJSON), ...rest };
  return JSON.stringify({ id: credential.id, rawId: encoded(credential.rawId), type: credential.type, response });
}

for (const form of window.PublicKeyCredential ? document.querySelectorAll("form[data-passkey]") : []) {
  form.hidden = false;
  // Before the listener of page.js, which would mark the form as sent.
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    event.stopPropagation();
    const button = form.querySelector("button");
    button.setAttribute("aria-busy", "true");
    try {
      const body = new URLSearchParams({ form_token: form.elements.form_token.value });
      const reply = await fetch(form.dataset.passkey, { method: "POST", body });
      if (!reply.ok) throw new Error("load this page again");
      const { options, challenge } = await reply.json();
      form.elements.challenge.value = challenge;
      const ask = form.dataset.ask === "create" ? create : get;
      form.elements.answer.value = await ask(JSON.parse(options));
      form.submit();
    } catch (error) {
      button.removeAttribute("aria-busy");
      form.querySelector("[role=alert]").textContent = `The browser gave no passkey: ${error.message}`;
    }
  });
}
