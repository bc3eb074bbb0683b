// The search of a key picker narrows it while one types: it is no part of the form around it then, which neither Enter nor its button sends.
for (const search of document.querySelectorAll("[data-key-search]")) {
  for (const field of search.querySelectorAll("input, button")) field.setAttribute("form", "no-form");
  search.querySelector("button").type = "button";
}
