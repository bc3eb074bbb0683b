// Progressive enhancement only: every page works without this file.
"use strict";

// Times are shown in the reader's zone from the next page on.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && !document.cookie.split("; ").includes("tz=" + zone)) {
  document.cookie = "tz=" + zone + "; path=/; max-age=31536000; samesite=lax" + (location.protocol === "https:" ? "; secure" : "");
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) {
    await navigator.clipboard.writeText(button.dataset.copy);
    const label = button.textContent;
    button.textContent = "✓";
    setTimeout(() => { button.textContent = label; }, 1200);
  }
  if (event.target.closest("[data-palette]")) { event.preventDefault(); openPalette(); }
  const all = event.target.closest("[data-select-all]");
  if (all) for (const box of document.querySelectorAll("input[name=" + all.dataset.selectAll + "]")) box.checked = all.checked;
  const dialog = event.target.closest("dialog");
  if (dialog && event.target === dialog) dialog.close();
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});

function openPalette() {
  const dialog = document.getElementById("palette");
  if (!dialog || dialog.open) return;
  dialog.showModal();
  const field = dialog.querySelector("input");
  field.select();
  field.focus();
  field.dispatchEvent(new Event("palette-open"));
}

// In the palette: arrows walk from the field through the results and back, typing goes on in the field, Enter opens.
function palettePlaces(dialog) {
  return [dialog.querySelector("input"), ...dialog.querySelectorAll(".results a")];
}
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") { event.preventDefault(); openPalette(); return; }
  if (event.key === "Escape") for (const menu of document.querySelectorAll("details.menu[open]")) { menu.open = false; menu.querySelector("summary").focus(); }
  const dialog = event.target.closest && event.target.closest("#palette");
  if (!dialog) return;
  const places = palettePlaces(dialog), at = places.indexOf(document.activeElement);
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    places[(at + (event.key === "ArrowDown" ? 1 : places.length - 1)) % places.length].focus();
  } else if (event.key === "Enter" && at === 0 && places.length > 1) {
    const answers = dialog.querySelector("[data-answers]");
    if (!answers || answers.dataset.answers !== places[0].value.trim()) return; // not there yet: the search page answers
    event.preventDefault();
    places[1].click();
  } else if (at > 0 && event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey) {
    places[0].focus();
  }
});

// The tab of this page is in view, also where tabs have to be scrolled.
for (const tab of document.querySelectorAll(".tabs [aria-current], .play-nav [aria-current]")) {
  const row = tab.closest(".tabs, .play-nav");
  row.scrollLeft = tab.offsetLeft - row.offsetLeft - row.clientWidth / 2 + tab.offsetWidth / 2;
}
