// Makes the chat stream. Every form works without this file; here the composer, stop and retry talk to the
// JSON API instead, and answers are shown while they are written. Text is only ever set as text, never as HTML.
"use strict";
(() => {
  const main = document.querySelector("main.chat");
  if (!main) return;
  const byId = (id) => document.getElementById(id);
  const log = byId("log"), composer = byId("composer"), field = byId("text");
  const sendButton = byId("send"), stopButton = byId("stop"), status = byId("status"), alertBox = byId("alert");
  let conversation = main.dataset.conversation;
  // On a touch screen Enter is a new line and the keyboard opens only when it is asked for.
  const touch = matchMedia("(pointer: coarse)").matches;
  let running = null; // the AbortController of the answer that is being written

  // ---- Text: fenced code, inline code, bold, headings and list marks; the rest stays as it was written.

  function inline(parent, raw) {
    const text = raw.replace(/^( *)[-*] (?=\S)/gm, "$1• ").replace(/^#{1,6} +([^\n*`]+)$/gm, "**$1**");
    for (const part of text.split(/(`[^`\n]+`|\*\*[^*\n]+\*\*)/)) {
      const tag = part.length > 2 && part.startsWith("`") ? "code" : part.length > 4 && part.startsWith("**") ? "strong" : null;
      if (!tag) { if (part) parent.append(part); continue; }
      const element = document.createElement(tag);
      element.textContent = tag === "code" ? part.slice(1, -1) : part.slice(2, -2);
      parent.append(element);
    }
  }

  function show(element, text) {
    element.replaceChildren();
    text.split(/^```[^\n]*\n?/m).forEach((part, index) => {
      if (index % 2 === 0) { inline(element, index ? part.replace(/^\n+/, "") : part); return; }
      const pre = document.createElement("pre"), code = document.createElement("code");
      pre.tabIndex = 0;
      code.textContent = part.replace(/\n$/, "");
      pre.append(code);
      // The line end before a fence would show as an empty line.
      const before = element.lastChild;
      if (before && before.nodeType === Node.TEXT_NODE) before.data = before.data.replace(/\n+$/, "");
      element.append(pre);
    });
  }

  // ---- Messages

  function article(role) {
    const element = document.createElement("article");
    element.className = `message ${role}`;
    const heading = document.createElement("h3");
    heading.className = "hidden";
    heading.textContent = role === "user" ? "You" : "Answer";
    const text = document.createElement("div");
    text.className = "text";
    element.append(heading, text);
    log.insertBefore(element, byId("end"));
    return element;
  }

  const textOf = (element) => element.querySelector(".text");

  function clearExtras(element) {
    element.querySelectorAll(".note, .retry").forEach((extra) => extra.remove());
  }

  function settle(element, message) {
    clearExtras(element);
    element.className = `message ${message.role} ${message.state}`;
    element.dataset.state = message.state;
    element.raw = message.content;
    show(textOf(element), message.content);
    if (message.note) note(element, message.note);
    offerRetry(element, message.state);
  }

  function note(element, text) {
    const line = document.createElement("p");
    line.className = "note";
    line.textContent = text;
    element.append(line);
  }

  function offerRetry(element, state) {
    log.querySelectorAll(".retry").forEach((form) => form.remove());
    const form = document.createElement("form"), button = document.createElement("button");
    form.className = "retry";
    form.method = "post";
    form.action = `/c/${conversation}/retry`;
    button.className = "small-button";
    button.textContent = state === "complete" ? "Answer again" : "Try again";
    form.append(button);
    element.append(form);
  }

  // Follows the end only where the reader is at the end.
  function keepAtEnd(change) {
    const follow = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
    change();
    if (follow) log.scrollTop = log.scrollHeight;
  }

  // ---- Alerts, drafts, the list

  function alertText(title, detail, link) {
    alertBox.replaceChildren();
    alertBox.hidden = !title;
    if (!title) return;
    const strong = document.createElement("strong"), text = document.createElement("p");
    strong.textContent = title;
    text.textContent = detail ? `${detail} ` : "";
    if (link) {
      const anchor = document.createElement("a");
      anchor.href = link.href;
      anchor.textContent = link.text;
      text.append(anchor);
    }
    alertBox.append(strong, text);
  }

  const draftKey = () => `draft:${conversation || "new"}`;
  function keepDraft() {
    try { field.value ? sessionStorage.setItem(draftKey(), field.value) : sessionStorage.removeItem(draftKey()); } catch { /* no storage */ }
  }

  // Where the browser does not size the field by its content.
  function fit() {
    if (CSS.supports("field-sizing", "content")) return;
    field.style.height = "auto";
    field.style.height = `${field.scrollHeight}px`;
  }

  function listed(title) {
    const list = byId("conversations"), path = `/c/${conversation}`;
    byId("no-conversations")?.remove();
    let link = list.querySelector(`a[href="${path}"]`);
    if (!link) {
      link = document.createElement("a");
      link.href = path;
      list.append(document.createElement("li"));
      list.lastChild.append(link);
    }
    link.textContent = link.title = title;
    link.setAttribute("aria-current", "page");
    list.prepend(link.parentElement);
    byId("title").textContent = title;
    byId("new-title").value = title;
    document.title = document.title.replace(/^.* · /s, `${title} · `);
  }

  function adopt(id) {
    try { sessionStorage.removeItem(draftKey()); } catch { /* no storage */ }
    conversation = main.dataset.conversation = id;
    history.replaceState(null, "", `/c/${id}`);
    composer.action = `/c/${id}`;
    document.querySelectorAll("[data-action]").forEach((form) => { form.action = `/c/${id}/${form.dataset.action}`; });
    byId("actions").hidden = false;
  }

  // ---- Talking to the app

  class Refused extends Error {
    constructor(status, problem) { super(problem.title || "The app refused"); this.status = status; this.detail = problem.detail || ""; }
  }

  async function call(path, options = {}) {
    const response = await fetch(path, {
      method: "POST", headers: { "content-type": "application/json" }, redirect: "error", ...options,
    });
    if (response.ok) return response;
    throw new Refused(response.status, await response.json().catch(() => ({ title: `The app answered ${response.status}` })));
  }

  async function* eventsOf(response) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let buffer = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      buffer += value;
      const blocks = buffer.split("\n\n");
      buffer = blocks.pop();
      for (const block of blocks) {
        const event = { name: "", data: "" };
        for (const line of block.split("\n")) {
          if (line.startsWith("event:")) event.name = line.slice(6).trim();
          if (line.startsWith("data:")) event.data += line.slice(5).trimStart();
        }
        if (event.data) yield { name: event.name, data: JSON.parse(event.data) };
      }
    }
  }

  function busy(on) {
    sendButton.hidden = on;
    stopButton.hidden = !on;
    stopButton.disabled = false;
    status.textContent = on ? "The answer is being written." : "";
  }

  function complain(error) {
    if (error instanceof Refused && error.status === 401) {
      alertText("You are signed out.", "What you wrote is kept here.", { href: location.pathname, text: "Sign in again" });
    } else if (error instanceof Refused) {
      alertText(error.message, error.detail);
    } else {
      alertText("The app cannot be reached.", "Check the connection and try again; what was said is kept.");
    }
  }

  // Streams one answer into `element`. True once the app took the request, whatever came of it.
  async function streamInto(element, request) {
    running = new AbortController();
    const mine = running;
    let text = "", settled = false, accepted = false, frame = 0;
    const draw = () => { frame = 0; keepAtEnd(() => show(textOf(element), text)); };
    element.classList.add("writing");
    busy(true);
    alertText();
    try {
      const response = await request(mine.signal);
      accepted = true;
      for await (const { name, data } of eventsOf(response)) {
        if (name === "started") listed(data.title);
        if (name === "delta") { text += data.text; frame ||= requestAnimationFrame(draw); }
        if (name === "done" || name === "error") {
          settled = true;
          cancelAnimationFrame(frame);
          keepAtEnd(() => {
            if (data.message) settle(element, data.message);
            else if (data.detail) settle(element, { role: "assistant", state: "broken", content: text, note: data.detail });
            else element.remove();
            if (data.message && data.detail && data.message.note !== data.detail) alertText("There is no new answer.", data.detail);
          });
          status.textContent = data.detail || "The answer is complete.";
        }
      }
      if (!settled) throw new TypeError("the stream ended early");
    } catch (error) {
      cancelAnimationFrame(frame);
      if (!accepted) { complain(error); return false; }
      keepAtEnd(() => settle(element, {
        role: "assistant", state: mine.signal.aborted ? "stopped" : "broken", content: text,
        note: mine.signal.aborted ? "Stopped." : "The connection to the app was lost. What came is kept.",
      }));
    } finally {
      element.classList.remove("writing");
      if (running === mine) { running = null; busy(false); }
    }
    return accepted;
  }

  async function say() {
    const text = field.value;
    if (!text.trim() || running || field.disabled) return;
    byId("welcome")?.remove();
    const own = article("user"), answer = article("assistant");
    textOf(own).textContent = text;
    const hadRetry = log.querySelector(".retry");
    hadRetry?.remove();
    field.value = "";
    fit();
    log.scrollTop = log.scrollHeight;
    const taken = await streamInto(answer, async (signal) => {
      if (!conversation) {
        adopt((await (await call("/api/conversations", { body: "{}", signal })).json()).id);
      }
      return call(`/api/conversations/${conversation}/messages`, { body: JSON.stringify({ text }), signal });
    });
    if (!taken) {
      own.remove();
      answer.remove();
      if (hadRetry) log.querySelector(".message:last-of-type")?.append(hadRetry);
      if (!field.value) field.value = text;
      fit();
    }
    keepDraft();
    field.focus();
  }

  async function retry(element) {
    if (running) return;
    const before = { content: element.raw ?? textOf(element).textContent, className: element.className };
    const extras = [...element.querySelectorAll(".note, .retry")];
    clearExtras(element);
    element.className = "message assistant";
    textOf(element).replaceChildren();
    const taken = await streamInto(element, (signal) => call(`/api/conversations/${conversation}/retry`, { signal }));
    if (!taken) {
      element.className = before.className;
      show(textOf(element), before.content);
      element.append(...extras);
    }
  }

  async function stop() {
    const mine = running;
    stopButton.disabled = true;
    // The app ends the stream itself; the connection is cut only where it does not.
    setTimeout(() => { if (running === mine) mine?.abort(); }, 3000);
    try { await call(`/api/conversations/${conversation}/stop`); } catch { mine?.abort(); }
  }

  // An answer that another window started: shown as it grows.
  async function follow(element) {
    while (element.dataset.state === "streaming") {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      try {
        const response = await call(`/api/conversations/${conversation}`, { method: "GET" });
        const message = (await response.json()).messages.find((one) => one.id === element.dataset.id);
        if (!message) { location.reload(); return; }
        keepAtEnd(() => {
          if (message.state === "streaming") show(textOf(element), message.content); else settle(element, message);
        });
      } catch (error) { complain(error); return; }
    }
  }

  // ---- Wiring

  composer.addEventListener("submit", (event) => { event.preventDefault(); say(); });
  field.addEventListener("keydown", (event) => {
    const plain = event.key === "Enter" && !event.shiftKey && !event.isComposing;
    if (plain && !touch) { event.preventDefault(); say(); }
  });
  field.addEventListener("input", () => { keepDraft(); fit(); });
  stopButton.addEventListener("click", stop);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    byId("drawer").checked = false;
    byId("actions").open = false;
    if (running) stop();
  });
  document.addEventListener("click", (event) => {
    if (!byId("actions").contains(event.target)) byId("actions").open = false;
  });
  log.addEventListener("submit", (event) => {
    if (!event.target.matches(".retry")) return;
    event.preventDefault();
    retry(event.target.closest(".message"));
  });

  log.querySelectorAll(".message").forEach((element) => {
    element.raw = textOf(element).textContent;
    if (element.classList.contains("assistant")) show(textOf(element), element.raw);
    if (element.dataset.state === "streaming") follow(element);
  });
  log.scrollTop = log.scrollHeight;
  try { field.value ||= sessionStorage.getItem(draftKey()) || ""; } catch { /* no storage */ }
  fit();
  if (!touch) field.focus();
})();
