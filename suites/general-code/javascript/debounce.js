export function debounce(work, milliseconds) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...values), milliseconds);
  };
}

export function throttle(work, milliseconds) {
  let last = 0;
  return (...values) => {
    const now = Date.now();
    if (now - last >= milliseconds) {
      last = now;
      work(...values);
    }
  };
}

const save = debounce((text) => console.log("saved", text), 200);
save("a");
save("ab");
