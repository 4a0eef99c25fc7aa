#!/usr/bin/env bash
# Builds the programs of lab/ and lets each check its kernels, on every instruction set this processor has.
set -euo pipefail
cd "$(dirname "$0")/.."
node scripts/build_addon.js --lab
build/lab/gemm quick
for set in portable avx2 avx512; do
  build/lab/windows "$set"
  build/lab/winograd error images=4 "$set"
done
