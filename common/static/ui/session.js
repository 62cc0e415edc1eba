// The end of the session: asked before, and nothing typed is lost by it. The server tells how many seconds are left, with
// the page and with every answer; between, only the time that has passed counts, whatever the computer's clock says.
const dialog = document.getElementById("session-end");
const shown = dialog.querySelector("[data-span]");
const trouble = dialog.querySelector("[data-unanswered]");
const WARN = Number(dialog.dataset.warn);
const tabs = new BroadcastChannel("session");
const wayBack = document.querySelector("[data-session-over] a,[data-signed-out] a");
let end = 0, answered = 0, timer = 0, over = false, signedOut = false;

const secondsLeft = () => (end - performance.now()) / 1000;
function told(left, sure = true) {
  if (left === null || left === "" || !Number.isFinite(Number(left)) || over) return;
  answered = performance.now();
  end = answered + left * 1000;
  clearTimeout(timer);
  if (left > WARN) {
    dismiss();
    timer = setTimeout(ask, (left - WARN) * 1000);
  } else if (sure) warn();
  else ask();
}
// The page may be an old one out of a cache: a warning needs the server's word of now.
async function ask() {
  clearTimeout(timer);
  try {
    const answer = await fetch(dialog.dataset.url, { cache: "no-store", redirect: "manual", signal: AbortSignal.timeout(10000) });
    if (answer.type === "opaqueredirect") return ended();
    told(answer.headers.get("X-Session-Left"));
  } catch {
    timer = setTimeout(ask, 5000);
  }
}
function warn() {
  if (!dialog.open) {
    trouble.hidden = true;
    dialog.showModal();
  }
  tick();
}
function tick() {
  clearTimeout(timer);
  const left = Math.max(0, Math.ceil(secondsLeft()));
  shown.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
  if (left) timer = setTimeout(tick, 1000);
  else ask();
}
function dismiss() {
  if (!dialog.open) return;
  dialog.dataset.quiet = "1";
  dialog.close();
}
async function stay() {
  clearTimeout(timer);
  try {
    const answer = await fetch(dialog.dataset.url, {
      method: "POST", body: new FormData(dialog.querySelector("form")), redirect: "manual", signal: AbortSignal.timeout(10000),
    });
    if (answer.type === "opaqueredirect") return ended();
    if (!answer.ok) throw new Error(String(answer.status));
    told(answer.headers.get("X-Session-Left"));
    tabs.postMessage("stays");
  } catch {
    warn();
    trouble.hidden = false;
  }
}
// The button, Esc and a press beside the dialog all close it, and whoever closes it is there: they stay.
dialog.addEventListener("submit", (e) => { e.preventDefault(); dialog.close(); });
dialog.addEventListener("close", () => {
  if (dialog.dataset.quiet) delete dialog.dataset.quiet;
  else stay();
});

function ended() {
  if (over) return;
  over = true;
  clearTimeout(timer);
  dismiss();
  keep();
  wayBack.search = new URLSearchParams({ next: location.pathname + location.search }); // htmx may have moved on since
  wayBack.closest("[data-session-over],[data-signed-out]").hidden = false;
}
document.body.addEventListener("session:over", ended);
document.body.addEventListener("session:left", (e) => told(e.detail));
document.body.addEventListener("htmx:afterRequest", (e) => told(e.detail.xhr?.getResponseHeader("X-Session-Left") ?? null));
tabs.addEventListener("message", ask);
document.addEventListener("visibilitychange", () => { if (!document.hidden && !over) ask(); });

// --- what is typed in a form, and ticked and chosen, is kept when the session has ended; what a phone taps keeps itself ----
const person = document.body.dataset.person;
const FIELDS = "textarea,select,input:not([type=hidden],[type=password],[type=file],[type=submit])";
const posts = (form) => form.matches("[method=post]:not([data-action])");
const key = (form) => `draft:${person}:form:${(form.getAttribute("action") || location.pathname).split("?")[0]}`;
const forms = () => [...document.forms].filter((form) => posts(form) && form.querySelector(FIELDS));
const fields = (form) => [...form.elements].filter((field) => field.name && field.matches(FIELDS));
const changed = (field) => {
  if (field.matches("select")) return [...field.options].some((option) => option.selected !== option.defaultSelected);
  return field.matches("[type=checkbox],[type=radio]") ? field.checked !== field.defaultChecked : field.value !== field.defaultValue;
};
function keep() {
  for (const form of forms()) {
    const all = fields(form);
    if (!all.some(changed)) continue;
    const values = all.map((field) => ({ name: field.name, value: field.value, on: field.checked }));
    localStorage.setItem(key(form), JSON.stringify({ at: Date.now(), values }));
  }
}
function restore() {
  for (const form of forms()) {
    const found = JSON.parse(localStorage.getItem(key(form)) || "null");
    if (!found) continue;
    localStorage.removeItem(key(form));
    const all = fields(form);
    for (const { name, value, on } of found.values) {
      const choice = (field) => field.matches("[type=checkbox],[type=radio]");
      const field = all.find((other) => other.name === name && (!choice(other) || other.value === value));
      if (!field) continue;
      if (choice(field)) field.checked = on;
      else field.value = value;
    }
  }
}
// Sent after the end it would be gone behind the sign-in page. It is kept, and comes back after signing in.
document.addEventListener("submit", (e) => {
  if (e.target.matches("[data-sign-out]")) {
    signedOut = true;
    for (const name of Object.keys(localStorage)) if (name.startsWith("draft:")) localStorage.removeItem(name);
  }
  if (!over || !posts(e.target)) return;
  e.preventDefault();
  e.stopImmediatePropagation();
  keep();
  wayBack.click();
}, true);
addEventListener("pagehide", () => { if (over && !signedOut) keep(); });
restore();
document.body.addEventListener("htmx:load", restore);
told(dialog.dataset.left || null, false);
