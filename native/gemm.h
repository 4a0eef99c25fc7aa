// The packed matrix product that matmul and the convolutions share: C[m, n] = A[m, k] B[k, n], tile by tile.
#pragma once
#include <functional>

#include "step.h"

namespace flybrick {

// Windows of an NHWC image read as matrix rows: the row of output pixel (n, y, x) holds taps (ky, kx, channel).
// Tap (ky, kx) reads image position (y * stepY - padY + ky * dilationY) / upY; outside, or not a multiple: zero.
struct Image {
  int height, width, channels;
  int64_t strideN, strideY, strideX;  // of the data; channels are adjacent
  int rows, columns;                  // output pixels of one image
  int kernelY, kernelX, stepY, stepX, padY, padX, dilationY, dilationX, upY, upX;
};

// A matrix as the packers read it: rows ("outer") of adjacent floats ("inner"), `stride` apart or cut from `image`.
struct Operand {
  const float* data;
  int64_t stride;
  bool outerIsK;       // is the summed index the outer one?
  const Image* image;  // null: a plain matrix
};

// Rows of an operand that the next block is cut from: called into the cache while this one is multiplied.
struct Ahead {
  const float* data = nullptr;
  int64_t stride = 0, rows = 0, length = 0;
};

// What differs between instruction sets. Blocks hold at most kBlockK of k.
constexpr int kBlockK = 256;
constexpr int kLongest = 1024;  // of a tile's rows and columns
struct InstructionSet {
  int lanes;
  int panelRows;   // rows of the microkernel; its columns are 2 vectors, or 1 for a narrow last panel
  int panelPitch;  // floats between two k of a k-major A panel
  int rowPitch;    // floats between two rows of a packed A whose rows lie as they came
  void (*packA)(const Operand& a, int64_t row, int rows, int64_t k, int depth, float* to, float* temporary);
  void (*packB)(const Operand& b, int64_t column, int columns, int64_t k, int depth, float* to, float* temporary);
  // c += or = a b over one block; c is written up to a whole vector past `columns`. Rows of `a` are `pitch` apart.
  void (*multiply)(int rows, int columns, int depth, bool aOuterIsK, const float* a, int64_t pitch, const float* b, float* c,
                   int64_t ld, bool add, const Ahead& ahead);
  // to = from turned around; both have room up to a whole number of vectors each way.
  void (*turn)(int64_t rows, int64_t columns, const float* from, int64_t ld, float* to, int64_t pitch);
};
const InstructionSet& instructionSet();  // the one isa() names

// The cut of `batches` products into tasks: by shapes alone, so that results do not depend on threads.
struct Tiling {
  int64_t batches, m, n, k;
  int64_t tilesM, tilesN, splits;  // splits: chunks of k, summed later in order
  int64_t ld;                      // row length of a partial result: n, padded to whole vectors
  bool shareB;                     // B is packed once for all tiles of m, not by each of them
  bool turned = false;             // the caller has exchanged A and B: the sink gets tiles of B^T A^T turned back
  int64_t partials() const { return batches * splits * m * ld; }
  int64_t packedB() const { return shareB ? batches * k * ((n + 31) / 32 * 32) : 0; }
};
Tiling tiling(int64_t batches, int64_t m, int64_t n, int64_t k, bool maySplit);
// Is C^T = B^T A^T cheaper? With few rows and many columns the large operand is then read once, where it lies or nearly so.
bool isTurnedCheaper(int64_t m, int64_t n, int64_t k);

struct Offsets {
  int64_t a, b;
};
using BatchOffsets = std::function<Offsets(int64_t batch)>;
// Receives a finished tile while it is in the cache.
using Sink = std::function<void(int thread, int64_t batch, int64_t row, int64_t rows, int64_t column, int64_t columns,
                                const float* c, int64_t ld)>;

// Without `partials`, every tile goes to the sink (tiling.splits must be 1). With it, tiles are left in
// partials[batch][split][m][ld] for the caller to sum. Tiles of all n <= 2 vectors of columns come with ld = n. `packedB` holds tiling.packedB() floats.
void gemm(Pool& pool, const Tiling& tiling, const Operand& a, const Operand& b, const BatchOffsets& offsets,
          float* packedB, float* partials, const Sink& sink);

// to[i] = sum over splits of from[split * plane + i], in order.
void sumSplits(const float* from, int64_t splits, int64_t plane, int64_t count, float* to);

// Dense copy of a rank-4 view, last axis adjacent.
void reorder(Pool& pool, const float* from, const int64_t shape[4], const int64_t strides[4], float* to);

}  // namespace flybrick
