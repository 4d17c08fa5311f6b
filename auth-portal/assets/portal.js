// The portal works without this file. It adds: live progress instead of reloads, a button that shows the
// password, a hint at its strength, and buttons that say that they are busy. All words come from the page.
"use strict";

/** Shows a form's button as busy and keeps a second click from sending it twice. */
function busyForms() {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    const button = form.querySelector("button[type=submit]");
    if (button && form.dataset.busy) {
      button.dataset.words = button.textContent;
      button.textContent = form.dataset.busy;
      button.setAttribute("aria-busy", "true");
    }
  });
  // Back from the next page: the form can be sent again.
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) {
      delete form.dataset.sent;
      const button = form.querySelector("button[aria-busy]");
      if (button) {
        button.textContent = button.dataset.words;
        button.removeAttribute("aria-busy");
      }
    }
  });
}

/** Adds a button that shows what is typed. */
function showPasswords() {
  for (const box of document.querySelectorAll(".secret")) {
    const input = box.querySelector("input");
    const button = document.createElement("button");
    button.type = "button";
    const set = (shown) => {
      input.type = shown ? "text" : "password";
      button.textContent = shown ? box.dataset.hide : box.dataset.show;
      button.setAttribute("aria-label", shown ? box.dataset.hideLabel : box.dataset.showLabel);
      button.setAttribute("aria-pressed", String(shown));
    };
    button.addEventListener("click", () => {
      set(input.type === "password");
      input.focus();
    });
    set(false);
    box.append(button);
    // Password managers look for a password field.
    input.form.addEventListener("submit", () => set(false));
  }
}

/** A rough score from 0 to 4; the server alone decides what is good enough. */
function score(text, min) {
  if (text.length < min) return 0;
  const distinct = new Set(text.toLowerCase()).size;
  const kinds = [/[a-z]/, /[A-Z]/, /[0-9]/, /[^a-zA-Z0-9]/].filter((kind) => kind.test(text)).length;
  const points = distinct + (text.length - distinct) * 0.4 + kinds * 1.5;
  if (distinct < 6) return 1;
  if (points < 15) return 1;
  if (points < 19) return 2;
  return points < 25 ? 3 : 4;
}

/** Shows how strong the password looks. */
function meterStrength() {
  for (const meter of document.querySelectorAll("[data-strength-for]")) {
    const input = document.getElementById(meter.dataset.strengthFor);
    const words = meter.dataset.words.split("|");
    const bars = document.createElement("span");
    bars.className = "bars";
    bars.append(...Array.from({ length: 4 }, () => document.createElement("span")));
    const word = document.createElement("span");
    word.className = "word";
    word.setAttribute("role", "status");
    word.setAttribute("aria-label", meter.dataset.label);
    meter.append(bars, word);
    input.addEventListener("input", () => {
      const points = score(input.value, Number(meter.dataset.min));
      meter.hidden = input.value === "";
      meter.dataset.score = String(points);
      word.textContent = words[points];
      [...bars.children].forEach((bar, index) => bar.classList.toggle("on", index < Math.max(points, 1)));
    });
  }
}

/** Follows the events of a new instance. */
function followProgress() {
  const box = document.getElementById("progress");
  if (!box || !window.EventSource) return;
  if (box.dataset.live !== "true") {
    // The same page without the reload every two seconds.
    location.replace(box.dataset.livePage);
    return;
  }
  const part = (name) => box.querySelector(`[data-part=${name}]`);
  const say = (element, text) => {
    if (element.textContent !== text) element.textContent = text;
  };
  const show = (name, text) => {
    say(part(name), text ?? "");
    part(name).hidden = !text;
  };
  const source = new EventSource(box.dataset.events);
  source.addEventListener("step", (event) => {
    const step = JSON.parse(event.data);
    box.querySelector("progress").value = step.percent;
    say(part("title"), step.title);
    say(part("percent"), step.percent_text);
    show("queue", step.queue);
    show("waiting", step.waiting);
    part("notice").hidden = !step.queue && !step.waiting;
    part("steps").replaceChildren(...step.steps.map((row) => {
      const item = document.createElement("li");
      item.className = row.status;
      item.textContent = row.title;
      if (row.status === "now") item.setAttribute("aria-current", "step");
      return item;
    }));
  });
  const leave = (event) => {
    source.close();
    location.replace(JSON.parse(event.data).location);
  };
  source.addEventListener("done", leave);
  source.addEventListener("failed", leave);
  source.addEventListener("error", () => {
    // While it connects again by itself there is nothing to do.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 3000);
  });
}

/** Renews a part of the page that changes by itself, and leaves it alone while a button in it has focus. */
function poll() {
  const card = document.querySelector("[data-poll]");
  if (!card || !card.dataset.poll) return;
  setTimeout(async () => {
    try {
      const response = await fetch(card.dataset.poll, { redirect: "error", cache: "no-store" });
      const text = await response.text();
      const fresh = new DOMParser().parseFromString(text, "text/html").getElementById(card.id);
      if (response.ok && fresh && !card.contains(document.activeElement)) card.replaceWith(fresh);
    } catch {
      // The next round may do better; signed out, the page itself leads to sign-in.
      if (!navigator.onLine) return poll();
      location.reload();
      return;
    }
    poll();
  }, 2000);
}

/** Adds what a page of codes is for: to copy them, and to print them. */
function keepCodes() {
  for (const button of document.querySelectorAll("[data-copy]")) {
    // Only where the page came over a connection that the browser trusts.
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      button.textContent = button.dataset.done;
    });
  }
  for (const button of document.querySelectorAll("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => print());
  }
}

/** After a form came back with faults, the reader begins at what is wrong. */
function focusFaults() {
  document.getElementById("faults")?.focus({ preventScroll: false });
}

busyForms();
showPasswords();
meterStrength();
followProgress();
poll();
keepCodes();
focusFaults();
