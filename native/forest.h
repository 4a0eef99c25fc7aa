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

// A node: the feature that is asked and the right child (the left one follows); or -1 and a leaf's row in `values`.
struct Tree {
  std::vector<int32_t> nodes;     // two numbers each
  std::vector<float> thresholds;  // a node's: what goes left is at most that
  std::vector<float> values;      // a leaf's share of each class
};

// The bin of every example by feature [features][examples], and each bin's smallest and largest value [features][256].
struct Bins {
  const uint8_t* codes;
  const float *lows, *highs;
};

void growForest(Pool& pool, const Bins& bins, const int32_t* labels, const ForestSettings& settings, std::vector<Tree>& trees,
                int32_t* control);

}  // namespace flybrick
