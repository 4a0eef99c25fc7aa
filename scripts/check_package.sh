#!/usr/bin/env bash
# Packs the package, installs it elsewhere without install scripts, and uses it as a consumer would: on Node, and
# type-checked by TypeScript 5.9, 6 and 7 and by Deno (test/consumer).
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$root"
npx publint --strict --pack npm
# The build is there already; packing must not run it again.
npm pack --ignore-scripts --pack-destination "$work" >/dev/null
cd "$work"
npm init -y >/dev/null
npm pkg set type=module >/dev/null
npm install --ignore-scripts --no-fund --no-audit "$work"/flybrick-*.tgz >/dev/null
cat >use.ts <<'TS'
import { crossEntropy, type Tensor, tensor } from "flybrick";
import { Dataset } from "flybrick/data";
import { lenet } from "flybrick/models";
import * as nn from "flybrick/nn";
import { sgd } from "flybrick/optim";
import { train } from "flybrick/train";

const net: nn.Sequential = nn.sequential([4], nn.linear(4, 3));
const optimizer = sgd(net.parameters(), { learningRate: 0.1 });
const loss: Tensor = crossEntropy(net.forward(tensor([1, 2, 3, 4], [1, 4])), tensor(Int32Array.from([2])));
loss.backward();
await optimizer.step();
const value: number = await loss.item();
if (!Number.isFinite(value) || typeof train !== "function" || typeof Dataset !== "function" || lenet().parameterCount() !== 61_706) {
  throw new Error("the package does not work");
}
TS
"$root/node_modules/.bin/tsc" --strict --exactOptionalPropertyTypes --noUncheckedIndexedAccess --skipLibCheck false \
  --module nodenext --target es2022 --outDir . use.ts
node use.js

consumer=$root/test/consumer
(cd "$consumer" && npm ci --no-fund --no-audit >/dev/null)
cp "$consumer/consumer.ts" .
for version in 5 6 7; do
  for modules in "nodenext nodenext" "esnext bundler"; do
    read -r module resolution <<<"$modules"
    "$consumer/node_modules/typescript$version/bin/tsc" --noEmit --strict --skipLibCheck false --target es2022 \
      --module "$module" --moduleResolution "$resolution" consumer.ts
    echo "TypeScript $version finds the right types and mistakes, moduleResolution $resolution"
  done
done
echo '{ "nodeModulesDir": "manual" }' >deno.json
export DENO_NO_UPDATE_CHECK=1
"$consumer/node_modules/.bin/deno" check consumer.ts
"$consumer/node_modules/.bin/deno" run --allow-all consumer.ts
echo "Deno finds the right types and mistakes, and runs the network"

# docs/browser.md, block by block, as someone with a page would use it.
mkdir page
node - "$root/docs/browser.md" <<'JS'
const { readFileSync, writeFileSync } = require("node:fs");
const text = readFileSync(process.argv[2], "utf8");
const blocks = [...text.matchAll(/```(?:ts|json)\n([\s\S]*?)```/g)].map((match) => match[1]);
const names = ["page.ts", "worker.ts", "wasm.ts", "tsconfig.json"];
if (blocks.length !== names.length) throw new Error(`docs/browser.md has ${blocks.length} blocks of code`);
for (const [i, name] of names.entries()) writeFileSync(`page/${name}`, blocks[i]);
JS
for version in 5 6 7; do
  "$consumer/node_modules/typescript$version/bin/tsc" -p page --skipLibCheck false
done
# esbuild fails where something of Node's is imported.
"$root/node_modules/.bin/esbuild" page/page.ts page/worker.ts page_worker=flybrick/page_worker.js --bundle --platform=browser --format=esm --target=es2022 \
  --minify --outdir=page --log-level=warning
size=$(gzip -9c page/worker.js | wc -c)
[ "$size" -lt 100000 ]
echo "the packed package type-checks and bundles for a browser: LeNet's training in $size bytes gzipped"

npx flybrick devices | grep -q '^\* cpu'
npx flybrick train softmax --sample --epochs 1 --learning-rate 0.1 --json | tail -n 1 | grep -q '"event":"done"'
npx flybrick predict lenet node_modules/flybrick/samples/images/pullover.png --json | grep -q '"guesses":\[{"label":"pullover"'
npx flybrick export lenet --out lenet.onnx && test -s lenet.onnx
rm -r node_modules/flybrick/prebuilt
npx flybrick devices | grep -q '^\* wasm'
echo "the packed package installs, type-checks, computes on the CPU device and on WebAssembly, trains, predicts and exports"
