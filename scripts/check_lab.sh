#!/usr/bin/env bash
# Builds the programs of lab/ and lets each check its kernels, on every instruction set this processor has; two at a time.
set -euo pipefail
cd "$(dirname "$0")/.."
node scripts/build_addon.js --lab
{
  echo gemm quick
  for set in portable avx2 avx512; do
    echo windows "$set"
    echo winograd error images=4 "$set"
  done
} | xargs -P 2 -I {} bash -c "build/lab/{}"
