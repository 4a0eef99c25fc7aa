// With beta = y alpha and f = y - sum of beta K, a minus the gradient of the dual times y, both classes look alike: a
// step raises one beta and lowers another by the same amount. Where K is a kernel matrix, its rows are found by matrix
// products, many at a time; they stay in the order of the examples or of an earlier shrinking until they are used.
#include "svm.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "gemm.h"

namespace flybrick {

namespace {

constexpr int64_t kBatch = 24;  // kernel rows of one product
constexpr int64_t kOrders = 8;  // orders of places remembered, so that they take less than a batch
constexpr uint32_t kLargest = 0x7e000000;  // bits of 2^125, below which sums of four kernel values stay finite
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr float kNever = std::numeric_limits<float>::infinity();

int64_t units(int64_t n) { return ceilDiv(n, kLoopUnit) * kLoopUnit; }

class Solver {
 public:
  Solver(Pool& pool, const float* x, const SvmSettings& settings, const SvmProblem& problem, double bytes, Control control)
      : pool_(pool), settings_(settings), problem_(problem), control_(control), loops_(learnerLoops()), n_(units(problem.count)), active_(n_),
        capacity_(std::min<int64_t>(n_, int64_t(bytes / double(n_ * sizeof(float))))), x_(problem.count * settings.columns),
        norms_(n_), rows_(n_), f_(n_), beta_(n_), up_(n_, -kNever), low_(n_, kNever), diagonal_(n_, 1.0f), zeros_(n_), sign_(n_), order_(n_) {
    const int64_t d = settings.columns;
    for (int64_t i = 0; i < problem.count; i++) {
      const float* from = x + problem.rows[i] * d;
      std::memcpy(x_.data() + i * d, from, d * sizeof(float));
      double norm = 0;
      for (int64_t j = 0; j < d; j++) norm += double(from[j]) * from[j];
      norms_[i] = float(norm);
    }
    for (int64_t i = 0; i < n_; i++) order_[i] = int32_t(i);
    places_.push_back(order_);
    for (int64_t i = 0; i < problem.count; i++) {
      sign_[i] = i < problem.positives ? 1 : -1;
      f_[i] = sign_[i];
      float dot = norms_[i];
      const float* const norm = &norms_[i];
      float* to = &diagonal_[i];
      loops_.svmFinish(settings_.kernel, 1, 1, &dot, 1, norm, norm, &to);
      bound(i);
    }
    check(diagonal_.data());
  }

  void solve() {
    double iterations = 0;
    int64_t untilShrink = period();
    int64_t i = loops_.svmUpdate(f_.data(), active_, 0, zeros_.data(), zeros_.data(), up_.data());
    while (iterations < settings_.maxIterations && !overflown_) {
      if (--untilShrink == 0) {
        if (control_.stopped()) return;
        untilShrink = period();
        if (shrink()) i = loops_.svmUpdate(f_.data(), active_, 0, zeros_.data(), zeros_.data(), up_.data());
      }
      double gap = -kInfinity;
      int64_t j = -1;
      const float* rowI = nullptr;
      if (i >= 0) {
        rowI = row(i);
        j = loops_.svmPartner(f_.data(), active_, f_[i], diagonal_[i], rowI, diagonal_.data(), low_.data(), &gap);
      }
      if (j < 0 || gap < settings_.tolerance) {
        if (active_ == n_) {
          converged_ = true;
          break;
        }
        restore();
        untilShrink = 1;
        i = loops_.svmUpdate(f_.data(), active_, 0, zeros_.data(), zeros_.data(), up_.data());
        // Another look at all, before they are shrunk again.
        if (i < 0 || f_[i] - lowest() < settings_.tolerance) {
          converged_ = true;
          break;
        }
        continue;
      }
      const float* rowJ = row(j);
      const double curvature = std::max(double(diagonal_[i]) + diagonal_[j] - 2.0 * rowI[j], 1e-12);
      const double roomI = high(i) - beta_[i], roomJ = beta_[j] - (high(j) - settings_.C);
      const double delta = std::min({(f_[i] - f_[j]) / curvature, roomI, roomJ});
      beta_[i] = delta == roomI ? high(i) : beta_[i] + delta;
      beta_[j] = delta == roomJ ? high(j) - settings_.C : beta_[j] - delta;
      bound(i);
      bound(j);
      i = loops_.svmUpdate(f_.data(), active_, delta, rowI, rowJ, up_.data());
      iterations++;
    }
    if (active_ < n_) restore();
    finish(iterations);
  }

 private:
  struct Row {
    std::unique_ptr<float[]> values;
    int32_t version = 0;  // of the order its values lie in
    int64_t used = 0;
  };

  int64_t period() const { return std::min<int64_t>(problem_.count, 1000); }
  double high(int64_t i) const { return sign_[i] > 0 ? settings_.C : 0; }
  void bound(int64_t i) {
    up_[i] = beta_[i] < high(i) ? 0 : -kNever;
    low_[i] = beta_[i] > high(i) - settings_.C ? 0 : kNever;
  }
  double lowest() const {
    double least = kInfinity;
    for (int64_t i = 0; i < active_; i++) least = std::min(least, f_[i] + low_[i]);
    return least;
  }

