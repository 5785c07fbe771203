const form = document.querySelector("form");
const list = document.querySelector("ul");

function show(tasks) {
  list.replaceChildren(
    ...tasks.map((task, place) => {
      const item = document.createElement("li");
      item.textContent = task.title;
      item.classList.toggle("done", task.done);
      item.addEventListener("click", () => {
        task.done = !task.done;
        store(tasks);
      });
      item.dataset.place = place;
      return item;
    }),
  );
}

function store(tasks) {
  localStorage.setItem("tasks", JSON.stringify(tasks));
  show(tasks);
}

function load() {
  return JSON.parse(localStorage.getItem("tasks") ?? "[]");
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const title = form.elements.title.value.trim();
  if (title) {
    store([...load(), { title, done: false }]);
    form.reset();
  }
});

show(load());
