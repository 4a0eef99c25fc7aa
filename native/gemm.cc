#include "gemm.h"

#include <algorithm>
#include <cstring>
#include <utility>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace flybrick {

// The same source once per instruction set. The pragma rather than flags per file: no inline function of the
// standard library can then be compiled for AVX-512 and picked by the linker for everybody.
namespace portable {
constexpr int kLanes = 4, kPanelRows = 6;
#include "gemm_kernels.h"
constexpr InstructionSet instructionSet = {"portable", kLanes, kPanelRows, packA, packB, multiply};
}  // namespace portable

#if defined(__x86_64__)
#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace avx2 {
constexpr int kLanes = 8, kPanelRows = 6;
#include "gemm_kernels.h"
constexpr InstructionSet instructionSet = {"avx2", kLanes, kPanelRows, packA, packB, multiply};
}  // namespace avx2
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")
namespace avx512 {
constexpr int kLanes = 16, kPanelRows = 14;
#include "gemm_kernels.h"
constexpr InstructionSet instructionSet = {"avx512", kLanes, kPanelRows, packA, packB, multiply};
}  // namespace avx512
#pragma GCC pop_options
#endif

static const InstructionSet* available(const char* name) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && (!name || !std::strcmp(name, "avx512")))
    return &avx512::instructionSet;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && (!name || !std::strcmp(name, "avx2")))
    return &avx2::instructionSet;
#endif
  return !name || !std::strcmp(name, "portable") ? &portable::instructionSet : nullptr;
}

static const InstructionSet*& chosen() {
  static const InstructionSet* set = available(nullptr);
  return set;
}
const InstructionSet& instructionSet() { return *chosen(); }
bool useInstructionSet(const char* name) {
  const InstructionSet* set = available(name);
  if (set) chosen() = set;
  return set;
}

static int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

// A tile's A block, C block and a panel of B share the second-level cache (1 MiB on the machines we tune for).
constexpr int64_t kTileRows = 266, kTileRowsMost = 896, kTileColumns = 384, kTileFloats = 1 << 16;
constexpr int64_t kChunk = 8192;             // of k, where it is split: an operand's part stays in the L3 cache
constexpr int64_t kTasks = 32;               // enough for the threads to end together
constexpr int64_t kTaskWork = 1 << 20;       // multiply-adds: below that a task is not worth a thread's while

Tiling tiling(int64_t batches, int64_t m, int64_t n, int64_t k, bool maySplit) {
  const InstructionSet& set = instructionSet();
  const int64_t panel = 2 * set.lanes, panels = ceilDiv(n, panel);
  Tiling t = {batches, m, n, k, 1, 1, 1, ceilDiv(n, set.lanes) * set.lanes};
  if (!m || !n || !batches) return t;
  const int64_t deepest = std::max<int64_t>(1, std::max(std::min<int64_t>(k, kBlockK), std::min(n, kTileColumns)));
  int64_t rows = std::min(kTileRowsMost, std::max(kTileRows, kTileFloats / deepest)), columns = kTileColumns;
  const auto cut = [&] {
    t.tilesM = ceilDiv(m, rows);
    t.tilesN = std::min(ceilDiv(n, columns), panels);
  };
  cut();
  if (maySplit) t.splits = std::max<int64_t>(1, k / kChunk);
  while (batches * t.tilesM * t.tilesN * t.splits < kTasks) {
    const int64_t tileRows = ceilDiv(m, t.tilesM), tileColumns = ceilDiv(n, t.tilesN);
    if (tileRows * tileColumns * (k / t.splits) < 2 * kTaskWork) break;
    if (tileRows > tileColumns || tileColumns <= 2 * panel) {
      if (tileRows <= 2 * set.panelRows) break;
      rows = ceilDiv(tileRows, 2);
    } else {
      columns = ceilDiv(tileColumns, 2);
    }
    cut();
  }
  return t;
}

