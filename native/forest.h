// Random forests and extremely randomised trees on features of at most 256 values.
#pragma once
#include <vector>

#include "step.h"

namespace flybrick {

struct ForestSettings {
  int64_t examples, features, classes;
  int64_t trees, maxFeatures, minSamplesSplit, minSamplesLeaf, maxDepth;
  bool bootstrap, randomSplits;  // extra trees: a threshold at random instead of the best
  uint64_t seed;
};

// A node: the feature that is asked, the last bin that goes left and the right child (the left one follows); or -1, 0 and
// a leaf's row in `values`.
struct Tree {
  std::vector<int32_t> nodes;  // three numbers each
  std::vector<float> values;   // a leaf's share of each class
};

// `bins` [features][examples]; `cuts` the value of each bin of each feature [features][256].
void growForest(Pool& pool, const uint8_t* bins, const int32_t* labels, const float* cuts, const ForestSettings& settings,
                std::vector<Tree>& trees, int32_t* control);

}  // namespace flybrick
