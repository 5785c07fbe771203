
// The page that is filled in offline: one comparison at a time, answers kept in the
// browser where it allows that, and saved to a file.
(() => {
  const body = document.body;
  const articles = [...document.querySelectorAll(".comparison")];
  const store = "bbjtune-review-" + body.dataset.review + "-" + body.dataset.token;
  const dimensions = ["quality", "idiom", "documentation", "overall"];
  let votes = {};
  let past = [];
  let place = 0;
  let since = Date.now();
  let saved = true;

  try {
    const kept = JSON.parse(localStorage.getItem(store) || "{}");
    votes = kept.votes || {};
    past = kept.past || [];
  } catch {
    votes = {};
  }

  function keep() {
    saved = false;
    try {
      localStorage.setItem(store, JSON.stringify({ votes, past }));
    } catch {
      // Some browsers keep nothing for files; the answers are in the page until saved.
    }
    count();
  }

  function count() {
    const done = Object.keys(votes).length;
    document.getElementById("done").textContent = done;
    document.querySelector("progress").value = done;
    document.getElementById("undo").disabled = past.length === 0;
  }

  // show shows the comparison at a place, 0 the start and one too many the end.
  function show(to) {
    place = Math.max(0, Math.min(articles.length + 1, to));
    document.getElementById("start").hidden = place !== 0;
    document.getElementById("finish").hidden = place <= articles.length;
    articles.forEach((a, i) => { a.hidden = i + 1 !== place; });
    document.getElementById("number").textContent = Math.min(place, articles.length);
    since = Date.now();
    window.scrollTo(0, 0);
    fill();
    markNext(null);
  }

  function fill() {
    const form = keyed.form();
    if (!form) return;
    const vote = votes[place];
    form.reset();
    if (!vote) return;
    for (const d of dimensions) form.querySelector('input[name="' + d + '"][value="' + vote.choices[d] + '"]').checked = true;
    form.querySelector("textarea").value = vote.note;
  }

  function goOn() {
    for (let i = 1; i <= articles.length; i++) {
      const to = (place + i - 1) % articles.length + 1;
      if (!votes[to]) return show(to);
    }
    show(articles.length + 1);
  }

  keyed.form = () => place >= 1 && place <= articles.length ? articles[place - 1].querySelector("form") : null;

  for (const a of articles) {
    a.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      const data = new FormData(event.target);
      const choices = {};
      for (const d of dimensions) choices[d] = data.get(d);
      past.push({ place, before: votes[place] || null });
      votes[place] = { choices, note: data.get("note"), seconds: (Date.now() - since) / 1000, at: new Date().toISOString() };
      keep();
      goOn();
    });
  }

  document.getElementById("previous").addEventListener("click", () => show(place - 1));
  document.getElementById("next").addEventListener("click", () => show(place + 1));
  document.getElementById("begin").addEventListener("click", goOn);
  document.querySelector(".home").addEventListener("click", (event) => { event.preventDefault(); show(0); });
  document.getElementById("undo").addEventListener("click", () => {
    const last = past.pop();
    if (!last) return;
    if (last.before) votes[last.place] = last.before; else delete votes[last.place];
    keep();
    show(last.place);
  });
  document.getElementById("save").addEventListener("click", () => {
    const list = Object.keys(votes).map(Number).sort((a, b) => a - b).map((p) => ({ place: p, ...votes[p] }));
    const text = JSON.stringify({ version: Number(body.dataset.version), review: body.dataset.review, token: body.dataset.token, votes: list }, null, 1);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = "review-" + body.dataset.reviewer.replace(/[^\p{L}\p{N}]+/gu, "-") + ".json";
    link.click();
    saved = true;
  });
  window.addEventListener("beforeunload", (event) => {
    if (!saved) event.preventDefault();
  });
  count();
  show(0);
})();
