// Behavior of the staff frame. Words come from data attributes; the server decides, the page counts between two answers.
const body = document.body;
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const fill = (pattern, values) => pattern.replace(/\{(\w+)\}/g, (_, name) => values[name]);

// --- server time: median of the last five samples; a jump over 2 s counts only when it is seen twice ---------------
let offset = 0;
let samples = [];
let suspect = null;
const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
function sample(serverMs, age = 0) {
  const seen = Number(serverMs) + age - Date.now();
  if (!serverMs || Number.isNaN(seen)) return;
  if (samples.length && Math.abs(seen - offset) > 2000) {
    const twice = suspect !== null && Math.abs(seen - suspect) < 2000;
    suspect = seen;
    if (!twice) return;
    samples = [];
  }
  suspect = null;
  samples = [...samples.slice(-4), seen];
  offset = median(samples);
}
export const serverNow = () => Date.now() + offset;
// On a slow line this runs seconds after the page was written: it is as old as its first byte.
const arrived = performance.getEntriesByType("navigation")[0]?.responseStart;
sample(document.querySelector('meta[name="server-now"]')?.content, arrived ? performance.now() - arrived : 0);
body.addEventListener("htmx:afterRequest", (e) => sample(e.detail.xhr?.getResponseHeader("X-Server-Now")));

