#include "gemm.h"

#include <algorithm>
#include <cstring>
#include <utility>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "isa.h"

namespace flybrick {

#define FB_KERNELS "gemm_kernels.h"
#include "each_isa.h"

const InstructionSet& instructionSet() { return FB_OF_ISA(instructionSet); }

// A tile's A block stays in the second-level cache (512 KiB at least). Many columns share its packing; where all rows
// are in one tile, fewer leave room for the rows of B that are called ahead.
constexpr int64_t kTileRows = 392, kTileRowsMost = 896, kTileColumns = 768, kTileColumnsOnce = 192, kTileFloats = 1 << 16;
constexpr int64_t kFlatFrom = 384, kFlatRows = 112, kFlatColumns = 1024;
static_assert(kTileRowsMost <= kLongest && kTileColumns <= kLongest && kFlatColumns <= kLongest);
constexpr int64_t kChunk = 8192;             // of k, where it is split: an operand's part stays in the L3 cache
constexpr int64_t kShortChunk = 2 * kBlockK, kSmallResult = 8192;
constexpr int64_t kSharedFloats = 1 << 25;   // of a B packed once for all
constexpr int64_t kTasks = 16;               // enough for the threads to end together
constexpr int64_t kTaskWork = 1 << 20;       // multiply-adds: below that a task is not worth a thread's while

Tiling tiling(int64_t batches, int64_t m, int64_t n, int64_t k, bool maySplit) {
  const InstructionSet& set = instructionSet();
  const int64_t panel = 2 * set.lanes, panels = ceilDiv(n, panel);
  Tiling t = {batches, m, n, k, 1, 1, 1, ceilDiv(n, set.lanes) * set.lanes, false, false};
  if (!m || !n || !batches) return t;
  const int64_t deepest = std::max<int64_t>(1, std::max(std::min<int64_t>(k, kBlockK), std::min(n, kFlatFrom)));
  int64_t rows = std::min(kTileRowsMost, std::max(kTileRows, kTileFloats / deepest)), columns = m <= rows ? kTileColumnsOnce : kTileColumns;
  // With little to sum, writing the result is the work: flat tiles make it run along memory.
  if (k <= kBlockK && n > kFlatFrom) rows = kFlatRows, columns = kFlatColumns;
  const auto cut = [&] {
    t.tilesM = ceilDiv(m, rows);
    t.tilesN = std::min(ceilDiv(n, columns), panels);
  };
  cut();
  if (maySplit) t.splits = std::max<int64_t>(1, k / kChunk);
  // Partial results this small cost nothing, while cutting the result would pack the operands again for each piece.
  if (maySplit && m * n <= kSmallResult) t.splits = std::max(t.splits, std::min(kTasks, k / kShortChunk));
  while (batches * t.tilesM * t.tilesN * t.splits < kTasks) {
    const int64_t tileRows = ceilDiv(m, t.tilesM), tileColumns = ceilDiv(n, t.tilesN);
    if (tileRows * tileColumns * (k / t.splits) < 2 * kTaskWork) break;
    if (tileRows > tileColumns || tileColumns <= 2 * panel) {
      if (tileRows <= 2 * set.panelRows) break;
      rows = tileRows - set.panelRows;
    } else {
      columns = std::min(columns, t.ld) - panel;
    }
    cut();
  }
  t.shareB = t.tilesM >= 4 && batches * k * n <= kSharedFloats;
  return t;
}

bool isTurnedCheaper(int64_t m, int64_t n, int64_t k) {
  return m <= kTileColumnsOnce && n >= 4 * m && n > kTileRows && k > kBlockK && m * n > kSmallResult && k < 2 * kChunk;
}

// Rows that start in few sets of the first-level cache push each other out of it (4 KiB a way, 8 ways or more).
static bool liesWell(const Operand& a) { return !a.image && !a.outerIsK && a.stride * sizeof(float) % 2048 != 0; }

void gemm(Pool& pool, const Tiling& t, const Operand& a, const Operand& b, const BatchOffsets& offsets,
          float* sharedB, float* partials, const Sink& sink) {
  if (!t.batches || !t.m || !t.n) return;
  const InstructionSet& set = instructionSet();
  const int64_t panel = 2 * set.lanes, panels = ceilDiv(t.n, panel);
  const int64_t tileRows = ceilDiv(t.m, t.tilesM), tileColumns = ceilDiv(panels, t.tilesN) * panel;
  // The largest blocks, in floats; every part 64 bytes aligned.
  const int64_t blockA = std::max(tileRows * (kBlockK + 64), ceilDiv(tileRows, set.panelRows) * set.panelPitch * kBlockK), blockB = tileColumns * kBlockK;
  const int64_t spareSize = 16 * ceilDiv(std::max<int64_t>({tileRows, tileColumns, kBlockK}) + 32, 16) * 16;

  struct Tile {
    int64_t batch, split, start, depth, blocks, row, rows, column, columns;
  };
  const auto tile = [&](int64_t task, int64_t tilesM) {
    const int64_t tileN = task % t.tilesN, tileM = task / t.tilesN % tilesM, rest = task / t.tilesN / tilesM;
    Tile at;
    at.batch = rest % t.batches, at.split = rest / t.batches;
    at.start = t.k * at.split / t.splits, at.depth = t.k * (at.split + 1) / t.splits - at.start;
    at.blocks = ceilDiv(at.depth, kBlockK);
    at.row = t.m * tileM / tilesM, at.rows = t.m * (tileM + 1) / tilesM - at.row;
    at.column = panels * tileN / t.tilesN * panel;
    at.columns = std::min(t.n, panels * (tileN + 1) / t.tilesN * panel) - at.column;
    return at;
  };
  const auto rightOf = [&](const Tile& at) {
    Operand right = b;
    right.data += offsets(at.batch).b;
    return right;
  };
  const bool inPlace = liesWell(a);
  const auto shared = [&](const Tile& at, int64_t k) {
    return sharedB + (at.batch * panels * panel + at.column) * t.k + (at.start + k) * ceilDiv(at.columns, panel) * panel;
  };

  if (t.shareB) {
    const int64_t most = ceilDiv(ceilDiv(t.k, t.splits), kBlockK);
    pool.parallel(t.batches * t.splits * t.tilesN * most, [&](int64_t task, int thread) {
      const Tile at = tile(task / most, 1);
      const int64_t i = task % most;
      if (i >= at.blocks) return;
      const int64_t k = at.depth * i / at.blocks, deep = at.depth * (i + 1) / at.blocks - k;
      set.packB(rightOf(at), at.column, int(at.columns), at.start + k, int(deep), shared(at, k), pool.local(thread, spareSize));
    });
  }
  pool.parallel(t.batches * t.splits * t.tilesM * t.tilesN, [&](int64_t task, int thread) {
    const Tile at = tile(task, t.tilesM);
    // A tile that is turned takes whole squares of vectors.
    const int64_t tall = t.turned ? padded(tileRows) : tileRows, size = tall * tileColumns;
    float* spare = pool.local(thread, spareSize + blockA + blockB + (t.turned ? 2 : 1) * size);
    float *packedA = spare + spareSize, *packedB = packedA + blockA, *c = packedB + blockB, *turned = c + size;
    // One panel's rows can lie next to each other: what a row writes past its end is zeros, before the next is written.
    int64_t ld = t.n <= panel ? t.n : tileColumns;
    if (partials) {
      c = partials + ((at.batch * t.splits + at.split) * t.m + at.row) * t.ld + at.column;
      ld = t.ld;
    }
    Operand left = a;
    left.data += offsets(at.batch).a;
    for (int64_t i = 0; i < at.blocks; i++) {
      const int64_t k = at.depth * i / at.blocks, deep = at.depth * (i + 1) / at.blocks - k;
      const float *rows = packedA, *right = packedB;
      int64_t pitch = set.rowPitch;
      if (inPlace) rows = left.data + at.row * a.stride + at.start + k, pitch = a.stride;
      else set.packA(left, at.row, int(at.rows), at.start + k, int(deep), packedA, spare);
      if (t.shareB) right = shared(at, k);
      else set.packB(rightOf(at), at.column, int(at.columns), at.start + k, int(deep), packedB, spare);
      Ahead ahead;
      if (i + 1 < at.blocks && !t.shareB && !b.image) {
        const int64_t next = at.start + k + deep, depth = at.depth * (i + 2) / at.blocks - (k + deep);
        const float* from = rightOf(at).data;
        if (b.outerIsK) ahead = {from + next * b.stride + at.column, b.stride, depth, at.columns};
        else ahead = {from + at.column * b.stride + next, b.stride, at.columns, depth};
      }
      set.multiply(int(at.rows), int(at.columns), int(deep), a.outerIsK, rows, pitch, right, c, ld, i > 0, ahead);
    }
    if (!at.blocks)
      for (int64_t i = 0; i < at.rows; i++) std::memset(c + i * ld, 0, at.columns * sizeof(float));
    if (t.turned) {
      set.turn(at.rows, at.columns, c, ld, turned, tall);
      sink(thread, at.batch, at.column, at.columns, at.row, at.rows, turned, tall);
    } else if (!partials) {
      sink(thread, at.batch, at.row, at.rows, at.column, at.columns, c, ld);
    }
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
  const auto block = [&](int64_t task, int) {
    const int64_t i = task / blocks, first = task % blocks * kBlock, count = std::min(kBlock, shape[3] - first);
    const int64_t step = strides[3];
    for (int64_t j = 0; j < shape[1]; j++)
      for (int64_t k = 0; k < shape[2]; k++) {
        const float* source = from + i * strides[0] + j * strides[1] + k * strides[2] + first * step;
        float* target = to + ((i * shape[1] + j) * shape[2] + k) * shape[3] + first;
        for (int64_t l = 0; l < count; l++) target[l] = source[l * step];
      }
  };
  // Waking a thread costs more than copying a few weights.
  if (shape[0] * shape[1] * shape[2] * shape[3] <= 1 << 14)
    for (int64_t task = 0; task < shape[0] * blocks; task++) block(task, 0);
  else pool.parallel(shape[0] * blocks, block);
}

}  // namespace flybrick