void gemm(Pool& pool, const Tiling& t, const Operand& a, const Operand& b, const BatchOffsets& offsets,
          float* partials, const Sink& sink) {
  const InstructionSet& set = instructionSet();
  const int64_t panel = 2 * set.lanes, panels = ceilDiv(t.n, panel);
  const int64_t tileRows = ceilDiv(t.m, t.tilesM), tileColumns = ceilDiv(panels, t.tilesN) * panel;
  // The largest blocks, in floats; every part 64 bytes aligned.
  const int64_t blockA = (tileRows + set.panelRows) * (kBlockK + 64), blockB = tileColumns * kBlockK;
  const int64_t temporary = 16 * ceilDiv(std::max<int64_t>({tileRows, tileColumns, kBlockK}) + 16, 16) * 16;
  const int64_t tasks = t.batches * t.splits * t.tilesM * t.tilesN;
  if (!t.m || !t.n) return;
  pool.parallel(tasks, [&](int64_t task, int thread) {
    const int64_t tileN = task % t.tilesN, tileM = task / t.tilesN % t.tilesM;
    const int64_t batch = task / t.tilesN / t.tilesM % t.batches, split = task / t.tilesN / t.tilesM / t.batches;
    const int64_t row = t.m * tileM / t.tilesM, rows = t.m * (tileM + 1) / t.tilesM - row;
    const int64_t column = panels * tileN / t.tilesN * panel;
    const int64_t columns = std::min(t.n, panels * (tileN + 1) / t.tilesN * panel) - column;
    const int64_t start = t.k * split / t.splits, depth = t.k * (split + 1) / t.splits - start;

    float* packedA = pool.local(thread, blockA + blockB + temporary + tileRows * tileColumns);
    float *packedB = packedA + blockA, *spare = packedB + blockB;
    float* c = spare + temporary;
    int64_t ld = tileColumns;
    if (partials) {
      c = partials + ((batch * t.splits + split) * t.m + row) * t.ld + column;
      ld = t.ld;
    }
    Operand left = a, right = b;
    const Offsets offset = offsets(batch);
    left.data += offset.a;
    right.data += offset.b;

    const int64_t blocks = ceilDiv(depth, kBlockK);
    for (int64_t i = 0; i < blocks; i++) {
      const int64_t k = depth * i / blocks;
      const int deep = int(depth * (i + 1) / blocks - k);
      set.packA(left, row, int(rows), start + k, deep, packedA, spare);
      set.packB(right, column, int(columns), start + k, deep, packedB, spare);
      set.multiply(int(rows), int(columns), deep, a.outerIsK, packedA, packedB, c, ld, i > 0);
    }
    if (!blocks)
      for (int64_t i = 0; i < rows; i++) std::memset(c + i * ld, 0, columns * sizeof(float));
    if (!partials) sink(thread, batch, row, rows, column, columns, c, ld);
  });
}

void sumSplits(const float* from, int64_t splits, int64_t plane, int64_t count, float* to) {
  std::memcpy(to, from, count * sizeof(float));
  for (int64_t s = 1; s < splits; s++)
    for (int64_t i = 0; i < count; i++) to[i] += from[s * plane + i];
}

void reorder(Pool& pool, const float* from, const int64_t shape[4], const int64_t strides[4], float* to) {
  // Blocks of the last axis, so that a source with another adjacent axis is read in whole cache lines.
  constexpr int64_t kBlock = 16;
  const int64_t blocks = ceilDiv(shape[3], kBlock);
  pool.parallel(shape[0] * blocks, [&](int64_t task, int) {
    const int64_t i = task / blocks, first = task % blocks * kBlock, count = std::min(kBlock, shape[3] - first);
    const int64_t step = strides[3];
    for (int64_t j = 0; j < shape[1]; j++)
      for (int64_t k = 0; k < shape[2]; k++) {
        const float* source = from + i * strides[0] + j * strides[1] + k * strides[2] + first * step;
        float* target = to + ((i * shape[1] + j) * shape[2] + k) * shape[3] + first;
        for (int64_t l = 0; l < count; l++) target[l] = source[l * step];
      }
  });
}

}  // namespace flybrick
