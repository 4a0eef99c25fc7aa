// Each tree is one task with random numbers of its own. A node's histogram is cleared while it is read, and only bins
// that hold an example are looked at, so that small nodes cost little.
#include "forest.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

#include "learner_loops.h"
#include "random.h"

namespace flybrick {
namespace {

struct Sample {
  uint32_t row;
  uint16_t label, weight;
};

struct Split {
  double score = -1;
  int32_t feature = -1, bin = 0;  // the last bin that goes left
  float threshold = 0;
};

class Grower {
 public:
  Grower(const Bins& bins, const int32_t* labels, const ForestSettings& s, uint64_t number, Tree& tree)
      : bins_(bins), s_(s), random_(Random::of(s.seed, number)), tree_(tree), order_(s.features), histogram_(256 * s.classes), left_(s.classes), total_(s.classes), pure_(s.classes, -1) {
    std::iota(order_.begin(), order_.end(), 0);
    std::vector<uint16_t> weights(s.examples, s.bootstrap ? 0 : 1);
    if (s.bootstrap)
      for (int64_t i = 0; i < s.examples; i++) weights[random_.below(s.examples)]++;
    for (int64_t i = 0; i < s.examples; i++)
      if (weights[i]) samples_.push_back({uint32_t(i), uint16_t(labels[i]), weights[i]});
  }

  void grow() {
    struct Open {
      int64_t begin, end, depth;
      int32_t parent;  // whose right child this is, or -1
    };
    std::vector<Open> open = {{0, int64_t(samples_.size()), 0, -1}};
    while (!open.empty()) {
      const Open node = open.back();
      open.pop_back();
      const int32_t number = int32_t(tree_.nodes.size() / 2);
      if (node.parent >= 0) tree_.nodes[2 * node.parent + 1] = number;
      const int64_t weight = count(node.begin, node.end);
      const auto most = std::max_element(total_.begin(), total_.end());
      const bool pure = *most == weight;
      Split split;
      if (!pure && node.end - node.begin >= s_.minSamplesSplit && node.depth < s_.maxDepth) split = choose(node.begin, node.end, weight);
      tree_.thresholds.push_back(split.threshold);
      if (split.feature < 0) {
        int32_t added = -1;
        int32_t& row = pure ? pure_[most - total_.begin()] : added;
        if (row < 0) {
          row = int32_t(tree_.values.size() / s_.classes);
          for (int64_t c = 0; c < s_.classes; c++) tree_.values.push_back(float(double(total_[c]) / double(weight)));
        }
        tree_.nodes.insert(tree_.nodes.end(), {-1, row});
        continue;
      }
      tree_.nodes.insert(tree_.nodes.end(), {split.feature, 0});
      const uint8_t* column = bins_.codes + split.feature * s_.examples;
      const auto middle = std::stable_partition(samples_.begin() + node.begin, samples_.begin() + node.end, [&](const Sample& one) { return column[one.row] <= split.bin; });
      const int64_t cut = middle - samples_.begin();
      open.push_back({cut, node.end, node.depth + 1, number});
      open.push_back({node.begin, cut, node.depth + 1, -1});
    }
  }

 private:
  int64_t count(int64_t begin, int64_t end) {
    std::fill(total_.begin(), total_.end(), 0);
    int64_t weight = 0;
    for (int64_t i = begin; i < end; i++) total_[samples_[i].label] += samples_[i].weight, weight += samples_[i].weight;
    return weight;
  }

  // The best of maxFeatures features drawn at random; more are drawn while all of them are constant here.
  Split choose(int64_t begin, int64_t end, int64_t weight) {
    Split best;
    bool varied = false;
    for (int64_t drawn = 0; drawn < s_.features && (drawn < s_.maxFeatures || !varied); drawn++) {
      std::swap(order_[drawn], order_[drawn + random_.below(s_.features - drawn)]);
      varied |= tryFeature(order_[drawn], begin, end, weight, best);
    }
    return best;
  }

