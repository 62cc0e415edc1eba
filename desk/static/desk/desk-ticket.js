// Behavior of the desk's queue and ticket. Everything here is comfort: without it links and forms do the same.
const body = document.body;
const find = (id) => document.getElementById(id);

// --- the conversation opens at the newest turn, and says when something came below ------------------------------------
const newest = () => { const pane = find("conversation"); if (pane) pane.scrollTop = pane.scrollHeight; };
const atEnd = (pane) => pane.scrollHeight - pane.scrollTop - pane.clientHeight < 60;
newest();
let stay = true;
body.addEventListener("htmx:beforeSwap", (e) => { if (e.target.id === "thread") stay = atEnd(find("conversation")); });
document.addEventListener("click", (e) => {
  const pill = e.target.closest("[data-below]");
  if (!pill) return;
  newest();
  pill.hidden = true;
});

// --- dialogs: the answer opens them, so nothing old is shown first -----------------------------------------------------
const dialog = find("act");
body.addEventListener("htmx:afterSwap", (e) => {
  if (e.detail.target.id === "act-body" && dialog && !dialog.open) {
    // A menu that led here is shut, and the focus comes back to what opens it.
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
    dialog.showModal();
    dialog.querySelector("[autofocus]")?.focus();
  }
});
dialog?.addEventListener("close", () => find("act-body").replaceChildren());
// Whoever went on to other visits from here comes back to what has changed meanwhile; the board renews itself.
body.addEventListener("board-changed", () => {
  if (!document.querySelector("[data-refresh]")) dialog.addEventListener("close", () => location.reload(), { once: true });
});

// --- swaps ---------------------------------------------------------------------------------------------------------------
body.addEventListener("htmx:beforeSwap", (e) => {
  const { xhr, requestConfig } = e.detail;
  // "Your role may not" is an answer to show where the others are shown.
  if (xhr.status === 403) Object.assign(e.detail, { shouldSwap: true, isError: false });
  if (xhr.status < 300 && requestConfig.verb === "post") requestConfig.elt.closest("draft-box")?.forget();
});
// A page has one first heading: with a ticket open it is the ticket's, and the list's is a second one.
function stepBack() {
  const title = document.querySelector("h1.queue-title");
  if (!title || !find("main").querySelector("h1")) return;
  const second = document.createElement("h2");
  second.className = title.className;
  second.append(...title.childNodes);
  title.replaceWith(second);
}
body.addEventListener("htmx:afterSettle", (e) => {
  if (e.detail.target.id === "main") {
    stepBack();
    newest();
    const wrong = find("main").querySelector("[data-focus]");
    (wrong || find("main").querySelector("[data-heading]"))?.focus({ preventScroll: !wrong });
    if (wrong?.matches("textarea")) wrong.setSelectionRange(wrong.value.length, wrong.value.length); // go on writing
  }
  if (e.detail.elt.id !== "thread") return;
  if (stay) newest();
  else document.querySelector("[data-below]").hidden = false;
});
// What was just done shows in the list at once, not with the next poll.
body.addEventListener("desk:acted", () => {
  const shown = find("thread")?.dataset.ticket;
  setTimeout(() => find(`row-${shown}`)?.dispatchEvent(new CustomEvent("ticket-changed")), 0);
});

