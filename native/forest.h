// Random forests and extremely randomised trees on features of at most 256 values.
#pragma once
#include <vector>

#include "step.h"

namespace flybrick {

struct ForestSettings {
  int64_t examples, features, classes;
  int64_t trees, maxFeatures;
  int64_t minSamplesSplit, minSamplesLeaf;  // different examples, however often each was drawn
  int64_t maxDepth;
  bool bootstrap, randomSplits;  // extra trees: a threshold at random instead of the best
  uint64_t seed;
};

// A node: the feature that is asked and the right child (the left one follows); or -1 and a row of `values`, which leaves may share.
struct Tree {
  std::vector<int32_t> nodes;     // two numbers each
  std::vector<float> thresholds;  // a node's: what goes left is at most that
  std::vector<float> values;      // leaves' shares of each class
};

// The bin of every example by feature [features][examples], and each bin's smallest and largest value [features][256].
struct Bins {
  const uint8_t* codes;
  const float *lows, *highs;
};

// Trees one after the other, with children and leaves numbered over all of them.
struct Forest {
  const int32_t* nodes;
  const float* thresholds;
  const float* values;
  const int32_t* roots;  // each tree's first node
  int64_t trees, classes;
};

void growForest(Pool& pool, const Bins& bins, const int32_t* labels, const ForestSettings& settings, std::vector<Tree>& trees,
                int32_t* control);

// The mean of the leaves that each of x's rows falls into: shares [rows][classes], each class summed tree by tree; NaN for
// a row that holds what is no finite number.
void walkForest(Pool& pool, const Forest& forest, const float* x, int64_t rows, int64_t columns, float* shares, int32_t* control);

}  // namespace flybrick
