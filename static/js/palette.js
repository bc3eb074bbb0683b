// The search in front of the page: Ctrl+K or the search link opens it.
function openPalette() {
  const dialog = document.getElementById("palette");
  if (!dialog || dialog.open) return;
  dialog.showModal();
  const field = dialog.querySelector("input");
  field.select();
  field.focus();
  field.dispatchEvent(new Event("palette-open"));
}

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-palette]")) return;
  event.preventDefault();
  openPalette();
});

// In the palette: arrows walk from the field through the results and back, typing goes on in the field, Enter opens.
function palettePlaces(dialog) {
  return [dialog.querySelector("input"), ...dialog.querySelectorAll(".results a")];
}
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    openPalette();
    return;
  }
  const dialog = event.target.closest && event.target.closest("#palette");
  if (!dialog) return;
  const places = palettePlaces(dialog),
    at = places.indexOf(document.activeElement);
  if (event.key === "Escape") {
    event.preventDefault(); // a search field would only be emptied
    dialog.close();
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
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
