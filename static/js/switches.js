// Lists that act when a choice is made, and the switches of the frame.

// A choice that acts at once. By keyboard a closed list changes with every arrow on the way to what is meant: there its button appears,
// and Enter or the button sends it.
let arrows = false;
document.addEventListener("pointerdown", () => {
  arrows = false;
});
document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-submit]")) return;
  if (!arrows || !event.target.matches("select")) {
    event.target.form.requestSubmit();
    return;
  }
  for (const button of event.target.form.querySelectorAll("[data-unneeded]")) button.removeAttribute("data-unneeded");
});

document.addEventListener("keydown", (event) => {
  if (!event.target.matches || !event.target.matches("select[data-submit]")) return;
  arrows = event.key !== "Enter" && event.key !== " ";
  if (event.key === "Enter" && !event.target.form.querySelector("[data-unneeded]")) {
    event.preventDefault();
    event.target.form.requestSubmit();
  }
});

// A switch of the frame (Region, theme, language) leads back to what is looked at now, and to the control it was done with.
document.addEventListener("submit", (event) => {
  if (!event.target.matches("form.switch")) return;
  if (event.target.matches("[data-here]")) event.target.elements.next.value = location.pathname + location.search;
  if (document.activeElement.form === event.target)
    sessionStorage.setItem("focus", (event.target.querySelector("select") || {}).id || "");
});
const switched = document.getElementById(sessionStorage.getItem("focus") || "");
sessionStorage.removeItem("focus");
if (switched) switched.focus({ preventScroll: true });
