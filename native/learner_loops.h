// The learners' loops that need vectors, as a table of functions for each instruction set (as in lanes.h). Lengths n are
// multiples of kLoopUnit.
#pragma once
#include <cstdint>

#include "isa.h"

namespace flybrick {

constexpr int kLoopUnit = 16;

enum class SvmKernelKind : int32_t { linear, poly, rbf, sigmoid };

struct SvmKernel {
  SvmKernelKind kind;
  float gamma, coef0, degree;
};

// Rows of x that go down trees together.
constexpr int kWalkRows = 64;

// Rows on their way down trees: the node that each is at, and its place, which is tree * kWalkRows + row.
struct Walkers {
  int32_t *nodes, *places;
};

// `up` and `low` are 0 where a variable may grow or fall, else minus or plus infinity.
struct LearnerLoops {
  // f -= delta (a - b); returns the first place of the largest f among those that may grow, or -1.
  int64_t (*svmUpdate)(double* f, int64_t n, double delta, const float* a, const float* b, const float* up);
  // Fan, Chen and Lin (2005): the place j of those that may fall where (fi - f)^2 / (kii + kjj - 2 kij) is largest, or
  // -1; `gap` becomes the largest fi - f.
  int64_t (*svmPartner)(const double* f, int64_t n, double fi, float kii, const float* row, const float* diagonal, const float* low, double* gap);
  // Kernel values of dot products c[rows][ld], column j's to to[j]. Any number of rows.
  void (*svmFinish)(const SvmKernel& kernel, int64_t rows, int64_t columns, const float* c, int64_t ld, const float* rowNorms,
                    const float* columnNorms, float* const* to);
  // The next two for any n: w'x, and w += a x.
  double (*dot)(const double* w, const float* x, int64_t n);
  void (*addScaled)(double* w, double a, const float* x, int64_t n);
  // Takes `open` walkers a level down (forest.h). One at a leaf stays behind, and ends[its place] is the leaf's row of
  // values. Returns how many go on, packed. The walkers' arrays have room for a multiple of kLoopUnit.
  int64_t (*treeLevel)(const int32_t* nodes, const float* thresholds, const float* x, int64_t columns, int64_t open, Walkers w, int32_t* ends);
};

extern const LearnerLoops kLearnerLoopsPortable, kLearnerLoopsAvx2, kLearnerLoopsAvx512;

// The table of the instruction set in use.
inline const LearnerLoops& learnerLoops() {
#if defined(__x86_64__)
  if (isa() == Isa::avx512) return kLearnerLoopsAvx512;
  if (isa() == Isa::avx2) return kLearnerLoopsAvx2;
#endif
  return kLearnerLoopsPortable;
}

}  // namespace flybrick
