// Progressive enhancement only: every page works without this file.
"use strict";
for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;
for (const button of document.querySelectorAll("[data-unneeded]")) button.hidden = true;
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) {
    await navigator.clipboard.writeText(button.dataset.copy);
    const label = button.textContent;
    button.textContent = "✓";
    setTimeout(() => { button.textContent = label; }, 1200);
  }
  const palette = event.target.closest("[data-palette]");
  if (palette) { event.preventDefault(); openPalette(); }
  const all = event.target.closest("[data-select-all]");
  if (all) for (const box of document.querySelectorAll("input[name=" + all.dataset.selectAll + "]")) box.checked = all.checked;
});
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});
function openPalette() {
  const dialog = document.getElementById("palette");
  if (dialog && !dialog.open) { dialog.showModal(); dialog.querySelector("input").focus(); }
}
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") { event.preventDefault(); openPalette(); }
});
