// What pages do beyond links, forms and htmx. Without it everything still works.
"use strict";
for (const button of document.querySelectorAll("button[data-copy]")) {
  if (navigator.clipboard) button.hidden = false;
}
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button || !navigator.clipboard) return;
  const label = button.textContent;
  await navigator.clipboard.writeText(button.dataset.copy);
  button.textContent = button.dataset.copied;
  setTimeout(() => { button.textContent = label; }, 2000);
});
document.addEventListener("htmx:load", (event) => {
  for (const button of event.target.querySelectorAll("button[data-copy]")) {
    if (navigator.clipboard) button.hidden = false;
  }
});
const problems = document.getElementById("problems");
if (problems) problems.focus();

// Keys that move in a list of [data-item] and to the buttons that decide. They decide
// nothing by themselves, and can be turned off.
const keys = document.querySelector("[data-keys]");
if (keys) {
  const button = keys.querySelector("[data-keys-off]");
  const said = keys.querySelector("[data-keys-said]");
  let on = localStorage.getItem("keys") !== "off";
  const show = () => { button.textContent = on ? button.dataset.keysOff : button.dataset.keysOn; button.setAttribute("aria-pressed", String(!on)); };
  const move = (by) => {
    const items = [...document.querySelectorAll("[data-item]")];
    const at = items.indexOf(document.activeElement);
    const next = items[Math.min(Math.max(at < 0 ? 0 : at + by, 0), items.length - 1)];
    if (!next) return;
    next.focus();
    said.textContent = said.dataset.keysSaid.replace("{at}", items.indexOf(next) + 1).replace("{all}", items.length);
  };
  const choose = (what) => {
    const here = document.getElementById(what);
    if (here) return here.focus();
    const item = document.activeElement.closest("[data-item]");
    if (item) location.href = item.href + "#" + what;
  };
  const does = { j: () => move(1), k: () => move(-1), a: () => choose("approve"), d: () => choose("deny") };
  keys.hidden = false;
  show();
  button.addEventListener("click", () => { on = !on; localStorage.setItem("keys", on ? "on" : "off"); show(); });
  document.addEventListener("keydown", (event) => {
    if (!on || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
    if (does[event.key]) { event.preventDefault(); does[event.key](); }
  });
  const wanted = { "#approve": "approve", "#deny": "deny" }[location.hash];
  if (wanted) document.getElementById(wanted)?.focus();
}

// A tick that is saved at once goes back to what it was when that failed, and says so.
document.documentElement.classList.add("js");
for (const name of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, (event) => {
    const form = event.detail.elt;
    const tick = form && form.querySelector && form.querySelector("input[data-live]");
    if (!tick) return;
    tick.checked = !tick.checked;
    const answer = event.detail.xhr && event.detail.xhr.responseText;
    const said = answer ? new DOMParser().parseFromString(answer, "text/html").querySelector(".notice") : null;
    const live = document.getElementById("live");
    if (live) live.textContent = tick.dataset.live + (said ? " " + said.textContent : "");
  });
}
