#!/usr/bin/env bash
# Runs the notebooks from top to bottom at a small setting, and looks at what they show.
set -euo pipefail
cd "$(dirname "$0")/../lessons"
if ! command -v jupyter-nbconvert >/dev/null; then
  apt-get update -q >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends jupyter-nbconvert >/dev/null
fi
npm ci --no-fund --no-audit
# Looks at what the cells show; fails where anything is amiss.
check_outputs() {
  node - <<'JS'
const { readFileSync } = require("node:fs");
const cellsOf = (path) =>
  Object.fromEntries(JSON.parse(readFileSync(path, "utf8")).cells.map((cell) => [cell.id, cell]));
const cells = cellsOf("../runs/lessons/alexnet.ipynb");
const shown = (id, type) => cells[id].outputs.map((one) => [one.data?.[type] ?? one.text ?? ""].flat().join("")).join("");
const images = (svg) => svg.match(/<image /g)?.length;
const expectations = {
  "the shapes are the note's": /MaxPool2d output shape:\t \[ 1, 256, 5, 5 \]\nFlatten output shape:\t \[ 1, 6400 \]/.test(shown("shapes", "text/plain")),
  "every layer has its shape": shown("shapes", "text/plain").match(/output shape/g)?.length === 21,
  "the pictures are there": images(shown("pictures", "image/svg+xml")) === 20,
  "one drawing of the curves was updated to the end": cells.training.outputs.length === 1 &&
    /loss \d\.\d{3}, train acc 0\.\d{3}, test acc 0\.\d{3}/.test(shown("training", "image/svg+xml")),
  "the results are numbers": /\| 128 \| 2 \| \d\.\d{3} \| 0\.\d{3} \| 0\.\d{3} \|/.test(shown("results", "text/markdown")),
  "the answers are there": images(shown("answers", "image/svg+xml")) === 20,
  "the stored notebook has no outputs": Object.values(cellsOf("alexnet.ipynb")).every(
    ({ outputs = [], execution_count = null }) => outputs.length === 0 && execution_count === null,
  ),
};
for (const [what, holds] of Object.entries(expectations)) {
  console.log(`${holds ? "ok" : "FAILED"}: ${what}`);
  if (!holds) process.exitCode = 1;
}
JS
}

# Deno's kernel publishes without waiting for its socket, so that a message is lost now and then, and a cell's picture
# with it (1 run of 8, measured). A fault of ours shows in every run.
for attempt in 1 2 3; do
  FLYBRICK_LESSON_EPOCHS=2 FLYBRICK_LESSON_IMAGES=128 npm run notebook
  if check_outputs; then exit 0; fi
  echo "attempt $attempt of 3: an output is missing"
done
exit 1
