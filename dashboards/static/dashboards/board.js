// What the supervisor's boards do beyond ui/board.js: a ticket is given to somebody else in its row.
document.addEventListener("click", (e) => {
  const cancel = e.target.closest(".board-form [data-cancel]");
  if (!cancel) return;
  e.preventDefault();
  const row = cancel.closest("tbody");
  cancel.closest("tr").remove();
  const button = row.querySelector("a.btn");
  button?.removeAttribute("aria-expanded");
  button?.focus();
});
// The row answers with its form, or with what was done: the focus follows, and it is said aloud.
document.body.addEventListener("htmx:afterSettle", (e) => {
  const row = document.getElementById(e.detail.elt.id);
  if (!row?.matches("tbody[data-ticket]")) return;
  (row.querySelector(".board-form select") || row.querySelector("a.btn"))?.focus();
  if (row.dataset.said) document.getElementById("announce").textContent = row.dataset.said;
});