  // The kernel row of the variable at place i, in today's order. Stays until kBatch others were asked for.
  const float* row(int64_t i) {
    if (!rows_[order_[i]].values) compute(batchAround(i));
    Row& row = rows_[order_[i]];
    row.used = ++clock_;
    const int32_t today = int32_t(places_.size()) - 1;
    if (row.version != today) bring(row);
    return row.values.get();
  }

  // Puts a row's values into today's order.
  void bring(Row& row) {
    const int32_t* place = places_[row.version].data();
    spare_.resize(n_);
    for (int64_t p = 0; p < n_; p++) spare_[p] = row.values[place[order_[p]]];
    std::memcpy(row.values.get(), spare_.data(), n_ * sizeof(float));
    row.version = int32_t(places_.size()) - 1;
  }

  // Notes kernel values of the examples that are no finite numbers, or too large to add.
  void check(const float* values) {
    uint32_t most = 0;
    for (int64_t i = 0; i < problem_.count; i++) {
      uint32_t bits;
      std::memcpy(&bits, values + i, sizeof bits);
      most = std::max(most, bits & 0x7fffffff);
    }
    overflown_ |= most > kLargest;
  }

  // Row i and those that will be asked for next: the furthest from the optimum at both ends.
  std::vector<int32_t> batchAround(int64_t i) {
    std::vector<std::pair<double, int32_t>> ends[2];
    for (int64_t p = 0; p < active_; p++) {
      if (p == i || rows_[order_[p]].values) continue;
      if (up_[p] == 0) ends[0].push_back({-f_[p], int32_t(p)});
      if (low_[p] == 0) ends[1].push_back({f_[p], int32_t(p)});
    }
    std::vector<int32_t> batch = {order_[i]};
    for (auto& end : ends) {
      const size_t many = std::min<size_t>(end.size(), (kBatch - 1) / 2);
      std::nth_element(end.begin(), end.begin() + many, end.end());
      std::sort(end.begin(), end.begin() + many);
      for (size_t k = 0; k < many; k++) {
        const int32_t one = order_[end[k].second];
        if (std::find(batch.begin(), batch.end(), one) == batch.end()) batch.push_back(one);
      }
    }
    return batch;
  }

  // Kernel rows of some examples, in the examples' order, by one product.
  void compute(const std::vector<int32_t>& batch) {
    const int64_t d = settings_.columns, count = int64_t(batch.size());
    batchX_.resize(kBatch * d);
    std::vector<float*> to;
    std::vector<float> norms;
    for (int64_t k = 0; k < count; k++) {
      Row& row = rows_[batch[k]];
      row.values = memory();
      row.version = 0;
      row.used = ++clock_;
      held_.push_back(batch[k]);
      to.push_back(row.values.get());
      norms.push_back(norms_[batch[k]]);
      std::memcpy(batchX_.data() + k * d, x_.data() + batch[k] * d, d * sizeof(float));
    }
    computed_ += count;
    const Tiling t = tiling(1, problem_.count, count, d, false);
    gemm(pool_, t, {x_.data(), d, false, nullptr}, {batchX_.data(), d, false, nullptr}, [](int64_t) { return Offsets{0, 0}; },
         pool_.shared(t.packedB()), nullptr,
         [&](int, int64_t, int64_t row, int64_t rows, int64_t column, int64_t columns, const float* c, int64_t ld) {
           float* at[kBatch];
           for (int64_t j = 0; j < columns; j++) at[j] = to[column + j] + row;
           loops_.svmFinish(settings_.kernel, rows, columns, c, ld, norms_.data() + row, norms.data() + column, at);
         });
    for (const float* values : to) check(values);
  }

  // Memory of a row, zeroed behind the examples: fresh, or that of the row not used for longest.
  std::unique_ptr<float[]> memory() {
    if (int64_t(held_.size()) < capacity_) return std::unique_ptr<float[]>(new float[n_]());
    const auto oldest = std::min_element(held_.begin(), held_.end(), [&](int32_t a, int32_t b) { return rows_[a].used < rows_[b].used; });
    std::unique_ptr<float[]> values = std::move(rows_[*oldest].values);
    std::fill(values.get() + problem_.count, values.get() + n_, 0.0f);
    *oldest = held_.back();
    held_.pop_back();
    return values;
  }

