// The pages work without this. It keeps what is open fresh, and tells the server which clock the reader lives by.
"use strict";

const { base, zone } = document.body.dataset;
const LOOK_MS = 3_000;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const asked = { headers: { "X-Requested-With": "ui" }, cache: "no-store", credentials: "same-origin" };

// --- the reader's clock

function tellZone() {
  const mine = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  if (/(?:^|; )b24bot_tz=/.test(document.cookie) || mine === zone || !/^[A-Za-z0-9_+/-]{1,64}$/.test(mine)) return;
  const isSecure = location.protocol === "https:";
  // In the portal's frame a cookie is another site's.
  const kept = isSecure && window.parent !== window ? "SameSite=None; Partitioned" : "SameSite=Lax";
  document.cookie = `b24bot_tz=${mine}; Path=${base}/; Max-Age=31536000; ${kept}${isSecure ? "; Secure" : ""}`;
  // A page that came by a link is loaded once more, unless the browser keeps no cookies.
  if (document.cookie.includes("b24bot_tz=") && document.getElementById("main").querySelector("time")) location.reload();
}

// Runs `look` again and again while the page is seen; its result says how long to wait before the next time.
async function follow(look) {
  for (let failures = 0; ; ) {
    while (document.visibilityState !== "visible") await pause(LOOK_MS);
    try {
      await pause((await look()) ?? LOOK_MS);
      failures = 0;
    } catch (error) {
      if (error.message === "over") return;
      await pause(Math.min(60_000, LOOK_MS * 2 ** failures++));
    }
  }
}

async function get(address, headers = {}) {
  const response = await fetch(address, { ...asked, headers: { ...asked.headers, ...headers } });
  if ([401, 403, 404].includes(response.status)) throw new Error("over");
  if (!response.ok && response.status !== 304) throw new Error("later");
  return response;
}

// --- the list

function followRows(rows) {
  let etag = "";
  return follow(async () => {
    const response = await get(rows.dataset.rows, etag ? { "If-None-Match": etag } : {});
    etag = response.headers.get("ETag") || "";
    if (response.status === 304) return LOOK_MS;
    const inside = rows.contains(document.activeElement) && document.activeElement.getAttribute("href");
    const parsed = new DOMParser().parseFromString(await response.text(), "text/html");
    rows.replaceChildren(...parsed.body.childNodes);
    if (inside) rows.querySelector(`a[href="${CSS.escape(inside)}"]`)?.focus({ preventScroll: true });
    return LOOK_MS;
  });
}

// --- a conversation

function separator(piece) {
  const day = document.createElement("h2");
  const name = document.createElement("span");
  day.className = "day";
  day.dataset.date = piece.day;
  name.textContent = piece.day_name;
  day.append(name);
  return day;
}

function take(talk, piece) {
  const parsed = new DOMParser().parseFromString(piece.html, "text/html").querySelector("article");
  const old = document.getElementById(`m${piece.id}`);
  if (old) return old.replaceWith(parsed);
  const bubbles = [...talk.querySelectorAll("article")];
  const next = bubbles.find((bubble) => Number(bubble.id.slice(1)) > piece.id);
  if (next) {
    if (next === bubbles[0]) return; // of an earlier page
    return next.before(parsed);
  }
  parsed.classList.add("new");
  const days = talk.querySelectorAll(".day");
  if (!days.length || days[days.length - 1].dataset.date !== piece.day) talk.append(separator(piece));
  talk.append(parsed);
}

function followTalk(talk) {
  let seen = talk.dataset.seen;
  document.querySelector(".live").hidden = false;
  talk.setAttribute("aria-live", "polite");
  return follow(async () => {
    const response = await get(`${talk.dataset.news}?seen=${seen}`);
    const news = await response.json();
    const wasAtEnd = innerHeight + scrollY >= document.documentElement.scrollHeight - 120;
    seen = news.seen;
    for (const piece of news.messages) take(talk, piece);
    if (news.messages.length && wasAtEnd) scrollTo({ top: document.documentElement.scrollHeight });
    return LOOK_MS;
  });
}

// --- small things

// In the portal's frame a new tab would be another site's, where nobody is signed in: files are saved instead.
function saveInFrame(link) {
  if (!link || window.parent === window || link.origin !== location.origin) return;
  link.removeAttribute("target");
  link.search = "?save=1";
}

function start() {
  tellZone();
  document.querySelector(".top [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
  for (const plot of document.querySelectorAll(".by-day")) plot.scrollLeft = plot.scrollWidth; // today is at the right
  const rows = document.querySelector("[data-rows]");
  const talk = document.getElementById("talk");
  if (rows) followRows(rows);
  if (talk?.dataset.news) {
    if (!talk.dataset.at && !location.hash) scrollTo({ top: document.documentElement.scrollHeight });
    followTalk(talk);
  }
  if (talk?.dataset.at) document.getElementById(talk.dataset.at)?.classList.add("sought");
  for (const print of document.querySelectorAll("button.print")) {
    print.hidden = false;
    print.addEventListener("click", () => window.print());
    addEventListener("load", () => window.print()); // all of it is there, and its pictures
  }
  document.addEventListener("click", (event) => {
    saveInFrame(event.target.closest?.("a[target=_blank]"));
    for (const open of document.querySelectorAll("details.pick[open]")) if (!open.contains(event.target)) open.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const open of document.querySelectorAll("details.pick[open]")) {
      open.open = false;
      open.querySelector("summary").focus();
    }
  });
}

start();
