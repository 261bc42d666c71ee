// The page inside the portal: fetches its views, sends the choice, ends the installation.
//
// It speaks to the portal's window by itself, in the messages of Bitrix24's own SDKs
// (https://apidocs.bitrix24.com/sdk/bx24-js-sdk/), so that nothing is loaded from anywhere else:
// out: "command:{json}:callback:APP_SID", back: "callback:{json}".
"use strict";

const { base, portal, lang } = document.body.dataset;
const notice = document.getElementById("notice");
const view = document.getElementById("view");
const ANSWER_MS = 10_000;
const LOOK_MS = 700;
const INSTALL_MS = 60_000;
const TEST_MS = 180_000;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

class Failure extends Error {
  constructor(code) {
    super(code);
    this.code = code;
  }
}

// --- the portal's window

const waiting = new Map();

window.addEventListener("message", (event) => {
  if (event.origin !== portal || event.source !== window.parent || typeof event.data !== "string") return;
  const end = event.data.indexOf(":");
  const answer = waiting.get(event.data.slice(0, end));
  if (end < 1 || !answer) return;
  try {
    answer(JSON.parse(event.data.slice(end + 1) || "{}"));
  } catch {
    answer({});
  }
});

function appSid() {
  return new URLSearchParams(location.search).get("APP_SID") || window.name.split("|")[2] || "";
}

// Some commands are never answered, so silence is no failure: it resolves to null.
function ask(command) {
  if (window.parent === window) return Promise.resolve(null);
  const id = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return new Promise((resolve) => {
    const timer = setTimeout(() => waiting.delete(id) && resolve(null), ANSWER_MS);
    waiting.set(id, (data) => {
      clearTimeout(timer);
      waiting.delete(id);
      resolve(data);
    });
    window.parent.postMessage(`${command}:{}:${id}:${appSid()}`, portal);
  });
}

const BX24 = {
  init: () => ask("getInitData"),
  refreshAuth: () => ask("refreshAuth"),
  installFinish: () => ask("setInstallFinish"),
};

// --- our own server

let token = "";
let renewing = null;
let renewTimer = 0;
let awaitsFinish = false;

function renew() {
  renewing ??= openSession().finally(() => (renewing = null));
  return renewing;
}

async function openSession() {
  const known = await BX24.init();
  if (!known) throw new Failure("no_frame");
  awaitsFinish = Boolean(known.INSTALL);
  let answer = await introduce(known.AUTH_ID);
  if (answer.code === "portal_refused") {
    const fresh = await BX24.refreshAuth(); // the portal's token lives an hour, the page may be older
    if (fresh?.AUTH_ID) answer = await introduce(fresh.AUTH_ID);
  }
  if (!answer.token && !answer.word) throw new Failure(answer.code);
  token = answer.token;
  offerArchive(answer.word);
  clearTimeout(renewTimer);
  renewTimer = setTimeout(() => document.visibilityState === "visible" && renew().catch(show), answer.expires_in * 800);
}

// The archive opens in this frame, or in a window of its own, where every browser keeps its cookie.
function offerArchive(word) {
  document.getElementById("archive")?.remove();
  if (!word) return;
  const offer = document.getElementById("archive-offer");
  const form = offer.content.cloneNode(true).firstElementChild;
  form.elements.word.value = word;
  form.querySelector("#apart").addEventListener("click", () => {
    const { framed } = form.elements;
    framed.disabled = true;
    setTimeout(() => (framed.disabled = false));
  });
  offer.after(form);
  rankArchive();
}

// While the portal's lines are still to be chosen, that is the main thing.
function rankArchive() {
  const isSetUp = !document.getElementById("choice") || document.querySelector(".verdict");
  document.querySelector("#archive button")?.classList.toggle("main", Boolean(isSetUp));
}

async function introduce(auth) {
  const { protocol, host } = new URL(portal);
  const body = { AUTH_ID: String(auth || ""), DOMAIN: host, PROTOCOL: protocol === "https:" ? "1" : "0" };
  const response = await request("/session", { method: "POST", body: JSON.stringify(body) });
  return response.ok ? response.json() : { code: await codeOf(response) };
}

function request(path, options = {}) {
  const headers = { ...(options.body && { "Content-Type": "application/json" }) };
  if (token) headers.Authorization = `Bearer ${token}`;
  return fetch(base + path, { ...options, headers, credentials: "omit", cache: "no-store" });
}

