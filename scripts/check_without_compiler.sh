#!/usr/bin/env bash
# A clone with no compiler on the PATH: installs, and trains on WebAssembly, and says so. Trains LeNet for an epoch, and
# AlexNet, as `npm start` does, until its first epoch is under way (`--whole`: to its end).
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git clone -q "$root" "$work/flybrick"
mkdir "$work/bin"
for name in bash sh env node npm npx git uname dirname; do
  ln -s "$(command -v $name)" "$work/bin/$name"
done
say() {
  echo "$1" >&2
  exit 1
}
cd "$work/flybrick"
export PATH=$work/bin
! command -v g++ cc clang++-19 || say "a compiler is on the PATH"
npm ci --no-fund --no-audit --foreground-scripts >"$work/install.txt" 2>&1 || say "$(<"$work/install.txt")"
[[ $(<"$work/install.txt") == *"no C++ compiler (g++), so no native addon; WebAssembly does its work"* ]] || say "the install did not say what happens without a compiler"
[[ $(npx flybrick train lenet --sample --epochs 1) == *"device: wasm, WebAssembly"*'The device "wasm" stands in'*"Done"* ]] || say "LeNet did not train on WebAssembly"
