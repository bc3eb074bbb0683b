// The boxes of a list: all at once, and how many are ticked, beside what can be done with them.
function countSelected() {
  for (const place of document.querySelectorAll("[data-selected]")) {
    const number = document.querySelectorAll("input[name=" + place.dataset.selected + "]:checked").length;
    place.textContent = number ? number.toLocaleString(document.documentElement.lang) + " " + place.dataset.words : "";
  }
}
document.addEventListener("change", countSelected);
addEventListener("pageshow", countSelected); // a page that is gone back to has its ticks again

document.addEventListener("click", (event) => {
  const all = event.target.closest("[data-select-all]");
  if (!all) return;
  for (const box of document.querySelectorAll("input[name=" + all.dataset.selectAll + "]")) box.checked = all.checked;
  countSelected();
});
