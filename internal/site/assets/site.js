// What the pages do beyond being read: search, a choice of light and dark, and copying.
// All of it works without a network and from a disk; nothing leaves the browser.
"use strict";
(() => {
  const root = document.documentElement;
  const themes = ["auto", "light", "dark"];
  let theme = "auto";
  try {
    theme = localStorage.getItem("bbjtune-theme") ?? "auto";
  } catch {
    // Some browsers keep nothing for pages from a disk.
  }
  const paint = () => {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    else delete root.dataset.theme;
  };
  paint(); // before anything is shown

  const element = (name, text) => {
    const e = document.createElement(name);
    if (text !== undefined) e.textContent = text;
    return e;
  };

  const themeButton = () => {
    const button = document.getElementById("theme");
    const name = () => {
      button.textContent = { light: "Light", dark: "Dark" }[theme] ?? "Auto";
      button.setAttribute("aria-label", "Colours: " + button.textContent);
    };
    button.addEventListener("click", () => {
      theme = themes[(themes.indexOf(theme) + 1) % themes.length];
      try {
        localStorage.setItem("bbjtune-theme", theme);
      } catch {
        // It holds for this page then.
      }
      paint();
      name();
    });
    name();
    button.hidden = false;
  };

  const copyButtons = () => {
    if (!navigator.clipboard) return;
    for (const pre of document.querySelectorAll("pre.code")) {
      const box = element("div");
      box.className = "copied";
      pre.replaceWith(box);
      const button = element("button", "Copy");
      button.type = "button";
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(pre.textContent);
        button.textContent = "Copied";
        setTimeout(() => (button.textContent = "Copy"), 1500);
      });
      box.append(pre, button);
    }
  };

  // The index is fetched when somebody wants to search, as a script: a page from a
  // disk may read no other file.
  let loading;
  const load = () =>
    (loading ??= new Promise((done, failed) => {
      const script = element("script");
      script.src = root.dataset.root + "search-index.js";
      script.onload = () => {
        for (const e of searchIndex.entries) {
          e.title = searchIndex.pages[e.p].n.toLowerCase();
          e.head = (e.h ?? "").toLowerCase();
          e.body = e.t.toLowerCase();
        }
        done();
      };
      script.onerror = failed;
      document.head.append(script);
    }));

  // How often a word stands in a text; as the start of another it counts, within one less.
  const count = (text, word) => {
    let n = 0;
    for (let i = text.indexOf(word); i >= 0 && n < 20; i = text.indexOf(word, i + word.length)) {
      n += i === 0 || !/[\p{L}\p{N}_]/u.test(text[i - 1]) ? 1 : 0.3;
    }
    return n;
  };

  // What is found, the best first: a rare word weighs more than a common one (Okapi
  // BM25), a heading more than the text below it. The weight of what a place lacks
  // counts against it, so that a question may have words that no answer has.
  const find = (words) => {
    const all = searchIndex.entries;
    const usual = all.reduce((sum, e) => sum + e.body.length, 0) / all.length;
    const phrase = words.join(" ");
    const places = all.map((e) => ({ e, sum: 0, has: 0 }));
    let whole = 0;
    for (const w of words) {
      const counts = all.map((e) => [count(e.title, w), count(e.h ? e.head : e.title, w), count(e.body, w)]);
      const weight = Math.log(1 + all.length / (1 + counts.filter((c) => Math.max(...c) >= 1).length));
      whole += weight;
      counts.forEach(([title, head, body], i) => {
        if (!title && !head && !body) return;
        places[i].has += weight;
        const long = 0.4 + (0.6 * all[i].body.length) / usual;
        places[i].sum += weight * (3 * Math.min(1, title) + 5 * Math.min(1, head) + (2.2 * body) / (body + 1.2 * long));
      });
    }
    const list = [];
    for (const { e, sum, has } of places) {
      const share = has / whole;
      if (share <= 0.5) continue;
      const joined = words.length < 2 ? 1 : e.head.includes(phrase) ? 2 : e.body.includes(phrase) ? 1.5 : 1;
      list.push([sum * joined * share ** 4 * searchIndex.pages[e.p].w, e, share > 0.999]);
    }
    return list.sort(([a], [b]) => b - a);
  };

  const marked = (text, words) => {
    const low = text.toLowerCase();
    const span = element("span");
    const first = Math.min(...words.map((w) => low.indexOf(w)).filter((i) => i >= 0), low.length);
    const from = first === low.length || first < 60 ? 0 : low.lastIndexOf(" ", first - 40) + 1;
    let at = from;
    const to = Math.min(text.length, from + 180);
    if (from > 0) span.append("… ");
    while (at < to) {
      let next = to, hit = "";
      for (const w of words) {
        const i = low.indexOf(w, at);
        if (i >= 0 && i < next) [next, hit] = [i, w];
      }
      span.append(text.slice(at, next));
      if (hit) span.append(element("mark", text.slice(next, next + hit.length)));
      at = next + Math.max(hit.length, next === to ? 1 : 0);
    }
    if (to < text.length) span.append(" …");
    return span;
  };

  const shown = 20;
  const search = () => {
    const [form, input, found, said, hits] = ["search", "words", "found", "count", "hits"].map((id) => document.getElementById(id));
    const close = () => (found.hidden = true);
    const show = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      hits.replaceChildren();
      if (!words.length) return close();
      const list = find(words);
      for (const [, e] of list.slice(0, shown)) {
        const page = searchIndex.pages[e.p];
        const link = element("a");
        link.href = root.dataset.root + page.l + (e.a ? "#" + e.a : "");
        link.append(element("b", e.h ?? page.n), e.h ? element("small", page.n) : "", marked(e.t, words));
        link.addEventListener("click", close);
        const item = element("li");
        item.append(link);
        hits.append(item);
      }
      said.textContent = list.length === 0 ? "Nothing has all of these words. The examples are not searched here: they are files, in training-data." : !list.some(([, , every]) => every) ? "Nothing has all of these words; the nearest:" : list.length > shown ? `${list.length} places, the best ${shown}:` : `${list.length} ${list.length === 1 ? "place" : "places"}`;
      found.hidden = false;
    };
    const run = () => load().then(show, () => {
      said.textContent = "The index of the search is missing.";
      found.hidden = false;
    });
    input.addEventListener("focus", () => load().catch(() => {}));
    input.addEventListener("input", run);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      hits.querySelector("a")?.click();
    });
    document.addEventListener("click", (event) => {
      if (!found.contains(event.target) && !form.contains(event.target)) close();
    });
    document.addEventListener("keydown", (event) => {
      const links = [input, ...hits.querySelectorAll("a")];
      const at = links.indexOf(document.activeElement);
      if (event.key === "/" && !/^(INPUT|TEXTAREA)$/.test(document.activeElement.tagName) && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        input.focus();
        input.select();
      } else if (event.key === "Escape" && !found.hidden) {
        close();
        input.focus();
      } else if (at >= 0 && !found.hidden && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
        event.preventDefault();
        links[(at + (event.key === "ArrowDown" ? 1 : -1) + links.length) % links.length].focus();
      }
    });
    form.hidden = false;
  };

  // The page that is shown is seen in a long menu.
  const placeMenu = () => {
    const menu = document.getElementById("pages"), here = menu.querySelector("[aria-current]");
    if (here && here.offsetTop > menu.clientHeight) menu.scrollTop = here.offsetTop - menu.clientHeight / 2;
  };

  document.addEventListener("DOMContentLoaded", () => {
    placeMenu();
    themeButton();
    copyButtons();
    search();
  });
})();
