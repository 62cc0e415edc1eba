// A technician's phone. What is tapped is kept here first, then sent in order, once; a tunnel, a reload or a closed
// browser lose nothing. The server decides; where this script is not at work, the same forms are plain forms.
const { body } = document;
const words = body.dataset;
const main = document.getElementById("main");
const person = Number(words.person);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const one = (selector, within = document) => within.querySelector(selector);
const WAITS = [1, 2, 5, 10, 30];
const DAY = 24 * 3600 * 1000;

// --- the server's time: this page's own if it came from the server, else what was learned last ----------------------
const fresh = Number(one('meta[name="server-now"]')?.content) || 0;
let offset = Number(localStorage.getItem("visits-offset")) || 0;
function learn(serverMs) {
  const seen = Number(serverMs) - Date.now();
  if (!serverMs || Number.isNaN(seen)) return;
  offset = seen;
  localStorage.setItem("visits-offset", String(seen));
}
const serverNow = () => Date.now() + offset;
// On a slow line this runs seconds after the page was written: it is as old as its first byte.
const arrived = performance.getEntriesByType("navigation")[0]?.responseStart;
if (fresh) learn(fresh + (arrived ? performance.now() - arrived : 0));

// --- what was tapped: waiting to be sent, sent (until a page shows its effect), or refused ---------------------------
const asked = (request) => new Promise((done, failed) => {
  request.onsuccess = () => done(request.result);
  request.onerror = () => failed(request.error);
});
function opened() {
  const request = indexedDB.open("visits", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("taps", { keyPath: "seq", autoIncrement: true });
  return asked(request);
}
// A browser that keeps nothing gets plain forms.
const ready = opened().catch(() => null);
async function within(mode, work) {
  const store = await ready;
  if (!store) throw new Error("nothing can be kept here");
  const transaction = store.transaction("taps", mode, mode === "readwrite" ? { durability: "strict" } : undefined);
  const answer = await work(transaction.objectStore("taps"));
  if (mode === "readwrite") {
    await new Promise((done, failed) => {
      transaction.oncomplete = done;
      transaction.onabort = transaction.onerror = () => failed(transaction.error);
    });
  }
  return answer;
}
const taps = async () => (await within("readonly", (kept) => asked(kept.getAll()))).filter((tap) => tap.person === person);
const put = (tap) => within("readwrite", (kept) => asked(kept.put(tap)));
const forget = (tap) => within("readwrite", (kept) => asked(kept.delete(tap.seq)));

function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// --- drafts: what is typed survives a reload, on this phone only ------------------------------------------------------
const draftOf = (visit, action) => `visit-draft:${person}:${visit}:${action}`;
const keyOf = (form) => draftOf(main.dataset.visit, form.dataset.action);
const fieldsOf = (form) => [...form.elements].filter((field) => field.name && !["hidden", "submit", "file"].includes(field.type) && field.tagName !== "FIELDSET");
function valuesOf(form) {
  const values = {};
  for (const field of fieldsOf(form)) {
    if (["checkbox", "radio"].includes(field.type)) {
      if (field.checked) values[field.name] = field.value;
    } else values[field.name] = field.value;
  }
  return values;
}
function keepDraft(key, values) {
  localStorage.setItem(key, JSON.stringify({ at: Date.now(), values }));
}
function restore(form) {
  const kept = JSON.parse(localStorage.getItem(keyOf(form)) || "null");
  // What the server gave back with its reasons is newer.
  if (!kept || one(".errors", form)) return;
  for (const field of fieldsOf(form)) {
    if (["checkbox", "radio"].includes(field.type)) field.checked = kept.values[field.name] === field.value;
    else if (field.name in kept.values) field.value = kept.values[field.name];
  }
}
function dropDrafts(which) {
  for (const key of Object.keys(localStorage)) if (key.startsWith("visit-draft:") && which(key)) localStorage.removeItem(key);
}
dropDrafts((key) => Date.now() - JSON.parse(localStorage.getItem(key)).at > DAY);

// --- tapping ----------------------------------------------------------------------------------------------------------
async function tapped(form, partly) {
  const tap = {
    key: newKey(), person, state: "waiting", at: new Date(serverNow()).toISOString(),
    visit: main.dataset.visit, cycle: Number(main.dataset.cycle), action: form.dataset.action,
    values: valuesOf(form), then: partly ? "" : form.dataset.then, title: form.dataset.title,
  };
  const photo = one("input[type=file]", form)?.files[0];
  if (tap.action === "photo") tap.photo = photo;
  await put(tap);
  if (photo && tap.action !== "photo") {
    await put({ ...tap, key: newKey(), action: "photo", values: {}, then: "", title: words.wordPhoto, photo });
  }
  localStorage.removeItem(keyOf(form));
  if (!tap.then && tap.action !== "record") form.reset();
  // It lies in the queue now; the next tap is another one.
  delete form.dataset.sent;
  await draw();
  main.focus({ preventScroll: true });
  (one("[data-step].is-now") || main).scrollIntoView({ block: "nearest" });
  send();
}
document.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-action]");
  if (!form) return;
  event.preventDefault();
  if (form.dataset.sent) return; // the second half of a double tap
  form.dataset.sent = "1";
  tapped(form, event.submitter?.name === "part").catch(() => form.submit());
});
document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-action]");
  if (form) keepDraft(keyOf(form), valuesOf(form));
});

