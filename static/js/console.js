// Progressive enhancement only: every page works without this file.

// Times are shown in the reader's zone from the next page on.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && !document.cookie.split("; ").includes("tz=" + zone)) {
  document.cookie =
    "tz=" + zone + "; path=/; max-age=31536000; samesite=lax" + (location.protocol === "https:" ? "; secure" : "");
}

// Without https, and not on this machine, browsers have no clipboard to write to: there what is selected is copied.
async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea"),
    from = document.activeElement;
  field.value = text;
  (document.querySelector("dialog[open]") || document.body).append(field); // behind a dialog nothing can be selected
  field.select();
  document.execCommand("copy");
  field.remove();
  from.focus();
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) {
    await copy(button.dataset.copy);
    button.classList.add("copied");
    setTimeout(() => {
      button.classList.remove("copied");
    }, 1200);
  }
  // The link alone would leave "#main" in the address, which goes along through forms and keeps a later page from its first field.
  if (event.target.closest(".skip")) {
    event.preventDefault();
    document.getElementById("main").focus();
  }
  if (event.target.closest("[data-palette]")) {
    event.preventDefault();
    openPalette();
  }
  const all = event.target.closest("[data-select-all]");
  if (all) {
    for (const box of document.querySelectorAll("input[name=" + all.dataset.selectAll + "]")) box.checked = all.checked;
    countSelected();
  }
  const dialog = event.target.closest("dialog");
  if (dialog && event.target === dialog) dialog.close();
  closeOtherMenus(event);
});

// What asks first on a page of its own asks here, in front of this page: the same form, fetched from there. Where that fails, and
// for who wants a new tab, it is the page.
document.addEventListener("click", async (event) => {
  if (event.target.closest("dialog [data-cancel]")) {
    event.preventDefault();
    event.target.closest("dialog").close();
    return;
  }
  const link = event.target.closest("a[data-dialog]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  const answer = await fetch(link.href).catch(() => null);
  const asked =
    answer &&
    answer.ok &&
    new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-ask]");
  if (!asked) {
    location.assign(link.href);
    return;
  }
  if (document.querySelector("dialog[open]")) return; // the link was pressed twice
  const dialog = document.createElement("dialog");
  dialog.className = "ask";
  dialog.setAttribute("aria-labelledby", asked.querySelector("h1").id);
  dialog.append(document.adoptNode(asked));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  // Enter held down on the link must not say yes.
  dialog.querySelector(":is(input:not([type=hidden]), select, textarea, [data-cancel])").focus();
});

function closeOtherMenus(event) {
  for (const menu of document.querySelectorAll("details.menu[open]"))
    if (!menu.contains(event.target)) menu.open = false;
}

// How many of a list's boxes are ticked, beside what can be done with them.
function countSelected() {
  for (const place of document.querySelectorAll("[data-selected]")) {
    const number = document.querySelectorAll("input[name=" + place.dataset.selected + "]:checked").length;
    place.textContent = number ? number.toLocaleString(document.documentElement.lang) + " " + place.dataset.words : "";
  }
}
document.addEventListener("change", countSelected);
addEventListener("pageshow", countSelected); // a page that is gone back to has its ticks again

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
  if (event.target.matches && event.target.matches("select[data-submit]")) {
    arrows = event.key !== "Enter" && event.key !== " ";
    if (event.key === "Enter" && !event.target.form.querySelector("[data-unneeded]")) {
      event.preventDefault();
      event.target.form.requestSubmit();
    }
  }
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    openPalette();
    return;
  }
  if (event.key === "Escape")
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  const dialog = event.target.closest && event.target.closest("#palette");
  if (!dialog) return;
  const places = palettePlaces(dialog),
    at = places.indexOf(document.activeElement);
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

// A menu that focus has left is closed: it would cover what comes next.
document.addEventListener("focusin", closeOtherMenus);

// The tab of this page is in view, also where tabs have to be scrolled.
function showTab() {
  for (const tab of document.querySelectorAll(".tabs [aria-current], .play-nav [aria-current]")) {
    const row = tab.closest(".tabs, .play-nav");
    row.scrollLeft = tab.offsetLeft - row.offsetLeft - row.clientWidth / 2 + tab.offsetWidth / 2;
  }
}
showTab();

// What is swapped in takes over the focus of what it replaces: the element of the same ID (htmx does that itself), one of those that
// data-then names, the link to the same place, or the swapped part as a whole.
let left = null;
document.addEventListener("htmx:beforeSwap", (event) => {
  const at = document.activeElement;
  left = event.detail.target.contains(at)
    ? {
        then: (at.dataset.then || "").split(" "),
        id: at.id,
        link: at.getAttribute("href"),
        part: event.detail.target.id,
      }
    : null;
});
document.addEventListener("htmx:afterSettle", () => {
  showTab();
  if (!left || (document.activeElement !== document.body && !left.then[0])) return;
  const part = document.getElementById(left.part) || document.getElementById("main");
  const same = left.link && [...part.querySelectorAll("a")].find((each) => each.getAttribute("href") === left.link);
  const next =
    [...left.then, left.id].map((id) => id && document.getElementById(id)).find((each) => each) || same || part;
  if (next === part && !part.hasAttribute("tabindex")) part.tabIndex = -1;
  next.focus();
  left = null;
});
