export function table(rows) {
  const names = Object.keys(rows[0] ?? {});
  const widths = names.map((name) => Math.max(name.length, ...rows.map((row) => String(row[name]).length)));
  const line = (cells) => cells.map((cell, i) => String(cell).padEnd(widths[i])).join(" | ");
  return [line(names), widths.map((width) => "-".repeat(width)).join("-|-"), ...rows.map((row) => line(names.map((name) => row[name])))].join("\n");
}

console.log(
  table([
    { name: "Ann", city: "Oslo" },
    { name: "Robert", city: "Rome" },
  ]),
);
