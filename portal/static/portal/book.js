// Two comforts of booking; every page is whole without them: the chosen time above the button, and a countdown.
const chosen = document.querySelector("[data-chosen]");
if (chosen) {
  const repeat = (radio) => {
    chosen.textContent = radio.dataset.said;
    chosen.closest("p").hidden = false;
  };
  document.addEventListener("change", (event) => {
    if (event.target.name === "slot") repeat(event.target);
  });
  // A browser that goes back keeps the radio ticked and tells nobody.
  const ticked = document.querySelector("input[name=slot]:checked");
  if (ticked) repeat(ticked);
}

const hold = document.querySelector("[data-until]");
if (hold) {
  // The server's clock decides, not the phone's; on a slow line this page is as old as its first byte.
  const now = Number(document.querySelector("meta[name=server-now]").content);
  const arrived = performance.getEntriesByType("navigation")[0]?.responseStart;
  const ahead = now + (arrived ? performance.now() - arrived : 0) - Date.now();
  const left = hold.querySelector("[data-left]");
  const say = hold.querySelector("[data-say]");
  let said = null;
  const tick = () => {
    const seconds = Math.ceil((Number(hold.dataset.until) - Date.now() - ahead) / 1000);
    if (seconds <= 0) {
      hold.classList.add("is-over");
      hold.querySelector("p").textContent = hold.dataset.over;
      return;
    }
    const time = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    left.textContent = left.dataset.left.replace("{time}", time);
    const minutes = Math.ceil(seconds / 60);
    if (minutes !== said) {
      // The first minute is in the words already.
      if (said !== null) say.textContent = minutes === 1 ? hold.dataset.one : hold.dataset.many.replace("{count}", minutes);
      said = minutes;
    }
    setTimeout(tick, 1000 - ((Date.now() + ahead) % 1000));
  };
  tick();
}
