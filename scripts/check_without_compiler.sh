#!/usr/bin/env bash
# A clone with no compiler on the PATH: it installs and says what happens, trains LeNet for an epoch on WebAssembly and says
# so, and `npm start` begins AlexNet on it, which is stopped there.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  echo "$1" >&2
  exit 1
}
git clone -q "$root" "$work/flybrick"
mkdir "$work/bin"
for name in bash sh env node npm npx git timeout; do
  ln -s "$(command -v $name)" "$work/bin/$name"
done
cd "$work/flybrick"
(
  export PATH=$work/bin
  if command -v g++ || command -v cc || command -v clang++-19; then fail "a compiler is on the PATH"; fi
  npm ci --no-fund --no-audit --foreground-scripts >"$work/install.txt" 2>&1 || fail "$(<"$work/install.txt")"
  npx flybrick train lenet --sample --epochs 1 >"$work/lenet.txt"
  timeout 30 npm start >"$work/start.txt" && fail "npm start ended by itself" || true
)
says() {
  grep -q "$2" "$work/$1" || fail "$1 does not say: $2; but: $(<"$work/$1")"
}
says install.txt 'no C++ compiler (g++), so no native addon; WebAssembly does its work'
for output in lenet.txt start.txt; do
  says $output 'evice: wasm, WebAssembly'
  says $output '^The device "wasm" stands in, since the CPU device.s addon could not be loaded'
done
says lenet.txt '^Done'
says start.txt '^Training into runs/alexnet: batch 128'
echo "without a compiler, it installs and trains on WebAssembly"