async function codeOf(response) {
  try {
    return (await response.json()).error.code;
  } catch {
    return "failed";
  }
}

// One call; a missing or expired token is renewed by the way, a portal that is just being asked is waited for.
async function call(path, options) {
  const until = Date.now() + INSTALL_MS / 2;
  for (let renewed = 0; ; ) {
    const response = await request(path, options);
    if (response.ok) return response;
    const code = await codeOf(response);
    if ((code === "page_token_missing" || code === "page_token_expired") && renewed++ < 2) await renew();
    else if (code === "not_ready" && Date.now() < until) await pause(LOOK_MS);
    else throw new Failure(code);
  }
}

const post = (path, data) => call(path, { method: "POST", body: JSON.stringify({ ...data, lang }) });

// --- what is seen

function text(name) {
  return (document.getElementById(`text-${name}`) || document.getElementById("text-failed")).content.textContent;
}

function say(name, style = "") {
  notice.className = `notice ${style}`;
  notice.textContent = name && text(name);
}

function show(error) {
  say(error instanceof Failure ? error.code : "failed", error.code === "not_administrator" ? "" : "bad");
  if (["not_administrator", "another_portal", "page_token_invalid"].includes(error.code)) view.replaceChildren();
}

async function load() {
  const response = await call(`/view?lang=${lang}`);
  const parsed = new DOMParser().parseFromString(await response.text(), "text/html");
  view.replaceChildren(...parsed.body.childNodes);
  rankArchive();
  document.getElementById("choice")?.addEventListener("submit", submit);
  document.getElementById("test")?.addEventListener("click", test);
  document.getElementById("filter")?.addEventListener("input", filter);
}

function filter(event) {
  const wanted = event.target.value.trim().toLowerCase();
  for (const row of view.querySelectorAll(".people li")) row.hidden = !row.textContent.toLowerCase().includes(wanted);
}

function ticked(form, name) {
  return Array.from(form.querySelectorAll(`input[name="${name}"]:checked`), (box) => Number(box.value));
}

async function submit(event) {
  event.preventDefault();
  const form = event.target;
  const button = form.querySelector("button.main");
  if (button.disabled) return;
  button.disabled = true;
  say("working", "busy");
  notice.scrollIntoView({ block: "nearest" });
  try {
    const test = Boolean(document.getElementById("test-wish")?.checked);
    await post("/install", { lines: ticked(form, "line"), people: ticked(form, "person"), test });
    const isOver = await looked((progress) => progress.over, INSTALL_MS);
    if (isOver && awaitsFinish) {
      awaitsFinish = false;
      BX24.installFinish(); // the portal loads the frame anew after it
    }
    await load();
    say(isOver ? "done" : "slow", isOver ? "good" : "bad");
  } catch (error) {
    button.disabled = false;
    show(error);
  }
}

async function test(event) {
  const button = event.target;
  const result = document.getElementById("test-result");
  button.disabled = true;
  result.textContent = text("test_sending");
  result.className = "";
  result.className = "";
  try {
    const before = (await (await call("/progress")).json()).tested;
    await post("/test", {});
    if (await looked((progress) => progress.tested && progress.tested !== before, INSTALL_MS)) {
      result.textContent = text("test_sent");
      if (await looked((progress) => progress.answered, TEST_MS)) {
        result.textContent = text("test_back");
        result.className = "good";
      }
    } else result.textContent = text("slow");
  } catch (error) {
    result.textContent = "";
    show(error);
  }
  button.disabled = false;
}

// Whether `is` came true of the progress within the time.
async function looked(is, ms) {
  for (const until = Date.now() + ms; Date.now() < until; await pause(LOOK_MS)) {
    if (is(await (await call("/progress")).json())) return true;
  }
  return false;
}

async function start() {
  say("loading", "busy");
  await renew();
  if (!token) return say(""); // an employee: the archive, and nothing to set up
  await load();
  say("");
  // Set up already (by botctl, or in another window), and the portal still waits to hear that it is over.
  if (awaitsFinish && view.querySelector(".verdict")) BX24.installFinish();
}

document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && (token || document.getElementById("archive"))) renew().catch(show);
});
start().catch(show);