// --- sending: in order; a visit whose tap is not taken now holds back only its own -------------------------------------
let timer = 0;
let fails = 0;
let sending = false;
async function send() {
  clearTimeout(timer);
  if (sending || !(await ready)) return;
  sending = true;
  try {
    // Two open pages of one phone send one after the other; the key would tell them apart anyway.
    if (navigator.locks) await navigator.locks.request("visits-send", drain);
    else await drain();
  } finally {
    sending = false;
  }
}
async function drain() {
  const held = new Set();
  let taken = false;
  let trouble = "";
  for (;;) {
    const left = (await taps()).filter((found) => found.state === "waiting" && !held.has(found.visit));
    // Words first: a photo is heavy, and nothing waits for it.
    const tap = left.find((found) => !found.photo) || left[0];
    if (!tap || trouble === "network" || trouble === "signed-out") break;
    if (!navigator.onLine) {
      trouble = "network";
      break;
    }
    const answer = await post(tap);
    if (answer === null) trouble = "network";
    else if (answer.status === 200) {
      taken = true;
      await settle(tap, answer);
    } else if (answer.status === 401 || answer.said.code === "other_person") trouble = "signed-out";
    else if (answer.status === 403 || answer.status === 429 || answer.status >= 500) {
      held.add(tap.visit);
      trouble = "server";
    } else {
      // It cannot be stored at all; the phone shows why, and keeps what was written.
      Object.assign(tap, { state: "refused", reasons: answer.said.reasons || [], stored: false });
      await put(tap);
      keepDraft(draftOf(tap.visit, tap.action), tap.values);
    }
  }
  one("[data-signed-out]").hidden = trouble !== "signed-out";
  one("[data-trouble]").hidden = trouble !== "server";
  offline(trouble === "network" || !navigator.onLine);
  await draw();
  fails = trouble ? fails + 1 : 0;
  if (trouble && trouble !== "signed-out") timer = setTimeout(send, WAITS[Math.min(fails, WAITS.length) - 1] * 1000);
  if (taken) renew();
}
async function settle(tap, answer) {
  if (answer.said.outcome === "refused") {
    Object.assign(tap, { state: "refused", reasons: answer.said.reasons, stored: true, answered: answer.at });
    keepDraft(draftOf(tap.visit, tap.action), tap.values);
  } else Object.assign(tap, { state: "sent", answered: answer.at });
  await put(tap);
}
async function post(tap) {
  try {
    if (!token()) await fetch(words.list);
    const answer = await fetch(words.actions, {
      method: "POST", cache: "no-store", redirect: "manual", signal: AbortSignal.timeout(tap.photo ? 180000 : 20000),
      headers: { "X-CSRFToken": token(), ...(tap.photo ? {} : { "Content-Type": "application/json" }) },
      body: packed(tap),
    });
    const at = Number(answer.headers.get("X-Server-Now"));
    learn(at);
    return { status: answer.status, at, said: await answer.json().catch(() => ({})) };
  } catch {
    return null;
  }
}
function packed({ key, person: by, visit, cycle, action, at, values, photo }) {
  const said = JSON.stringify({ key, person: by, visit, cycle, action, at, values });
  if (!photo) return said;
  const form = new FormData();
  form.append("tap", said);
  form.append("photo", photo, photo.name);
  return form;
}
// Read anew each time: a kept page may be older than the sign-in.
const token = () => document.cookie.split("; ").find((part) => part.startsWith("csrftoken="))?.slice(10) || "";

// Show what came of it, but never take a field away from under somebody's thumb.
function renew() {
  const field = document.activeElement?.closest("textarea,select,input:not([type=checkbox],[type=radio])");
  if (field) field.addEventListener("blur", () => renew(), { once: true });
  else location.replace(words.here || words.list);
}

