// A button that prints the page; without script the browser's own menu does it.
document.addEventListener("click", (e) => { if (e.target.closest("[data-print]")) print(); });
