// The boxes of a list: all at once, how many are ticked, and ticks that stay while one pages, sorts or narrows the list. They are kept
// in this tab (sessionStorage) by the list's endpoint, account and Region, and forgotten when an action was begun with them:
// the page after the form that begins it forgets them, unless that is the form once more. That page may be left before its scripts run,
// as may any page be ticked before they do; so the next page looks as well, and what is ticked by then counts.
const MOST = 900; // what one form may send
const BEGUN = "ticks begun"; // among the ticks, to go with them

function form() {
  return document.querySelector("form[data-ticks]");
}

function kept(list) {
  return new Set(JSON.parse(sessionStorage.getItem("ticks " + list.dataset.ticks) || "[]"));
}

function keep(list, ticks) {
  sessionStorage.setItem("ticks " + list.dataset.ticks, JSON.stringify([...ticks]));
}

function boxes(list) {
  return [...list.querySelectorAll("input[type=checkbox][name=key]")];
}

// What is ticked on other pages goes with the form in fields of its own.
function show(list, full = false) {
  const here = new Set(boxes(list).map((box) => box.value));
  const others = [...kept(list)].filter((value) => !here.has(value));
  for (const field of list.querySelectorAll("input[data-other-page]")) field.remove();
  for (const value of others) {
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name: "key", value });
    field.dataset.otherPage = "";
    list.append(field);
  }
  const place = list.querySelector("[data-ticked]");
  const number = others.length.toLocaleString(document.documentElement.lang);
  if (place) {
    const words = others.length ? "(" + number + " " + place.dataset.words + ")" : "";
    place.textContent = full ? words + " " + place.dataset.most : words;
    place.hidden = !place.textContent;
  }
  const clear = list.querySelector("[data-untick]");
  if (clear) clear.hidden = !kept(list).size;
}

function countSelected() {
  for (const place of document.querySelectorAll("[data-selected]")) {
    const name = place.dataset.selected;
    const fields = "input[name=" + name + "]:checked, input[name=" + name + "][data-other-page]";
    const number = document.querySelectorAll(fields).length;
    place.textContent = number ? number.toLocaleString(document.documentElement.lang) + " " + place.dataset.words : "";
  }
}

function ticked(changed) {
  const list = form();
  if (list) {
    const ticks = kept(list);
    let full = false;
    for (const box of changed) {
      full ||= box.checked && !ticks.has(box.value) && ticks.size >= MOST;
      if (full) box.checked = ticks.has(box.value);
      ticks[box.checked ? "add" : "delete"](box.value);
    }
    keep(list, ticks);
    show(list, full);
  }
  countSelected();
}

function restore() {
  if (document.querySelector("form[data-ticks-begin]")) sessionStorage.removeItem(BEGUN);
  if (document.querySelector("[data-ticks-done]") || sessionStorage.getItem(BEGUN)) {
    for (const name of Object.keys(sessionStorage)) if (name.startsWith("ticks ")) sessionStorage.removeItem(name);
  }
  const list = form();
  if (list) {
    const ticks = kept(list);
    for (const box of boxes(list)) box.checked = ticks.has(box.value);
    show(list);
  }
  countSelected();
}

document.addEventListener("change", (event) => {
  if (event.target.matches("form[data-ticks] [name=key]")) ticked([event.target]);
});
document.addEventListener("htmx:afterSwap", restore); // another list, in the same moment
addEventListener("pageshow", restore);
document.addEventListener("submit", (event) => {
  if (event.target.matches("form[data-ticks-begin]")) sessionStorage.setItem(BEGUN, "1");
});
if (form()) ticked(boxes(form()).filter((box) => box.checked !== box.defaultChecked));

document.addEventListener("click", (event) => {
  const all = event.target.closest("[data-select-all]");
  if (all) {
    const chosen = [...document.querySelectorAll("input[type=checkbox][name=" + all.dataset.selectAll + "]")];
    for (const box of chosen) box.checked = all.checked;
    ticked(chosen);
  }
  if (event.target.closest("[data-untick]")) {
    keep(form(), []);
    restore();
  }
});
