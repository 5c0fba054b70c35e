// Keeps the page up to date. Without it everything works, and a reload shows the same.
"use strict";

const streams = new Map(); // execution -> text that its model has streamed since its last step
let wanted = false;
let refreshing = false;
let ahead = 0; // how far the server's clock is ahead of this one

// The same words as words/elapsed.rs; keep them equal.
function relative(at, now) {
  const seconds = Math.floor(at / 1000) - Math.floor(now / 1000);
  const far = distance(Math.abs(seconds));
  if (Math.abs(seconds) <= 4) return "now";
  return seconds > 0 ? `in ${far}` : `${far} ago`;
}

function distance(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
  if (seconds < 5184000) return `${Math.floor(seconds / 86400)} days`;
  return `${Math.floor(seconds / 2592000)} months`;
}

function setClock(page) {
  const now = Number(page.getElementById("main")?.dataset.now);
  if (now) ahead = now - Date.now();
}

function tellTime() {
  const now = Date.now() + ahead;
  for (const time of document.querySelectorAll("time[datetime]")) {
    const words = time.querySelector(".rel");
    const text = relative(Date.parse(time.dateTime), now);
    if (words && words.textContent !== text) words.textContent = text;
  }
}

function showStreams() {
  for (const place of document.querySelectorAll("[data-stream]")) {
    place.textContent = streams.get(place.dataset.stream) ?? "";
  }
}

// Swaps a region for its new self; what was open stays open and the focus stays where it was.
function swap(region, fresh) {
  const open = [...region.querySelectorAll("details[open]")].map((one) => one.id);
  const focused = region.contains(document.activeElement) ? document.activeElement.id : "";
  region.replaceChildren(...fresh.childNodes);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (focused && focused !== region.id) document.getElementById(focused)?.focus({ preventScroll: true });
}

// What somebody is filling in is not taken away; the page is swapped once the form was sent.
function isBeingFilled(region) {
  return [...region.querySelectorAll("input:not([type=hidden]), select, textarea")].some((field) => {
    if (field === document.activeElement) return true;
    if (field.type === "checkbox") return field.checked !== field.defaultChecked;
    if (!field.options) return field.value !== field.defaultValue;
    return [...field.options].some((option) => option.selected !== option.defaultSelected);
  });
}

async function refresh() {
  if (refreshing) {
    wanted = true;
    return;
  }
  refreshing = true;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (answer.redirected && new URL(answer.url).pathname === "/login") {
      location.assign("/login");
      return;
    }
    if (answer.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const region of document.querySelectorAll("[data-live]")) {
        const fresh = page.getElementById(region.id);
        if (fresh && !isBeingFilled(region)) swap(region, fresh);
      }
      setClock(page);
      showStreams();
      tellTime();
    }
  } catch {
    // The server is away; the next event, or the reconnected stream, asks again.
  }
  // At most twice a second, however much happens.
  setTimeout(() => {
    refreshing = false;
    if (wanted) {
      wanted = false;
      refresh();
    }
  }, 500);
}

function announce(text) {
  document.getElementById("announce").textContent = text;
}

function onDelta(message) {
  const { execution, text } = JSON.parse(message.data);
  streams.set(execution, (streams.get(execution) ?? "") + text);
  showStreams();
}

function onChange(message) {
  const { execution } = JSON.parse(message.data);
  streams.delete(execution);
  if (message.type === "notice") announce("A new message is in the inbox.");
  refresh();
}

function follow() {
  const badge = document.getElementById("live");
  const events = new EventSource("/live");
  events.addEventListener("open", () => {
    badge.hidden = false;
    badge.textContent = "live";
    badge.classList.remove("away");
    refresh(); // What happened between the page and the stream.
  });
  events.addEventListener("error", () => {
    badge.textContent = events.readyState === EventSource.CLOSED ? "not live" : "reconnecting";
    badge.classList.add("away");
    if (events.readyState === EventSource.CLOSED) setTimeout(follow, 5000);
  });
  events.addEventListener("delta", onDelta);
  for (const kind of ["started", "step", "ended", "notice", "missed"]) {
    events.addEventListener(kind, onChange);
  }
  addEventListener("pagehide", () => events.close(), { once: true });
}

setClock(document);
tellTime();
setInterval(tellTime, 1000);
follow();
// A page that comes back from the browser's cache is as old as it was.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
