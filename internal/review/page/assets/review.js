// The keys of the comparison. Without this script the page is a form like any other.
"use strict";

const keyed = {
  form: () => document.getElementById("vote"),
  previous: () => document.getElementById("previous"),
  next: () => document.getElementById("next"),
};

function questions() {
  const form = keyed.form();
  return form ? [...form.querySelectorAll(".question")] : [];
}

function answered(question) {
  return question.querySelector("input:checked") !== null;
}

function mark(question) {
  for (const q of questions()) q.classList.toggle("active", q === question);
}

function marked() {
  return questions().find((q) => q.classList.contains("active"));
}

// markNext marks the first question without an answer behind the given one, else
// the first without one, else the last.
function markNext(question) {
  const all = questions();
  const open = all.filter((q) => !answered(q));
  mark(open.find((q) => all.indexOf(q) > all.indexOf(question)) || open[0] || all[all.length - 1]);
}

function choose(value) {
  const question = marked();
  if (!question) return;
  const input = question.querySelector('input[value="' + value + '"]');
  input.checked = true;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

function step(by) {
  const all = questions();
  const at = all.indexOf(marked());
  const to = all[Math.min(all.length - 1, Math.max(0, at + by))];
  if (to) mark(to);
}

function toggleFindings() {
  const all = [...document.querySelectorAll("details.findings")].filter((d) => d.offsetParent !== null);
  const open = all.some((d) => !d.open);
  for (const d of all) d.open = open;
}

function press(id) {
  const button = document.getElementById(id);
  if (button && !button.disabled) button.click();
}

// note leads into the note once the key is up, so that it is not written there.
function note() {
  const form = keyed.form();
  if (form) document.addEventListener("keyup", () => form.querySelector("textarea").focus(), { once: true });
}

function help() {
  const dialog = document.getElementById("help");
  if (dialog && !dialog.open) dialog.showModal();
}

const actions = {
  1: () => choose("left"),
  2: () => choose("right"),
  0: () => choose("tie"),
  9: () => choose("bad"),
  ArrowUp: () => step(-1),
  ArrowDown: () => step(1),
  ArrowLeft: () => keyed.previous() && keyed.previous().click(),
  ArrowRight: () => keyed.next() && keyed.next().click(),
  Enter: () => keyed.form() && keyed.form().requestSubmit(),
  n: note,
  d: toggleFindings,
  u: () => press("undo"),
  "?": help,
};

document.addEventListener("keydown", (event) => {
  const at = event.target;
  const dialog = document.getElementById("help");
  if (dialog && dialog.open) return;
  if (at.tagName === "TEXTAREA") {
    if (event.key === "Escape") at.blur();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) keyed.form().requestSubmit();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const arrow = event.key.startsWith("Arrow");
  // Within a group of radio buttons, and in code that scrolls, arrows mean what they
  // always do; Enter on a link or a button is theirs.
  if (arrow && (at.type === "radio" || at.tagName === "PRE")) return;
  if (event.key === "Enter" && at.closest("a, button, summary")) return;
  if (at.tagName === "INPUT" && at.type !== "radio") return;
  const act = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!act || !questions().length && event.key !== "?" && event.key !== "Enter" && !arrow) return;
  event.preventDefault();
  act();
});

document.addEventListener("change", (event) => {
  const question = event.target.closest(".question");
  if (question) markNext(question);
});

document.addEventListener("focusin", (event) => {
  const question = event.target.closest(".question");
  if (question) mark(question);
});

// A form that is sent is not sent again by a second press.
document.addEventListener("submit", (event) => {
  if (document.body.dataset.page !== "compare") return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});

window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form")) delete form.dataset.sent;
});

const keys = document.getElementById("keys");
if (keys) {
  keys.hidden = false;
  keys.addEventListener("click", help);
}
markNext(null);
