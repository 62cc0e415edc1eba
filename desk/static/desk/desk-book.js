// Booking: what was chosen shows its times at once, and a hold that runs out says so. Without script the buttons do it.
const form = document.getElementById("book");
form?.addEventListener("change", (e) => {
  if (!e.target.matches("[name=services],[name=place],[name=region]")) return;
  const show = form.querySelector(".book-who button[value=times]");
  const chosen = form.querySelector("[name=services]:checked");
  const region = form.querySelector("[name=region]");
  const known = form.querySelector("[name=place]:checked:not([value=elsewhere])");
  if (show && chosen && (known || region?.value)) form.requestSubmit(show);
});
// Over: the time is free for others. The server says so too; this saves a press of the button.
form?.addEventListener("sla:level", (e) => {
  if (e.detail.level === "over") form.querySelector("[name=drop]")?.click();
});