// --- rows that are ticked: a row that renews itself stays ticked; style sheets show the bar and count ----------------------
const bulk = find("bulk");
const picks = () => [...bulk.querySelectorAll(".pick")];
const picked = new Set();
let lastPick = null;
function readPicks() {
  picked.clear();
  for (const box of picks()) if (box.checked) picked.add(box.value);
  const bar = bulk.querySelector(".bulk-bar");
  find("announce").textContent = picked.size ? bar.dataset.words.replace("{n}", picked.size) : "";
}
if (bulk) {
  for (const box of picks()) if (box.checked) picked.add(box.value);
  bulk.querySelector("[data-pick-shown]").hidden = false;
  bulk.addEventListener("change", (e) => { if (e.target.matches(".pick")) readPicks(); });
  bulk.addEventListener("reset", () => setTimeout(readPicks, 0));
  bulk.addEventListener("click", (e) => {
    if (e.target.closest("[data-pick-shown]")) {
      for (const box of picks().slice(0, Number(e.target.closest(".bulk-bar").dataset.most))) box.checked = true;
      return readPicks();
    }
    if (!e.target.matches(".pick")) return;
    const list = picks(), from = list.findIndex((box) => box.value === lastPick), to = list.indexOf(e.target);
    if (e.shiftKey && from >= 0) {
      for (const box of list.slice(Math.min(from, to), Math.max(from, to) + 1)) box.checked = e.target.checked;
      readPicks();
    }
    lastPick = e.target.value;
  });
  body.addEventListener("htmx:afterSettle", () => {
    for (const box of picks()) if (picked.has(box.value)) box.checked = true;
  });
}

// --- composer --------------------------------------------------------------------------------------------------------------
document.addEventListener("change", (e) => {
  if (e.target.matches(".composer-tabs input")) {
    document.querySelector(`draft-box.${e.target.id} textarea`)?.focus();
  }
  if (e.target.matches("[name=then]")) {
    e.target.closest("details").open = false;
    e.target.form.querySelector("textarea").focus();
  }
  if (e.target.matches("[data-submit]")) e.target.form.requestSubmit();
});
document.addEventListener("click", (e) => {
  if (!e.target.matches(".composer-tabs label")) return;
  const mode = e.target.querySelector("input");
  const write = () => { if (mode.checked) document.querySelector(`draft-box.${mode.id} textarea`)?.focus(); };
  write(); // by its key: what is typed right after it is not lost
  setTimeout(write, 0); // by the pointer: after the label has given the focus to its radio
});
// What was being written and has come back stands in front, unless something is being written there.
function showWritten() {
  const mode = (box) => find([...box.classList].find((name) => name.startsWith("mode-")));
  const written = [...document.querySelectorAll(".desk-composer > draft-box")].filter((box) => box.querySelector("textarea").value.trim());
  if (written.length && !written.some((box) => mode(box).checked)) mode(written[0]).checked = true;
}
showWritten();
body.addEventListener("htmx:afterSettle", (e) => { if (e.detail.target.id === "main") showWritten(); });
// The names of the files chosen, as the browser's own control would say them: that one is hidden where this runs.
const sayFiles = (field) => {
  const names = [...field.files].map((file) => file.name);
  field.parentElement.toggleAttribute("data-chosen", names.length > 0);
  field.parentElement.querySelector("output").textContent = names.join(", ");
};
document.addEventListener("change", (e) => { if (e.target.matches(".composer-files [type=file]")) sayFiles(e.target); });
document.addEventListener("click", (e) => {
  const field = e.target.closest("[data-no-files]")?.parentElement.querySelector("[type=file]");
  if (!field) return;
  field.value = "";
  sayFiles(field);
  field.focus();
});