// --- <sla-timer>: the server renders the finished chip; this only keeps it right -----------------------------------
const two = (n) => String(n).padStart(2, "0");
export function span(seconds) {
  const s = Math.floor(Math.abs(seconds));
  const d = Math.floor(s / 86400), h = Math.floor(s / 3600) % 24, m = Math.floor(s / 60) % 60;
  if (d) return fill(body.dataset.wordDays, { d, h });
  if (h) return fill(body.dataset.wordHours, { h, m: two(m) });
  return `${two(m)}:${two(s % 60)}`;
}
const ICON = { ok: "timer", soon: "hourglass", over: "octagon-alert" };
const running = new Set();
class SlaTimer extends HTMLElement {
  connectedCallback() {
    if (!this.dataset.due) return;
    running.add(this);
    this.tick();
  }
  disconnectedCallback() { running.delete(this); }
  tick() {
    const left = (Number(this.dataset.due) - serverNow()) / 1000;
    const level = left < 0 ? "over" : left <= Number(this.dataset.warn) ? "soon" : "ok";
    const words = fill(level === "over" ? body.dataset.wordOver : body.dataset.wordLeft, { span: span(left) });
    const shown = this.querySelector(".sla-v");
    if (shown.textContent !== words) shown.textContent = words;
    const minute = Math.floor(left / 60);
    if (minute !== this.minute) {
      this.minute = minute;
      this.setAttribute("aria-label", fill(this.dataset.label, { words }));
    }
    if (level !== this.dataset.level) this.cross(level);
  }
  cross(level) {
    this.classList.replace(`sla-${this.dataset.level}`, `sla-${level}`);
    this.dataset.level = level;
    const use = this.querySelector("use");
    use.setAttribute("href", use.getAttribute("href").replace(/#.*/, `#${ICON[level]}`));
    this.dispatchEvent(new CustomEvent("sla:level", { bubbles: true, detail: { level } }));
  }
}
customElements.define("sla-timer", SlaTimer);
const tickAll = () => { if (!document.hidden) running.forEach((timer) => timer.tick()); };
setInterval(tickAll, 1000);
document.addEventListener("visibilitychange", tickAll);

// One polite sentence for my own tickets that crossed a level, grouped, at most one in 30 s.
const crossed = { soon: new Set(), over: new Set() };
let announcing = false;
body.addEventListener("sla:level", (e) => {
  const ticket = e.target.closest("[data-mine]")?.dataset.mine;
  if (!ticket || !crossed[e.detail.level]) return;
  crossed[e.detail.level].add(ticket);
  if (!announcing) { announcing = true; announceCrossed(); }
});
function announceCrossed() {
  const sentences = [["over", body.dataset.wordOverdue], ["soon", body.dataset.wordSoon]]
    .filter(([level]) => crossed[level].size)
    .map(([level, words]) => fill(words, { tickets: [...crossed[level]].join(", ") }));
  if (!sentences.length) { announcing = false; return; }
  document.getElementById("announce").textContent = sentences.join(" ");
  crossed.soon.clear();
  crossed.over.clear();
  setTimeout(announceCrossed, 30000);
}

// --- <draft-box data-draft="ticket-12-reply">: what is typed inside survives a lost page, on this computer only ------
const DRAFT_LIFE = 24 * 3600 * 1000;
class DraftBox extends HTMLElement {
  connectedCallback() {
    this.key = `draft:${body.dataset.person}:${this.dataset.draft}`;
    this.restore();
    this.addEventListener("input", () => this.keep());
    this.addEventListener("htmx:afterRequest", (e) => {
      if (e.target.matches("form") && e.detail.requestConfig.verb !== "get" && e.detail.successful) this.forget();
    });
    // A plain post loads a new page, which shows what was typed again if it was refused.
    this.addEventListener("submit", () => { if (!window.htmx) this.forget(); });
  }
  fields() { return all("textarea[name],input[type=text][name]", this); }
  keep() {
    const values = Object.fromEntries(this.fields().map((field) => [field.name, field.value]).filter(([, value]) => value));
    if (Object.keys(values).length) localStorage.setItem(this.key, JSON.stringify({ at: Date.now(), values }));
    else this.forget();
  }
  restore() {
    const kept = JSON.parse(localStorage.getItem(this.key) || "null");
    if (!kept) return;
    // What the server has filled in is the draft that it kept; what was changed in that since is newer.
    const filled = "filled" in this.dataset;
    for (const field of this.fields()) if ((filled || !field.value) && kept.values[field.name]) field.value = kept.values[field.name];
  }
  forget() { localStorage.removeItem(this.key); }
}
function dropDrafts(which) {
  for (const key of Object.keys(localStorage)) if (key.startsWith("draft:") && which(key)) localStorage.removeItem(key);
}
dropDrafts((key) => Date.now() - JSON.parse(localStorage.getItem(key)).at > DRAFT_LIFE);
// Signing out on purpose leaves nothing behind on a shared computer; a session that ends by itself keeps the drafts.
document.querySelector("[data-sign-out]")?.addEventListener("submit", () => dropDrafts(() => true));
customElements.define("draft-box", DraftBox);

// --- change feed -----------------------------------------------------------------------------------------------------
// GET <data-feed>?since=<cursor> answers {cursor, now, facts: [{kind, ...}]} or 304. Every fact becomes a DOM event:
//   ticket.changed {id, version} -> "ticket-changed" on [data-ticket="<id>"] whose data-version (the length of its
//                                   timeline: the sweep moves it too) differs (hx-trigger there)
//   counts {<key>: n, ...}       -> text of [data-count="<key>"]; the rail listens to "rail.<entry>", the tab title to "due";
//                                   where a page shows figures of my queue's tabs it asks for "tab.<tab>" as well
//   anything else                -> "feed:<kind>" on the body, with the fact as detail
// On a page with [data-here="<id>"] it also says who is at that ticket, and, by body[data-writing], who writes; the answer
// has a fact "here" then. The event "feed:now" on the body asks at once.
// A list [data-list] gets "list-changed" when no row shows the changed ticket; it waits while somebody is in the list.
const WAITS = [1, 2, 5, 10, 30];
const feed = { cursor: "", etag: "", fails: 0, answered: Date.now(), timer: 0, busy: false, again: false, on: "" };
let touched = Date.now();
for (const type of ["pointermove", "keydown"]) document.addEventListener(type, () => { touched = Date.now(); }, { passive: true });

const here = () => document.querySelector("[data-here]")?.dataset.here || "";
function question() {
  const asked = new URLSearchParams({ since: feed.cursor });
  const on = here();
  if (on) asked.set("on", on);
  if (on && body.dataset.writing) asked.set("writing", "1");
  if (feed.on && feed.on !== on) asked.set("left", feed.on);
  if (document.querySelector("[data-count^='tab.']")) asked.set("tabs", "1");
  feed.on = on;
  return `${body.dataset.feed}?${asked}`;
}
async function poll() {
  clearTimeout(feed.timer);
  if (document.hidden) return;
  if (feed.busy) { feed.again = true; return; }
  Object.assign(feed, { busy: true, again: false });
  try {
    const headers = feed.etag ? { "If-None-Match": feed.etag } : {};
    const answer = await fetch(question(), {
      headers, cache: "no-store", redirect: "manual", signal: AbortSignal.timeout(20000),
    });
    if (answer.type === "opaqueredirect") return sessionOver();
    if (!answer.ok && answer.status !== 304) throw new Error(String(answer.status));
    sample(answer.headers.get("X-Server-Now"));
    body.dispatchEvent(new CustomEvent("session:left", { detail: answer.headers.get("X-Session-Left") }));
    Object.assign(feed, { fails: 0, answered: Date.now(), etag: answer.headers.get("ETag") || "" });
    if (answer.ok) {
      const { cursor, facts = [] } = await answer.json();
      feed.cursor = cursor ?? feed.cursor;
      facts.forEach(take);
    }
  } catch {
    feed.fails += 1;
  }
  feed.busy = false;
  showFreshness();
  const idle = Date.now() - touched > 60000;
  const seconds = feed.fails ? WAITS[Math.min(feed.fails, WAITS.length) - 1] : idle ? 15 : 5;
  feed.timer = setTimeout(poll, feed.again ? 0 : seconds * 1000);
}
// The session has ended: say so and stop asking. What is typed stays where it is.
function sessionOver() {
  body.dispatchEvent(new Event("session:over"));
}
body.addEventListener("htmx:beforeSwap", (e) => {
  const { xhr } = e.detail;
  if (!xhr.responseURL || new URL(xhr.responseURL).pathname !== body.dataset.signIn) return;
  e.detail.shouldSwap = false;
  sessionOver();
});
function take(fact) {
  if (fact.kind === "ticket.changed") return ticketChanged(fact);
  if (fact.kind === "counts") return counts(fact);
  body.dispatchEvent(new CustomEvent(`feed:${fact.kind}`, { detail: fact }));
}
function ticketChanged({ id, version }) {
  const shown = all(`[data-ticket="${CSS.escape(String(id))}"]`);
  for (const element of shown) {
    if (element.dataset.version !== String(version)) {
      element.dispatchEvent(new CustomEvent("ticket-changed", { detail: { id, version } }));
    }
  }
  for (const list of all("[data-list]")) if (!shown.some((element) => list.contains(element))) listChanged(list);
}
function counts(fact) {
  for (const element of all("[data-count]")) {
    const n = fact[element.dataset.count];
    if (n === undefined) continue;
    (element.querySelector("span") || element).textContent = n;
    if (element.matches(".rail-count")) element.hidden = !n;
  }
  if (fact.due !== undefined) {
    const bare = document.title.replace(/^\(\d+\) /, "");
    document.title = fact.due ? `(${fact.due}) ${bare}` : bare;
  }
}
// Nothing moves under the hand: the new order waits for a press on the pill, or for 5 s after the list was left.
const waiting = new Map();
const inUse = (list) => list.matches(":hover") || list.contains(document.activeElement);
function listChanged(list) {
  waiting.set(list, (waiting.get(list) || 0) + 1);
  if (!inUse(list)) return apply(list);
  const pill = list.querySelector("[data-pill]");
  if (!pill) return;
  pill.querySelector("span").textContent = fill(pill.dataset.words, { n: waiting.get(list) });
  pill.hidden = false;
}
function apply(list) {
  if (!waiting.delete(list)) return;
  const pill = list.querySelector("[data-pill]");
  if (pill) pill.hidden = true;
  list.dispatchEvent(new CustomEvent("list-changed"));
}
document.addEventListener("click", (e) => { if (e.target.closest("[data-pill]")) apply(e.target.closest("[data-list]")); });
for (const type of ["pointerout", "focusout"]) {
  document.addEventListener(type, (e) => {
    const list = e.target.closest?.("[data-list]");
    if (list && waiting.has(list)) setTimeout(() => { if (!inUse(list)) apply(list); }, 5000);
  });
}
function showFreshness() {
  const stale = Date.now() - feed.answered > 60000;
  const time = new Date(feed.answered + offset).toLocaleTimeString("en-GB", { timeZone: "Asia/Shanghai" });
  const live = document.querySelector("[data-live]");
  if (live && (live.dataset.state === "stale") !== stale) {
    live.dataset.state = stale ? "stale" : "live";
    live.textContent = fill(stale ? live.dataset.wordStale : live.dataset.wordLive, { time });
  }
  const bar = document.querySelector("[data-stale]");
  if (bar && bar.hidden === stale) {
    bar.querySelector(".banner-text").textContent = fill(bar.dataset.words, { time });
    bar.hidden = !stale;
    for (const button of all("[data-send] [type=submit]")) button.disabled = stale;
  }
}
if (body.dataset.feed) {
  poll();
  setInterval(() => { if (!document.hidden) showFreshness(); }, 5000);
  document.addEventListener("visibilitychange", poll);
  addEventListener("online", poll);
  document.querySelector("[data-reconnect]")?.addEventListener("click", poll);
  body.addEventListener("feed:now", poll);
  body.addEventListener("htmx:afterSettle", () => { if (here() !== feed.on) poll(); });
  addEventListener("pagehide", () => { if (feed.on) fetch(`${body.dataset.feed}?left=${feed.on}`, { keepalive: true }); });
}

// --- forms: a button that sends says so and cannot be pressed twice; the first error takes the focus -----------------
body.addEventListener("htmx:beforeRequest", (e) => {
  const button = e.detail.requestConfig.triggeringEvent?.submitter;
  if (!button?.matches(".btn")) return;
  button.setAttribute("aria-disabled", "true");
  button.title = body.dataset.wordSending;
});
body.addEventListener("htmx:afterRequest", (e) => {
  const button = e.detail.requestConfig.triggeringEvent?.submitter;
  if (!button?.matches(".btn")) return;
  button.removeAttribute("aria-disabled");
  button.removeAttribute("title");
});
// After settling, when htmx has given the focus to a field with autofocus: what is wrong comes first.
body.addEventListener("htmx:afterSettle", (e) => e.detail.elt.querySelector?.("[data-focus]")?.focus());
// The presence menu replaces itself; the focus goes back to its button.
body.addEventListener("htmx:afterRequest", (e) => {
  if (e.detail.target?.id === "presence") document.querySelector("#presence summary").focus();
});
document.querySelector("[data-focus]")?.focus();

// --- dialogs, menus, panes -------------------------------------------------------------------------------------------
document.addEventListener("click", (e) => {
  const opener = e.target.closest("[data-open]");
  if (opener) openDialog(document.getElementById(opener.dataset.open));
  if (e.target.closest("[data-close]")) e.target.closest("dialog")?.close();
  if (e.target.matches("dialog")) e.target.close(); // the backdrop
  e.target.closest("[data-dismiss]")?.closest(".banner").remove();
  const view = e.target.closest("[data-show]");
  if (view) showPane(view.dataset.show);
  for (const menu of all("details.menu[open]")) if (!menu.contains(e.target)) menu.open = false;
});
// A menu that asks for something is opened to type in it.
document.addEventListener("toggle", (e) => {
  if (e.target.matches("details.menu[open]")) e.target.querySelector(".menu-list input:not([type])")?.focus();
}, true);
function openDialog(dialog) {
  if (!dialog || dialog.open) return;
  dialog.showModal();
  dialog.querySelector("[hx-trigger~=dialog-open]")?.dispatchEvent(new CustomEvent("dialog-open"));
}
body.addEventListener("dialog-done", () => all("dialog[open]").forEach((dialog) => dialog.close()));
// What was done last is said until the next thing is done.
body.addEventListener("htmx:beforeSwap", (e) => {
  if (e.detail.target.id === "main" && e.detail.xhr.status < 400) for (const said of all("#notices .banner-done")) said.remove();
});
// On a narrow window one pane shows at a time; between, the customer is a drawer. data-show="queue|ticket|customer".
function showPane(view) {
  const panes = document.getElementById("panes");
  if (!panes) return;
  panes.dataset.drawer = view === "customer" && panes.dataset.drawer !== "open" ? "open" : "";
  if (matchMedia("(max-width: 860px)").matches) panes.dataset.view = view;
}

// --- palette -----------------------------------------------------------------------------------------------------------
// The answer of desk:find for htmx: groups of <li role="option" id="…" data-href="…">. The first one is chosen.
const palette = document.getElementById("palette");
const searchBox = palette?.querySelector("input");
const options = () => all("[role=option]:not([aria-disabled])", palette);
function choose(option) {
  for (const other of options()) other.setAttribute("aria-selected", String(other === option));
  if (option) searchBox.setAttribute("aria-activedescendant", option.id);
  else searchBox.removeAttribute("aria-activedescendant");
  searchBox.setAttribute("aria-expanded", String(Boolean(option)));
  option?.scrollIntoView({ block: "nearest" });
}
// What can be done with the ticket beside the list: its own buttons are pressed, so words, icons and keys are theirs.
const STEPS = ["#steps .btn", ".composer-tabs label", "#customer a[data-key]", "a.fchip[data-key]:not([data-key=s])", ".verbs-more .menu-list .btn"];
const MOST_STEPS = 8;
const wordsOf = (step) => (step.querySelector(".fchip-k") || step).textContent.trim();
function offerSteps() {
  const asked = searchBox.value.trim().toLowerCase();
  const steps = STEPS.flatMap((place) => all(place))
    .filter((step) => !step.matches("[aria-disabled=true]") && wordsOf(step).toLowerCase().includes(asked))
    .slice(0, MOST_STEPS);
  if (!steps.length) return;
  palette.querySelector("#find-none")?.remove();
  const group = palette.querySelector("template").content.cloneNode(true).firstElementChild;
  const [pattern] = all("[role=option]", group);
  group.querySelector(".palette-group").append(` ${document.getElementById("ticket-head")?.dataset.number || ""}`);
  pattern.replaceWith(...steps.map((step, n) => {
    const option = pattern.cloneNode(true);
    const icon = !step.matches(".fchip") && step.querySelector("svg");
    if (icon) option.querySelector("svg").replaceWith(icon.cloneNode(true));
    option.querySelector(".palette-text").textContent = wordsOf(step);
    option.querySelector(".kbd").textContent = keyFor(step.dataset.key || "").toUpperCase();
    return Object.assign(option, { id: `find-here-${n + 1}`, step });
  }));
  palette.querySelector("#palette-results").prepend(group);
}
function run(option) {
  if (!option.step) { location.href = option.dataset.href; return; }
  palette.close();
  press(option.step);
}
// Pressed by its key or from the palette: what it opens gives the focus back to it.
function press(element) {
  element.focus({ preventScroll: true });
  element.click();
}
function openPalette() {
  palette.showModal();
  searchBox.select();
  searchBox.dispatchEvent(new CustomEvent("palette-open"));
}
if (palette) {
  document.querySelector("[data-palette]").addEventListener("click", (e) => { e.preventDefault(); openPalette(); });
  palette.addEventListener("htmx:afterSwap", () => { offerSteps(); choose(options()[0]); });
  palette.addEventListener("click", (e) => { const option = e.target.closest("[role=option]:not([aria-disabled])"); if (option) run(option); });
  palette.addEventListener("submit", (e) => {
    const chosen = palette.querySelector("[aria-selected=true]");
    if (chosen) { e.preventDefault(); run(chosen); }
  });
  searchBox.addEventListener("keydown", (e) => {
    if (e.isComposing || e.keyCode === 229 || !["ArrowDown", "ArrowUp"].includes(e.key)) return;
    e.preventDefault();
    const list = options();
    const at = list.findIndex((option) => option.getAttribute("aria-selected") === "true");
    choose(list[(at + (e.key === "ArrowDown" ? 1 : -1) + list.length) % list.length]);
  });
}

// --- keys: only outside fields, never while an input method is composing; data-key="r" or "g q" presses the element ----
// The boxes of rows are no fields to type in: with one in focus the keys go on working.
const FIELDS = "input:not(.pick),textarea,select,[contenteditable]";
let prefix = "";
// As this person has them: "off", or the standard key of every key that was moved ("" where one does nothing now).
const moved = body.dataset.keys && body.dataset.keys !== "off" ? JSON.parse(body.dataset.keys) : {};
const standard = (key) => moved[key] ?? key;
// The other way round: which key this person presses for what pages know by a standard one.
const keyFor = (usual) => {
  if (body.dataset.keys === "off") return "";
  return Object.keys(moved).find((pressed) => moved[pressed] === usual) ?? (usual in moved ? "" : usual);
};
// What elements say of their key follows: pages are written with the standard ones.
function showKeys() {
  if (!body.dataset.keys) return;
  for (const element of all("[data-key][aria-keyshortcuts]")) {
    const key = keyFor(element.dataset.key);
    const cap = element.querySelector(".kbd");
    if (key) element.setAttribute("aria-keyshortcuts", key);
    else element.removeAttribute("aria-keyshortcuts");
    if (cap) cap.hidden = !element.hasAttribute("aria-keyshortcuts");
    if (cap && key) cap.textContent = key.toUpperCase();
  }
}
showKeys();
body.addEventListener("htmx:afterSettle", showKeys);
document.addEventListener("keydown", (e) => {
  if (e.isComposing || e.keyCode === 229) return;
  if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === "k" && palette) { e.preventDefault(); return openPalette(); }
  if ((e.ctrlKey || e.metaKey) && e.key === "Enter") {
    const form = e.target.closest?.("form[data-send]");
    if (form) e.preventDefault(); // on a link the browser would open another window as well
    const by = form?.querySelector("[data-send-by]");
    return by ? by.click() : form?.requestSubmit(); // htmx sends the button's value only where it was pressed
  }
  if (e.key === "Escape") return leave(e.target);
  if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest?.(FIELDS) || document.querySelector("dialog[open]")) return;
  if (e.key === "Enter" && e.target.matches?.(".pick")) { e.preventDefault(); return rowOf(e.target).click(); }
  if (body.dataset.keys === "off" || e.key?.length !== 1) return;
  const key = prefix ? e.key : standard(e.key); // after g comes the letter of the place
  if (!prefix && moves(key)) return;
  const target = document.querySelector(`[data-key="${CSS.escape(prefix + key)}"]`);
  prefix = "";
  if (!target || target.disabled) return;
  e.preventDefault();
  if (target.matches(FIELDS)) target.focus();
  else press(target);
});
// What no element is pressed for; answers whether it was one of these keys.
function moves(key) {
  if (key === "j" || key === "k") move(key === "j" ? 1 : -1);
  else if (key === "x") pick();
  else if (key === "X") document.querySelector(".bulk-bar .btn[name=do]")?.focus();
  else if (key === "[" || key === "]") neighbor(key === "]" ? 1 : -1);
  else if (key === "i" && document.getElementById("customer")) showPane("customer");
  else if (key === "u" && document.getElementById("panes")) { showPane("queue"); current()?.focus(); }
  else if (key === "g") { prefix = "g "; setTimeout(() => { prefix = ""; }, 1500); }
  else return false;
  return true;
}
function leave(element) {
  const menu = document.querySelector("details.menu[open]");
  if (menu) { menu.open = false; menu.querySelector("summary").focus(); return; }
  if (element.matches?.(FIELDS) && !element.closest("dialog")) element.blur();
}
const rows = () => all("a.qrow");
const rowOf = (element) => element?.closest?.("li")?.querySelector("a.qrow");
const pick = () => (rowOf(document.activeElement) || current())?.closest("li")?.querySelector(".pick")?.click();
const current = () => document.querySelector("a.qrow[aria-current]") || rows()[0];
function move(step) {
  const list = rows();
  const at = list.indexOf(rowOf(document.activeElement));
  const next = at < 0 ? current() : list[Math.min(Math.max(at + step, 0), list.length - 1)];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}
function neighbor(step) {
  const list = rows();
  list[list.findIndex((row) => row.hasAttribute("aria-current")) + step]?.click();
}
// The place where one is, is in sight: the row in a long list, the tab in a row of many. A tab moves its row alone: the
// page may stand at what is wrong in a form.
const inSight = (row) => row?.scrollIntoView({ block: "nearest" });
inSight(document.querySelector("a.qrow[aria-current]"));
for (const tab of all(".tabs [aria-current]")) {
  const hidden = tab.getBoundingClientRect().right - tab.parentElement.getBoundingClientRect().right;
  if (hidden > 0) tab.parentElement.scrollLeft += hidden;
}
// The row that opened a ticket by htmx becomes the current one; the list itself is not rendered again.
body.addEventListener("htmx:afterRequest", (e) => {
  if (!e.detail.successful || !e.target.matches("a.qrow")) return;
  for (const row of rows()) row.removeAttribute("aria-current");
  e.target.setAttribute("aria-current", "true");
  e.target.classList.add("is-seen");
  inSight(e.target);
  showPane("ticket");
});
