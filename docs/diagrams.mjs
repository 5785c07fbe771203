// Makes the pictures of the diagrams in docs/fine-tuning: each Mermaid fence becomes the SVG that the link after it names.
//
//     make diagrams
//
// It needs Chromium; CHROMIUM names it where it is not called chromium. A picture ends with the hash of the text that it
// was made of, so that a test can tell when it is stale.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const folder = "docs/fine-tuning";
const work = mkdtempSync(join(tmpdir(), "diagrams-"));
const path = execFileSync("which", [process.env.CHROMIUM ?? "chromium"], { encoding: "utf8" }).trim();
writeFileSync(join(work, "browser.json"), JSON.stringify({ args: ["--no-sandbox"], executablePath: path }));
// Labels as SVG text: what reads SVG outside of a browser knows nothing of HTML in it.
writeFileSync(join(work, "config.json"), JSON.stringify({ htmlLabels: false, flowchart: { htmlLabels: false }, deterministicIds: true }));

for (const page of readdirSync(folder).filter((name) => name.endsWith(".md"))) {
  const text = readFileSync(join(folder, page), "utf8");
  for (const [, source, name] of text.matchAll(/^```mermaid\n([^]*?)^```\n\n\[The same as a picture\]\(([a-z-]+)\.svg\)$/gm)) {
    const out = join(folder, `${name}.svg`);
    const [diagram, svg] = [join(work, `${name}.mmd`), join(work, `${name}.svg`)];
    writeFileSync(diagram, source);
    execFileSync("mmdc", ["-q", "-p", join(work, "browser.json"), "-c", join(work, "config.json"), "-I", name, "-i", diagram, "-o", svg], {
      stdio: "inherit",
    });
    const hash = createHash("sha256").update(source).digest("hex");
    writeFileSync(out, `${readFileSync(svg, "utf8").trim()}\n<!-- of ${hash} -->\n`);
    console.log(out);
  }
}
rmSync(work, { recursive: true });
