// Asks the browser for a passkey and puts its answer into the form. Only on pages with such a form, which say what is
// needed where this does not run. All words come from the page.
"use strict";

/** Bytes from base64url, and back (WebAuthn level 3, section 5.1.8). */
const bytes = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const encoded = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const known = (list) => (list ?? []).map((one) => ({ ...one, id: bytes(one.id) }));

/** A new passkey. */
async function create(options) {
  const user = { ...options.user, id: bytes(options.user.id) };
  const publicKey = {
    ...options, user, challenge: bytes(options.challenge), excludeCredentials: known(options.excludeCredentials),
  };
  const { id, rawId, type, response } = await navigator.credentials.create({ publicKey });
  return { id, rawId: encoded(rawId), type, response: {
    clientDataJSON: encoded(response.clientDataJSON), attestationObject: encoded(response.attestationObject),
  } };
}

/** A signature by one that is there. */
async function get(options) {
  const publicKey = {
    ...options, challenge: bytes(options.challenge), allowCredentials: known(options.allowCredentials),
  };
  const { id, rawId, type, response } = await navigator.credentials.get({ publicKey });
  return { id, rawId: encoded(rawId), type, response: {
    clientDataJSON: encoded(response.clientDataJSON), authenticatorData: encoded(response.authenticatorData),
    signature: encoded(response.signature),
  } };
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  if (!window.PublicKeyCredential) break;
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    // It is not sent yet.
    event.stopPropagation();
    const failed = form.querySelector("[data-part=failed]");
    failed.hidden = true;
    const ask = form.dataset.passkey === "create" ? create : get;
    try {
      form.querySelector("[data-part=answer]").value = JSON.stringify(await ask(JSON.parse(form.dataset.options)));
    } catch {
      // Called off, too slow, or none that fits: the browser says no more, and the form can be sent again.
      failed.hidden = false;
      return;
    }
    form.submit();
  });
}