  // Puts aside variables at a bound that the optimum will leave there, once they are many; tells whether places changed.
  bool shrink() {
    double most = -kInfinity;
    for (int64_t p = 0; p < active_; p++) most = std::max(most, f_[p] + up_[p]);
    const double least = lowest();
    bool changed = false;
    if (!restored_ && most - least <= 10 * settings_.tolerance) {
      restored_ = true;
      if (active_ < n_) restore(), changed = true;
    }
    const auto idle = [&](int64_t p) {
      if (up_[p] == 0) return low_[p] != 0 && f_[p] < least;
      return low_[p] != 0 || f_[p] > most;  // neither: padding
    };
    std::vector<int32_t> kept, aside;
    for (int64_t p = 0; p < active_; p++) (idle(p) ? aside : kept).push_back(int32_t(p));
    while (kept.size() % kLoopUnit) kept.push_back(aside.back()), aside.pop_back();
    if (kept.empty() || int64_t(aside.size()) < active_ / 8) return changed;
    std::vector<int32_t> from = kept;
    from.insert(from.end(), aside.begin(), aside.end());
    const int64_t before = active_;
    active_ = int64_t(kept.size());
    const auto permute = [&](auto& values) {
      auto old = values;
      for (int64_t p = 0; p < before; p++) values[p] = old[from[p]];
    };
    permute(f_), permute(beta_), permute(up_), permute(low_), permute(diagonal_), permute(sign_), permute(order_);
    places_.emplace_back(n_);
    for (int64_t p = 0; p < n_; p++) places_.back()[order_[p]] = int32_t(p);
    if (int64_t(places_.size()) > kOrders) forgetOrders();
    shrinkings_++;
    return true;
  }

  // Leaves the examples' order, which new rows come in, and today's.
  void forgetOrders() {
    for (const int32_t example : held_) {
      bring(rows_[example]);
      rows_[example].version = 1;
    }
    places_.erase(places_.begin() + 1, places_.end() - 1);
  }

  // f of the variables put aside, from the kernel rows of the support vectors; all are active then.
  void restore() {
    for (int64_t p = active_; p < n_; p++) f_[p] = sign_[p];
    std::vector<int64_t> support;
    for (int64_t p = 0; p < n_; p++)
      if (beta_[p] != 0) support.push_back(p);
    for (size_t k = 0; k < support.size(); k++) {
      const int64_t i = support[k];
      if (!rows_[order_[i]].values) {
        std::vector<int32_t> batch;
        for (size_t next = k; next < support.size() && batch.size() < size_t(kBatch); next++)
          if (!rows_[order_[support[next]]].values) batch.push_back(order_[support[next]]);
        compute(batch);
      }
      const float* values = row(i);
      for (int64_t p = active_; p < n_; p++) f_[p] -= beta_[i] * values[p];
    }
    active_ = n_;
  }

  void finish(double iterations) {
    double objective = 0, free = 0, most = -kInfinity;
    int64_t freeCount = 0;
    for (int64_t p = 0; p < n_; p++) {
      objective -= beta_[p] * (f_[p] + sign_[p]) / 2;
      most = std::max(most, f_[p] + up_[p]);
      if (up_[p] == 0 && low_[p] == 0) free += f_[p], freeCount++;
      if (order_[p] < problem_.count) problem_.beta[order_[p]] = beta_[p];
    }
    problem_.result[0] = freeCount ? free / freeCount : (most + lowest()) / 2;
    problem_.result[1] = objective;
    problem_.result[2] = iterations;
    problem_.result[3] = double(computed_);
    problem_.result[4] = double(shrinkings_);
    problem_.result[5] = converged_;
    if (overflown_) problem_.result[0] = problem_.result[1] = std::numeric_limits<double>::quiet_NaN();
  }

  Pool& pool_;
  const SvmSettings& settings_;
  const SvmProblem& problem_;
  const Control control_;
  const LearnerLoops& loops_;
  const int64_t n_;  // variables, padded
  int64_t active_, capacity_, clock_ = 0, computed_ = 0, shrinkings_ = 0;
  bool restored_ = false, converged_ = false, overflown_ = false;
  std::vector<float> x_, norms_, batchX_, spare_;
  std::vector<Row> rows_;       // by example
  std::vector<int32_t> held_;   // examples whose rows are there
  std::vector<double> f_, beta_;
  std::vector<float> up_, low_, diagonal_, zeros_, sign_;
  std::vector<int32_t> order_;  // example at each place
  std::vector<std::vector<int32_t>> places_;  // by version: place of each example
};

}  // namespace

int64_t svmLeastBytes(int64_t count) { return (kBatch + 2) * units(count) * int64_t(sizeof(float)); }

void svmFit(Pool& pool, const float* x, const SvmSettings& settings, const SvmProblem* problems, int64_t count, Control control) {
  // Many problems keep the threads busy one each; few share them in their products, which gives the same bits.
  const int64_t atOnce = count >= pool.threads() ? pool.threads() : 1;
  const auto solve = [&](Pool& threads, int64_t i) {
    if (control.stopped()) return;
    Solver(threads, x, settings, problems[i], settings.cacheBytes / double(atOnce), control).solve();
    control.done();
  };
  if (atOnce == 1) {
    for (int64_t i = 0; i < count; i++) solve(pool, i);
    return;
  }
  pool.parallel(count, [&](int64_t i, int) {
    Pool alone(1);
    solve(alone, i);
  });
}

}  // namespace flybrick
