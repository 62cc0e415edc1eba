// Keeps a board fresh: every 15 s the parts that changed, nothing while the server says 304. For every <main data-refresh>.
// A part that is in use waits (data-quiet): nothing moves under the hand. Words come from data attributes.
const EVERY = 15;
const WAITS = [1, 2, 5, 10, 30];
const STALE_AFTER = 60000;
const main = document.querySelector("[data-refresh]");
const fill = (pattern, values) => pattern.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const state = { etag: "", fails: 0, timer: 0, busy: false, over: false, answered: Date.now(), shown: "" };

async function poll() {
  clearTimeout(state.timer);
  if (document.hidden || state.busy || state.over) return;
  state.busy = true;
  try {
    const answer = await fetch(main.dataset.refresh, {
      headers: state.etag ? { "If-None-Match": state.etag } : {},
      cache: "no-store", redirect: "manual", signal: AbortSignal.timeout(20000),
    });
    if (answer.type === "opaqueredirect") return sessionOver();
    if (answer.status === 403) return location.reload(); // the role changed: the page says which roles can
    if (!answer.ok && answer.status !== 304) throw new Error(String(answer.status));
    if (answer.ok) take(await answer.text());
    state.etag = answer.headers.get("ETag") || "";
    state.fails = 0;
    state.answered = Date.now();
    state.shown = clockTime(Number(answer.headers.get("X-Server-Now")));
  } catch {
    state.fails += 1;
  }
  state.busy = false;
  showFreshness();
  const seconds = state.fails ? WAITS[Math.min(state.fails, WAITS.length) - 1] : EVERY;
  state.timer = setTimeout(poll, seconds * 1000);
}
function sessionOver() {
  state.over = true;
  document.body.dispatchEvent(new Event("session:over"));
}

// --- the time that the numbers are of ------------------------------------------------------------------------------
const clockTime = (ms) => new Date(ms).toLocaleTimeString("en-GB", { timeZone: main.dataset.zone });
function showFreshness() {
  const line = main.querySelector("[data-as-of]");
  const stale = Date.now() - state.answered > STALE_AFTER;
  line.dataset.state = stale ? "stale" : "fresh";
  if (state.shown) line.textContent = fill(stale ? line.dataset.wordStale : line.dataset.wordFresh, { time: state.shown });
}

// --- new parts -------------------------------------------------------------------------------------------------------
const waiting = new Map();
const inUse = (part) => part.matches(":hover") || part.contains(document.activeElement) || part.querySelector("[data-reassign]");
function take(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  for (const fresh of page.querySelectorAll("[data-part]")) {
    const old = document.getElementById(fresh.id);
    if (!old) continue;
    if ("quiet" in old.dataset && inUse(old)) hold(old, fresh);
    else put(old, fresh);
  }
}
function put(old, fresh) {
  waiting.delete(old.id);
  const focus = old.contains(document.activeElement) && document.activeElement.getAttribute("href");
  for (const details of old.querySelectorAll("details[open]")) {
    const same = fresh.querySelector(`#${CSS.escape(details.id)}`);
    if (same) same.open = true;
  }
  const left = [...old.querySelectorAll(".scroll,.board-plot")].map((box) => [box.scrollLeft, box.scrollTop]);
  const node = document.importNode(fresh, true);
  old.replaceWith(node);
  window.htmx?.process(node);
  node.querySelectorAll(".scroll,.board-plot").forEach((box, i) => { if (left[i]) [box.scrollLeft, box.scrollTop] = left[i]; });
  if (focus) node.querySelector(`[href="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
}
// How many rows came, went or changed; a later time on the same rows is no news, their chips count by themselves.
const versions = (part) => new Map([...part.querySelectorAll("[data-ticket]")].map((row) => [row.dataset.ticket, row.dataset.version]));
function changes(old, fresh) {
  const before = versions(old), after = versions(fresh);
  const gone = [...before.keys()].filter((key) => !after.has(key)).length;
  return gone + [...after].filter(([key, version]) => before.get(key) !== version).length;
}
function hold(old, fresh) {
  waiting.set(old.id, fresh);
  const pill = old.querySelector("[data-pill]");
  const n = changes(old, fresh);
  if (!pill) return;
  pill.querySelector("span").textContent = fill(pill.dataset.words, { n });
  pill.hidden = n === 0;
}
function release(part) {
  const fresh = waiting.get(part.id);
  if (fresh) put(part, fresh);
}
document.addEventListener("click", (e) => {
  const pill = e.target.closest("[data-pill]");
  const part = pill?.closest("[data-part]");
  if (part) release(part);
});
for (const type of ["pointerout", "focusout"]) {
  document.addEventListener(type, (e) => {
    const part = e.target.closest?.("[data-quiet]");
    if (!part || !waiting.has(part.id)) return;
    setTimeout(() => {
      const present = document.getElementById(part.id);
      if (present && !inUse(present)) release(present);
    }, 5000);
  });
}

if (main) {
  state.shown = clockTime(Number(document.querySelector('meta[name="server-now"]').content));
  state.timer = setTimeout(poll, EVERY * 1000);
  setInterval(() => { if (!document.hidden) showFreshness(); }, 5000);
  document.addEventListener("visibilitychange", poll);
  document.addEventListener("board-changed", poll);
  addEventListener("online", poll);
}
