// Intake: a tree instead of one long select, and a way to start over. Everything works without it.

// <category-pick>: the select inside stays the field that is sent; one select a level is shown in its place.
// Options are grouped by root; their labels below the root are paths whose parts are joined by " › ".
const CUT = " › ";
class CategoryPick extends HTMLElement {
  connectedCallback() {
    this.field = this.querySelector("select");
    if (!this.field || !this.field.querySelector("optgroup")) return;
    this.paths = new Map([["", []]]);
    for (const group of this.field.querySelectorAll("optgroup")) {
      for (const option of group.querySelectorAll("option")) {
        this.paths.set(option.value, option === group.firstElementChild ? [group.label] : [group.label, ...option.label.split(CUT)]);
      }
    }
    this.levels = document.createElement("div");
    this.levels.className = "intake-levels";
    this.field.after(this.levels);
    this.field.hidden = true;
    this.show(this.paths.get(this.field.value) || []);
    this.levels.addEventListener("change", (e) => this.chosen(e.target));
    this.field.addEventListener("change", () => this.show(this.paths.get(this.field.value) || []));
    this.closest("form").addEventListener("reset", () => setTimeout(() => this.show(this.paths.get(this.field.value) || [])));
  }
  below(trail) {
    const names = [...this.paths.values()].filter((path) => path.length > trail.length && trail.every((part, at) => path[at] === part));
    return [...new Set(names.map((path) => path[trail.length]))];
  }
  show(path, focusAt = -1) {
    this.levels.replaceChildren();
    for (let at = 0; at <= path.length; at += 1) {
      const names = this.below(path.slice(0, at));
      if (!names.length) break;
      const select = document.createElement("select");
      select.dataset.level = at;
      if (at) select.setAttribute("aria-label", `${this.dataset.words}: ${path.slice(0, at).join(CUT)}`);
      else this.takeLabel(select);
      select.append(new Option(at ? this.dataset.words : this.field.options[0].label, ""));
      for (const name of names) select.append(new Option(name, name, false, name === path[at]));
      this.levels.append(select);
      if (at === focusAt) select.focus();
    }
  }
  takeLabel(select) {
    select.id = `${this.field.id}_level`;
    this.querySelector("label").htmlFor = select.id;
  }
  chosen(select) {
    const at = Number(select.dataset.level);
    const before = [...this.levels.children].slice(0, at).map((other) => other.value);
    const path = select.value ? [...before, select.value] : before;
    const key = path.join("\n");
    const found = [...this.paths].find(([, names]) => names.join("\n") === key);
    this.field.value = found ? found[0] : "";
    this.field.dispatchEvent(new Event("change", { bubbles: true }));
    this.show(path, at);
  }
}
customElements.define("category-pick", CategoryPick);

// A category proposed is taken with a press, and may say whose work it is; somebody chosen by hand stays chosen.
document.addEventListener("click", (e) => {
  const button = e.target.closest("#suggestions button");
  if (!button) return;
  e.preventDefault();
  const field = document.getElementById("id_category");
  field.value = button.value;
  field.dispatchEvent(new Event("change", { bubbles: true }));
  document.getElementById("id_subject").focus();
});
document.addEventListener("change", (e) => {
  const why = document.getElementById("to-why"), to = document.getElementById("id_to");
  if (!why || !to) return;
  if (e.target.id === "id_category") {
    const proposed = e.target.selectedOptions[0]?.dataset.to || "me";
    if (to.value === why.dataset.proposed) to.value = proposed;
    why.dataset.proposed = proposed;
  } else if (e.target !== to) return;
  why.hidden = why.dataset.proposed === "me" || to.value !== why.dataset.proposed;
});

// Start over: also what is kept on this computer, and the customer found.
document.addEventListener("reset", (e) => {
  if (!e.target.matches("#intake")) return;
  e.target.closest("draft-box")?.forget();
  setTimeout(() => { location.href = e.target.action; });
});

// Registered: the answer sends the browser to the ticket, and htmx reports no success for that; the draft is done with.
document.addEventListener("htmx:afterRequest", (e) => {
  if (e.target.matches("#intake") && e.detail.xhr?.getResponseHeader("HX-Redirect")) e.target.closest("draft-box")?.forget();
});

// A number that was typed before the page was whole is looked up all the same.
document.addEventListener("DOMContentLoaded", () => {
  const phone = document.getElementById("id_phone");
  if (phone.value !== phone.defaultValue) document.querySelector("[name=find]").click();
});