// --- who else is here: the feed brings it; the head is renewed by itself, so it is put there again ---------------------------
let crowd = { id: 0, groups: [] };
const writers = ({ id, groups }) => groups.filter((group) => group.writing).map((group) => `${id}: ${group.words}`).join();
body.addEventListener("feed:here", (e) => {
  const before = writers(crowd);
  crowd = e.detail;
  showCrowd();
  if (writers(crowd) && writers(crowd) !== before) find("announce").textContent = crowd.groups[0].words;
  // Somebody's reply that is about to leave, or was taken back, is no change of the ticket: what stands there is renewed.
  const shown = Boolean(document.querySelector("#held [data-others]"));
  if (crowd.groups.some((group) => group.sending) !== shown) find("thread")?.dispatchEvent(new CustomEvent("ticket-changed"));
});
for (const type of ["htmx:afterSettle", "htmx:oobAfterSwap"]) body.addEventListener(type, showCrowd);
function showCrowd() {
  const place = document.querySelector("[data-here]");
  if (place?.dataset.here !== String(crowd.id)) return;
  place.replaceChildren(...crowd.groups.map(({ writing, faces, words }) => {
    const group = document.createElement("span");
    group.className = writing ? "here-group is-writing" : "here-group";
    for (const { initials, hue } of faces) {
      const face = document.createElement("span");
      face.className = `ava ava-s ava-${hue}`;
      face.ariaHidden = "true";
      face.textContent = initials;
      group.append(face);
    }
    const sentence = document.createElement("span");
    sentence.className = "here-words";
    sentence.textContent = words;
    group.title = words;
    group.append(sentence);
    return group;
  }));
}
// Whoever has typed in the reply within the last minute is writing; it is told at once when it begins and when it ends.
const WRITES_FOR = 60000;
let typed = 0;
function tellWriting() {
  const reply = document.querySelector(".mode-reply textarea[name=body]");
  const writing = reply?.value.trim() && Date.now() - typed < WRITES_FOR ? "1" : "";
  if (writing === (body.dataset.writing || "")) return;
  body.dataset.writing = writing;
  body.dispatchEvent(new Event("feed:now"));
}
document.addEventListener("input", (e) => {
  if (!e.target.matches(".mode-reply textarea[name=body]")) return;
  typed = Date.now();
  tellWriting();
});
setInterval(tellWriting, 5000);
body.addEventListener("htmx:afterSettle", (e) => {
  if (e.detail.target.id !== "main") return;
  typed = 0;
  tellWriting();
});

// --- a reply that is going out: counts down, then asks for what has become of it ------------------------------------------------
const ASKS = [1, 2, 2, 5]; // seconds between the questions after its time; the last again and again
class UndoBar extends HTMLElement {
  connectedCallback() {
    this.leaves = performance.now() + Number(this.dataset.left);
    this.asked = 0;
    this.querySelector("[data-count]").hidden = false;
    this.querySelector("[data-time]").className = "vh";
    this.tick();
  }
  disconnectedCallback() { clearTimeout(this.timer); }
  tick() {
    const left = this.leaves - performance.now();
    const words = left > 0 ? this.dataset.words.replace("{n}", Math.ceil(left / 1000)) : this.dataset.going;
    this.querySelector("[data-count]").textContent = words;
    let next = left > 0 ? left % 1000 || 1000 : 0;
    if (left <= 0) {
      if (this.asked && !document.hidden) find("thread")?.dispatchEvent(new CustomEvent("ticket-changed"));
      next = ASKS[Math.min(this.asked, ASKS.length - 1)] * 1000;
      this.asked += 1;
    }
    this.timer = setTimeout(() => this.tick(), next);
  }
}
customElements.define("undo-bar", UndoBar);
const untouched = () => !find("composer")?.contains(document.activeElement)
  && ![...document.querySelectorAll("#composer textarea, #composer [type=file]")].some((field) => field.value.trim());
body.addEventListener("htmx:configRequest", (e) => {
  if (e.detail.elt.id === "thread" && document.querySelector("undo-bar") && find("composer") && untouched()) {
    e.detail.parameters.composer = "1";
  }
});
// What it shows already stays, with the focus that may be in it.
body.addEventListener("htmx:oobBeforeSwap", (e) => {
  const { target, fragment } = e.detail;
  if (target.id === "held" && fragment.querySelector("#held")?.dataset.shows === target.dataset.shows) e.detail.shouldSwap = false;
});

// --- small things ------------------------------------------------------------------------------------------------------------
document.addEventListener("click", async (e) => {
  const copy = e.target.closest("[data-copy]");
  if (copy) {
    await navigator.clipboard.writeText(copy.dataset.copy);
    const words = copy.querySelector("span");
    words.textContent = copy.dataset.words;
    setTimeout(() => { words.textContent = copy.dataset.copy; }, 1500);
  }
  if (e.target.closest('a[href="#reply_body"]')) {
    e.preventDefault();
    find("reply_body").focus();
  }
  if (e.target.closest('a[href="#steps"]')) {
    e.preventDefault();
    document.querySelector("#steps .btn")?.focus();
  }
  if (e.target.closest(".btn[aria-disabled=true][type=button]")) e.preventDefault();
});
