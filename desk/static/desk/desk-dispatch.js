// Dragging a visit from the list onto a free window opens the same form as the button does: an extra, never the only way.
const TYPE = "text/x-visit";
let dragged = null;

const arm = () => {
  for (const job of document.querySelectorAll(".job[data-drag]")) job.draggable = true;
};
arm();
new MutationObserver(arm).observe(document.querySelector(".dispatch"), { childList: true, subtree: true });

document.addEventListener("dragstart", (e) => {
  const job = e.target.closest?.(".job[data-drag]");
  if (!job) return;
  dragged = job;
  e.dataTransfer.setData(TYPE, job.dataset.drag);
  e.dataTransfer.effectAllowed = "move";
  job.classList.add("is-dragged");
});
document.addEventListener("dragend", () => {
  dragged?.classList.remove("is-dragged");
  dragged = null;
});
const target = (e) => dragged && e.target.closest?.("[data-drop]");
document.addEventListener("dragover", (e) => {
  if (!target(e)) return;
  e.preventDefault();
  target(e).classList.add("is-over");
});
document.addEventListener("dragleave", (e) => e.target.closest?.("[data-drop]")?.classList.remove("is-over"));
document.addEventListener("drop", (e) => {
  const cell = target(e);
  if (!cell) return;
  e.preventDefault();
  cell.classList.remove("is-over");
  const link = dragged.querySelector("a[hx-get]");
  const address = new URL(link.href);
  address.searchParams.set("starts", cell.dataset.starts);
  address.searchParams.set("technician", cell.dataset.drop);
  window.htmx.ajax("GET", address.pathname + address.search, { target: "#act-body", source: link });
});

// The list changes while visits are assigned one after the other; whoever stops is back in the list, not nowhere.
const dialog = document.getElementById("act");
dialog?.addEventListener("close", () => {
  if (document.activeElement === document.body) document.querySelector("#part-jobs .job > .btn")?.focus();
});