// --- showing ----------------------------------------------------------------------------------------------------------
function offline(yes) { one("[data-offline]").hidden = !yes; }
const clockTime = (at) => new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", hour12: false }).format(new Date(at));
function line(template, tap) {
  const made = one(`#${template}`).content.firstElementChild.cloneNode(true);
  one("[data-title]", made).textContent = tap.title;
  one("[data-visit-number]", made).textContent = tap.visit;
  one("[data-time]", made).textContent = clockTime(tap.at);
  return made;
}
async function draw() {
  const mine = await taps();
  const waiting = mine.filter((tap) => tap.state === "waiting");
  one("[data-queue]").hidden = !waiting.length;
  one("[data-count]").textContent = words.wordWaiting.replace("{count}", waiting.length);
  one("[data-items]").replaceChildren(...waiting.map((tap) => line("waiting", tap)));
  one("[data-refusals]").replaceChildren(...mine.filter((tap) => tap.state === "refused").map(refusal));
  for (const card of all("article[data-visit]")) {
    const last = waiting.filter((tap) => tap.visit === card.dataset.visit).at(-1);
    const tag = one("[data-waiting]", card);
    tag.hidden = !last;
    if (last) one("[data-words]", tag).textContent = last.title;
  }
  if (main.dataset.visit) walk(mine.filter((tap) => tap.visit === main.dataset.visit && tap.state !== "refused"));
}
function refusal(tap) {
  const made = line("refused", tap);
  one("[data-reasons]", made).replaceChildren(...tap.reasons.map((reason) => {
    const item = document.createElement("li");
    item.textContent = reason;
    return item;
  }));
  one("[data-dismiss]", made).addEventListener("click", async () => {
    await forget(tap);
    made.remove();
  });
  return made;
}
// The step this visit stands at, with what was tapped but is not on this page yet.
function walk(ahead) {
  const step = ahead.filter((tap) => tap.then).at(-1)?.then || main.dataset.stepNow;
  const moved = step !== (main.dataset.shown ?? main.dataset.stepNow);
  main.dataset.shown = step;
  for (const item of all("[data-step]")) {
    const { step: kind } = item.dataset;
    const details = one("details[data-open]", item);
    const possible = details.dataset.open.split(" ").includes(step);
    const early = possible && Number(details.dataset.from || 0) * 1000 > serverNow();
    details.hidden = !possible || early;
    one("[data-why]", item).hidden = possible && !early;
    if (moved) details.open = kind === step;
    item.classList.toggle("is-now", kind === step);
    if (kind === step) item.setAttribute("aria-current", "step"); else item.removeAttribute("aria-current");
    for (const reason of all("[data-at]", item)) reason.hidden = reason.dataset.at !== step;
    const soon = one("[data-early]", item);
    if (soon) soon.hidden = !early;
    const waits = ahead.some((tap) => tap.action === kind && tap.state === "waiting");
    for (const tag of all("[data-waiting]", item)) tag.hidden = !waits;
  }
  one("[data-over]").hidden = step !== "over";
  one("[data-aside]").hidden = step === "over";
}

// --- pages kept on this phone: today's list and its visits; what is no longer on it goes --------------------------------
async function keepPages() {
  const controlled = Boolean(navigator.serviceWorker.controller);
  await navigator.serviceWorker.register(words.worker, { scope: words.list });
  await navigator.serviceWorker.ready;
  if (!navigator.serviceWorker.controller) {
    await new Promise((done) => { navigator.serviceWorker.addEventListener("controllerchange", done, { once: true }); });
  }
  if (!fresh) return;
  if (localStorage.getItem("visits-person") !== String(person)) {
    await caches.delete("visits-pages");
    localStorage.removeItem("visits-kept");
    localStorage.setItem("visits-person", String(person));
  }
  const kept = JSON.parse(localStorage.getItem("visits-kept") || "{}");
  if (words.here && !controlled) await fetch(words.here);
  if (words.today === undefined) return;
  const links = all("a[data-keep]");
  const instead = `${words.list}offline/`;
  const wanted = new Set([words.list, instead, ...links.map((link) => link.pathname)]);
  const pages = await caches.open("visits-pages");
  const held = new Set();
  for (const request of await pages.keys()) {
    const { pathname } = new URL(request.url);
    if (wanted.has(pathname)) held.add(pathname);
    else await pages.delete(request);
  }
  if (!held.has(instead)) await fetch(instead);
  for (const link of links) {
    if (kept[link.pathname] === link.dataset.keep && held.has(link.pathname)) continue;
    const answer = await fetch(link.pathname);
    if (answer.ok) kept[link.pathname] = link.dataset.keep;
  }
  for (const path of Object.keys(kept)) if (!wanted.has(path)) delete kept[path];
  localStorage.setItem("visits-kept", JSON.stringify(kept));
  main.dataset.kept = "1";
}

async function begin() {
  for (const form of all("form[data-action]")) restore(form);
  if (!(await ready)) return;
  for (const tap of await taps()) {
    // A page made after the answer shows the effect, or the server's own words about the refusal.
    const shown = fresh && tap.answered && tap.answered <= fresh;
    const here = tap.visit === main.dataset.visit;
    if ((tap.state === "sent" && ((shown && here) || serverNow() - tap.answered > 2 * DAY)) || (tap.state === "refused" && tap.stored && shown)) {
      await forget(tap);
    }
  }
  await draw();
  offline(!navigator.onLine);
  addEventListener("offline", () => offline(true));
  addEventListener("online", () => { offline(false); send(); });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) send(); });
  setInterval(draw, 30000);
  send();
}
one("[data-sign-out]")?.addEventListener("submit", (event) => {
  const waiting = one("[data-items]").children.length;
  if (waiting && !confirm(words.wordSignOut.replace("{count}", waiting))) {
    event.preventDefault();
    return;
  }
  dropDrafts(() => true);
  localStorage.removeItem("visits-kept");
  if (window.caches) caches.delete("visits-pages");
});
// The next person on this phone finds nothing of the last one's: the first page that comes from the server sees to it.
if (navigator.serviceWorker && window.caches) keepPages().catch(() => null);
await begin();
one("[data-focus]")?.focus();
