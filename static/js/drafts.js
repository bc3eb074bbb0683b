// Text that is not sent yet, of forms with [data-draft]: leaving the page warns, and the text is there when one comes back to it in this
// tab. What was sent stays a draft until a page shows that it was taken. Passwords, files and fields with [data-no-draft] are never kept.
const template = document.getElementById("draft-restored");
const owner = document.body.dataset.draftsOf;
const prefix = `draft ${owner} `;
const SIGNED_OUT = "signed out"; // in the storage of all tabs: when
let sending = false;

function fields(form) {
  return [...form.elements].filter(
    (at) => at.name && !at.matches("button, fieldset, [type=hidden], [type=password], [type=file], [data-no-draft]"),
  );
}
const ticks = (at) => at.matches("[type=checkbox], [type=radio]");
const chosen = (select, which) => [...select.options].map((option) => option[which]);

function changed(at) {
  if (ticks(at)) return at.checked !== at.defaultChecked;
  if (at.matches("select")) {
    const begun = chosen(at, "defaultSelected");
    if (!at.multiple && !begun.includes(true)) begun[0] = true; // as browsers show a list of which nothing is marked
    return chosen(at, "selected").some((is, number) => is !== begun[number]);
  }
  return at.value !== at.defaultValue;
}
const unsaved = (form) => "unsaved" in form.dataset || fields(form).some(changed);
const drafts = (root = document) => [...root.querySelectorAll("form[data-draft]")];

// The place of a form's draft: a form that came into a dialog has it where its own page has it.
function place(form) {
  const action = new URL(form.getAttribute("action") || location.pathname, location.href).pathname;
  const search = new URLSearchParams(form.closest("dialog") ? "" : location.search);
  search.delete("then"); // where a step of the wizard leads on to
  return `${prefix}${form.dataset.draft} ${action}?${search}`;
}

function store(form, sent = false) {
  if (!owner) return;
  if (!sent && !unsaved(form)) {
    sessionStorage.removeItem(place(form));
    return;
  }
  const values = fields(form).map((at) => [at.name, ticks(at) ? at.value : null, ticks(at) ? at.checked : at.value]);
  sessionStorage.setItem(place(form), JSON.stringify({ name: form.dataset.draft, when: Date.now(), sent, values }));
}

function load(key) {
  return JSON.parse(sessionStorage.getItem(key));
}

// Put the values of a draft into its form. Of a name that several fields have, the first draft value is the first field's.
function fill(form, values) {
  const left = [...values];
  for (const at of fields(form)) {
    const number = left.findIndex(([name, value]) => name === at.name && (value === null || value === at.value));
    if (number < 0) continue;
    const [[, , given]] = left.splice(number, 1);
    if (ticks(at)) at.checked = given;
    else at.value = given;
    if (at.matches("textarea")) at.dispatchEvent(new Event("input", { bubbles: true })); // what watches it looks again
  }
  return left.filter(([, value, given]) => value === null && given !== "");
}

// Rows that the draft has more of than the form: the button that adds one is sent with the draft's values.
async function addRows(form, left, values) {
  const button = form.querySelector("button[name=more][hx-post]");
  if (!button || !left.length || !window.htmx) return;
  const given = { more: "1", csrfmiddlewaretoken: form.elements.csrfmiddlewaretoken.value };
  for (const [name, value, text] of values) if (value === null) (given[name] ||= []).push(text);
  const target = button.getAttribute("hx-target");
  const select = button.getAttribute("hx-select");
  await window.htmx.ajax("POST", button.getAttribute("hx-post"), { target, select, swap: "outerHTML", values: given });
}

function tell(form, when) {
  const message = template.content.firstElementChild.cloneNode(true);
  const [words, discard] = [message.querySelector("p"), message.querySelector("button")];
  const text = words.textContent;
  words.textContent = "";
  discard.addEventListener("click", () => {
    delete form.dataset.unsaved;
    form.reset();
    sessionStorage.removeItem(place(form));
    message.remove();
    for (const at of form.querySelectorAll("textarea")) at.dispatchEvent(new Event("input", { bubbles: true }));
    (form.querySelector("textarea, input:not([type=hidden])") || form).focus();
  });
  form.before(message);
  // As all pages write times, 2026-06-30 14:05, which is how Swedish does.
  const time = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "short" });
  // Into a region that is there already: that is when it is read out.
  requestAnimationFrame(() => {
    words.textContent = text.replace("{when}", time.format(when));
  });
}

export function restore(root = document) {
  for (const form of owner ? drafts(root) : []) {
    const draft = load(place(form));
    if (!draft || draft.sent || "unsaved" in form.dataset) continue;
    const left = fill(form, draft.values);
    if (!left.length && !unsaved(form)) {
      sessionStorage.removeItem(place(form));
      continue;
    }
    if (left.length) form.dataset.unsaved = "";
    tell(form, draft.when);
    addRows(form, left, draft.values);
  }
}

// What was sent: the page that answers has the form again (an error, a preview), says that it failed, or shows that it was taken.
function settle() {
  const moved = performance.getEntriesByType("navigation")[0]?.type;
  const posted = "posted" in document.body.dataset;
  const failed = document.querySelector("#main [role=alert]") !== null;
  for (const key of Object.keys(sessionStorage).filter((each) => each.startsWith(prefix))) {
    const draft = load(key);
    if (!draft.sent) continue;
    const form = posted && drafts().find((each) => each.dataset.draft === draft.name);
    if (!form && !failed && moved === "navigate") {
      sessionStorage.removeItem(key);
      continue;
    }
    sessionStorage.setItem(key, JSON.stringify({ ...draft, sent: false }));
    if (!form) continue;
    sessionStorage.removeItem(key);
    form.dataset.unsaved = "";
    store(form);
  }
}
forget();
settle();
document.addEventListener("DOMContentLoaded", () => restore()); // htmx is there by then

for (const name of ["input", "change"])
  document.addEventListener(name, (event) => {
    const form = event.target.form;
    if (form && form.matches("[data-draft]")) store(form);
  });

document.addEventListener("submit", (event) => {
  if (event.defaultPrevented) return;
  if (event.target.matches("[data-sign-out]")) {
    localStorage.setItem(SIGNED_OUT, Date.now());
    forget();
  } else if (event.target.matches("[data-draft]")) {
    store(event.target, true);
    sending = true;
  }
});

// The tabs of a browser are signed out together: each forgets the drafts of before, one that is between two pages on the next.
function forget() {
  const signedOut = Number(localStorage.getItem(SIGNED_OUT));
  for (const key of Object.keys(sessionStorage).filter((each) => each.startsWith("draft ")))
    if (load(key).when <= signedOut) sessionStorage.removeItem(key);
}
addEventListener("storage", (event) => {
  if (event.key === SIGNED_OUT) forget();
});

addEventListener("beforeunload", (event) => {
  if (!sending && drafts().some(unsaved)) event.preventDefault();
});
addEventListener("pageshow", () => {
  sending = false;
});

// A part that is swapped takes its forms with it: that is leaving them.
document.addEventListener("htmx:beforeRequest", (event) => {
  const { target, elt } = event.detail;
  const lost = drafts(target).filter((form) => !form.contains(elt) && unsaved(form));
  if (lost.length && !confirm(template.dataset.leave)) event.preventDefault();
});
document.addEventListener("htmx:afterSettle", (event) => {
  const form = event.target.closest("form[data-draft]");
  if (!form) {
    restore(event.target);
  } else if (event.target.querySelector("input, select, textarea")) {
    form.dataset.unsaved = ""; // what was typed is what the new fields begin with
    store(form);
  }
});
