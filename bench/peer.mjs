// Parses files with the parser of bbj-language-server and prints one JSON object. bench/frontend.py runs it.
//
//     node bench/peer.mjs CHECKOUT/bbj-vscode LIST
//
// CHECKOUT is a clone of BBx-Kitchen/bbj-language-server after `npm install --ignore-scripts` in bbj-vscode; LIST is a
// file with a path a line. The parser is bundled once, beside the clone's own sources.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [checkout, list] = process.argv.slice(2).map((path) => resolve(path));

// The parser and its generator need a function that node has since 21.
function addGroupBy() {
  Object.groupBy ??= (items, key) => {
    const groups = {};
    for (const item of items) (groups[key(item)] ??= []).push(item);
    return groups;
  };
}
addGroupBy();

const bundle = join(checkout, "bench-parser.mjs");
if (!existsSync(bundle)) {
  const polyfill = join(checkout, "bench-polyfill.mjs");
  writeFileSync(polyfill, `(${addGroupBy})();\n`);
  const langium = join(checkout, "node_modules", "langium-cli", "bin", "langium.js");
  execFileSync(process.execPath, ["--import", polyfill, langium, "generate"], { cwd: checkout, stdio: ["ignore", 2, 2] });
  const entry = join(checkout, "bench-entry.mjs");
  writeFileSync(
    entry,
    `import { EmptyFileSystem } from "langium";
import { createBBjServices } from "./src/language/bbj-module.ts";
export const parser = createBBjServices(EmptyFileSystem).BBj.parser.LangiumParser;
`,
  );
  const esbuild = createRequire(join(checkout, "package.json"))("esbuild");
  esbuild.buildSync({
    entryPoints: [entry],
    outfile: bundle,
    bundle: true,
    format: "esm",
    platform: "node",
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
  });
}

console.debug = console.info = console.log; // the parser's own remarks go where nobody reads them
const write = process.stdout.write.bind(process.stdout);
process.stdout.write = () => true;
const { parser } = await import(pathToFileURL(bundle).href);
const rejected = [];
for (const path of readFileSync(list, "utf8").split("\n").filter(Boolean)) {
  const result = parser.parse(readFileSync(path, "latin1"));
  if (result.lexerErrors.length + result.parserErrors.length > 0) rejected.push(path);
}
write(JSON.stringify({ rejected }) + "\n");
