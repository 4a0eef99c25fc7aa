// What reduce, window, gather and resize share: loops over adjacent values, one table for each instruction set, and
// walking over axes of any strides.
#pragma once
#include "isa.h"
#include "step.h"

namespace flybrick {

// Folds a block of 32-bit values into running results; `first` is the number of its first value along the fold.
// Sums inside a block are in its type (the caller keeps blocks short), across blocks in double.
using Fold = void (*)(const void* x, int64_t ld, int64_t rows, int64_t columns, int64_t first, double* value,
                      int32_t* index);

struct Strips {
  int lanes;
  Fold across[2][4], down[2][4];  // [f32, i32][ReduceOp]: a result for each row, for each column
  // Over n channels: the largest of `count` >= 1 places and its number; the sum; the sum where taps say `number`.
  // The sum works in whole vectors: places and `out` need slack.
  void (*largest)(const float* x, const int64_t* at, const int32_t* number, int count, int64_t n, float* out,
                  int32_t* tap);
  void (*sum)(const float* x, const int64_t* at, int count, int64_t n, float* out);
  // `lines` rows of n pixels, each the sum of `rows` x `times` pixels of x that lie side by side; in whole vectors too.
  void (*collect)(const float* x, int64_t row, int rows, int64_t lines, int64_t n, int64_t channels, int times, float* out);
  // The other way: each of x's pixels is there `rows` x `times` times; the result's rows from `first` on.
  void (*repeat)(const float* x, int64_t row, int rows, int64_t first, int64_t lines, int64_t n, int64_t channels, int times,
                 float* out);
  void (*sumWhere8)(const float* x, const int64_t* at, const uint8_t* taps, const int64_t* tapAt,
                    const int32_t* number, int count, int64_t n, float* out);
  void (*sumWhere32)(const float* x, const int64_t* at, const int32_t* taps, const int64_t* tapAt,
                     const int32_t* number, int count, int64_t n, float* out);
  void (*blend)(const float* a, const float* b, float weight, int64_t n, float* out);  // a (1 - w) + b w
  // out[i] = blend of row[low[i]] and row[low[i] + 1]; works in whole vectors: low, weight and out need slack.
  void (*spread)(const float* row, const int32_t* low, const float* weight, int64_t n, float* out);
  void (*addScaled)(const float* x, float weight, int64_t n, float* to);
};
extern const Strips kStripsPortable, kStripsAvx2, kStripsAvx512;

inline const Strips& strips() {
#if defined(__x86_64__)
  if (isa() == Isa::avx512) return kStripsAvx512;
  if (isa() == Isa::avx2) return kStripsAvx2;
#endif
  return kStripsPortable;
}

// Vectors may write this far past a buffer's end.
constexpr int64_t kSlack64 = 64;

inline int64_t clamp(int64_t v, int64_t low, int64_t high) { return v > high ? high : v < low ? low : v; }

// Some axes read as one row-major index, merged where their strides allow, so that runs are long.
struct Axes {
  int rank = 0;
  int64_t count = 1, size[kMaxRank], stride[kMaxRank];

  void add(int64_t n, int64_t step) {  // outermost first
    count *= n;
    if (n == 1) return;
    if (rank && stride[rank - 1] == n * step) {
      size[rank - 1] *= n;
      stride[rank - 1] = step;
    } else {
      size[rank] = n;
      stride[rank++] = step;
    }
  }
  void add(const View& view, int from, int to) {
    for (int axis = from; axis < to; axis++) add(view.shape[axis], view.strides[axis]);
  }
  int64_t step() const { return rank ? stride[rank - 1] : 1; }
  bool adjacent() const { return rank == 0 || (rank == 1 && stride[0] == 1); }
  int64_t offset(int64_t i) const {
    int64_t at = 0;
    for (int axis = rank - 1; axis > 0; axis--) {
      at += i % size[axis] * stride[axis];
      i /= size[axis];
    }
    return rank ? at + i * stride[0] : 0;
  }
  // body(position from `first`, offset, run length) for the runs of `step()` that make up [first, first + n).
  template <class Body>
  void runs(int64_t first, int64_t n, Body body) const {
    const int64_t inner = rank ? size[rank - 1] : 1;
    for (int64_t at = 0, run; at < n; at += run) {
      const int64_t left = inner - (first + at) % inner;
      run = left < n - at ? left : n - at;
      body(at, offset(first + at), run);
    }
  }
};

}  // namespace flybrick
