// The tab of this page is in view, also where tabs have to be scrolled.
function showTab() {
  for (const tab of document.querySelectorAll(".tabs li [aria-current], .play-nav [aria-current]")) {
    const row = tab.closest(".tabs ul, .play-nav");
    row.scrollLeft = tab.offsetLeft - row.offsetLeft - row.clientWidth / 2 + tab.offsetWidth / 2;
  }
}
showTab();
document.addEventListener("htmx:afterSettle", showTab);