  // Gini: what both sides' squared counts over their weights add up to, the larger the purer. False where constant.
  bool tryFeature(int32_t feature, int64_t begin, int64_t end, int64_t weight, Split& best) {
    const uint8_t* column = bins_.codes + feature * s_.examples;
    uint64_t used[4] = {};
    for (int64_t i = begin; i < end; i++) {
      const uint8_t bin = column[samples_[i].row];
      histogram_[bin * s_.classes + samples_[i].label] += samples_[i].weight;
      used[bin >> 6] |= uint64_t(1) << (bin & 63);
    }
    const bool isBounded = s_.minSamplesLeaf > 1;
    if (isBounded)
      for (int64_t i = begin; i < end; i++) rows_[column[samples_[i].row]]++;
    int32_t list[256], count = 0;
    for (int32_t word = 0; word < 4; word++)
      for (uint64_t rest = used[word]; rest; rest &= rest - 1) list[count++] = word * 64 + __builtin_ctzll(rest);
    const float *lows = bins_.lows + feature * 256, *highs = bins_.highs + feature * 256;
    double threshold = 0;
    if (s_.randomSplits && count > 1) threshold = highs[list[0]] + random_.unit() * (double(highs[list[count - 1]]) - highs[list[0]]);
    std::fill(left_.begin(), left_.end(), 0);
    int64_t leftWeight = 0, leftRows = 0;
    for (int32_t k = 0; k < count; k++) {
      uint32_t* here = histogram_.data() + list[k] * s_.classes;
      int64_t lefts = 0, rights = 0;
      for (int64_t c = 0; c < s_.classes; c++) {
        left_[c] += here[c];
        leftWeight += here[c];
        const uint32_t right = total_[c] - left_[c];
        lefts += int64_t(uint64_t(left_[c]) * left_[c]);
        rights += int64_t(uint64_t(right) * right);
        here[c] = 0;
      }
      if (isBounded) leftRows += std::exchange(rows_[list[k]], 0);
      if (k + 1 == count) break;
      if (s_.randomSplits && !(highs[list[k]] <= threshold && (highs[list[k + 1]] > threshold || k + 2 == count))) continue;
      if (isBounded && (leftRows < s_.minSamplesLeaf || end - begin - leftRows < s_.minSamplesLeaf)) continue;
      const double score = double(lefts) / double(leftWeight) + double(rights) / double(weight - leftWeight);
      if (score <= best.score) continue;
      // Halfway to the next value that occurs in this node, or at random, and never at the next value itself.
      const float below = highs[list[k]], above = lows[list[k + 1]];
      const float cut = float(s_.randomSplits ? threshold : (double(below) + above) / 2);
      best = {score, feature, list[k], cut >= below && cut < above ? cut : below};
    }
    return count > 1;
  }

  const Bins& bins_;
  const ForestSettings& s_;
  Random random_;
  Tree& tree_;
  std::vector<int32_t> order_;
  std::vector<uint32_t> histogram_, left_, total_;
  std::vector<int32_t> pure_;  // the row of leaves that hold one class only: most do, and share it
  uint32_t rows_[256] = {};
  std::vector<Sample> samples_;
};

constexpr int64_t kTaskRows = 512, kWalkTrees = 4;

bool allFinite(const float* x, int64_t n) {
  uint32_t bad = 0;
  for (int64_t i = 0; i < n; i++) {
    uint32_t bits;
    std::memcpy(&bits, x + i, sizeof bits);
    bad |= (bits & 0x7f800000) == 0x7f800000;
  }
  return !bad;
}

}  // namespace

void growForest(Pool& pool, const Bins& bins, const int32_t* labels, const ForestSettings& settings, std::vector<Tree>& trees,
                int32_t* control) {
  trees.resize(settings.trees);
  pool.parallel(settings.trees, [&](int64_t i, int) {
    if (__atomic_load_n(control, __ATOMIC_RELAXED)) return;
    Grower(bins, labels, settings, uint64_t(i), trees[i]).grow();
    __atomic_add_fetch(control + 1, 1, __ATOMIC_RELAXED);
  });
}

// Some trees, which fit into the second-level cache, are walked by all of a task's rows, some at a time: each walker waits
// for memory at every level, and those of many rows and trees wait together.
void walkForest(Pool& pool, const Forest& forest, const float* x, int64_t rows, int64_t columns, float* shares, int32_t* control) {
  const auto [nodes, thresholds, values, roots, trees, classes] = forest;
  pool.parallel(ceilDiv(rows, kTaskRows), [&](int64_t task, int) {
    if (__atomic_load_n(control, __ATOMIC_RELAXED)) return;
    const int64_t begin = task * kTaskRows, end = std::min(begin + kTaskRows, rows);
    int32_t at[kWalkTrees * kWalkRows], places[kWalkTrees * kWalkRows], ends[kWalkTrees * kWalkRows];
    std::vector<double> sums((end - begin) * classes);
    for (int64_t tree = 0; tree < trees; tree += kWalkTrees)
      for (int64_t row = begin; row < end; row += kWalkRows) {
        const int64_t together = std::min(kWalkTrees, trees - tree), count = std::min<int64_t>(kWalkRows, end - row);
        int64_t open = 0;
        for (int64_t t = 0; t < together; t++)
          for (int64_t i = 0; i < count; i++) at[open] = roots[tree + t], places[open++] = int32_t(t * kWalkRows + i);
        while (open) open = learnerLoops().treeLevel(nodes, thresholds, x + row * columns, columns, open, {at, places}, ends);
        for (int64_t t = 0; t < together; t++)
          for (int64_t i = 0; i < count; i++) {
            const float* leaf = values + ends[t * kWalkRows + i] * classes;
            double* sum = sums.data() + (row - begin + i) * classes;
            for (int64_t c = 0; c < classes; c++) sum[c] += leaf[c];
          }
      }
    for (int64_t row = begin; row < end; row++) {
      const double scale = allFinite(x + row * columns, columns) ? double(trees) : std::nan("");
      for (int64_t c = 0; c < classes; c++) shares[row * classes + c] = float(sums[(row - begin) * classes + c] / scale);
    }
    __atomic_add_fetch(control + 1, int32_t(end - begin), __ATOMIC_RELAXED);
  });
}

}  // namespace flybrick
