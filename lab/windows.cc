// Checks and times reduce, window, gather and resize against plain loops, with stand-ins for Pool, Epilogue and Source.
//   npm run build:addon -- --lab && build/lab/windows [portable|avx2|avx512] [time]

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "../native/isa.h"
#include "../native/step.h"
#include "pool.h"

using namespace flybrick;

static std::mt19937 random_(7);
static int failures = 0, checks = 0;

// A tensor whose memory holds its axes in `order` (outermost first), with gaps of `pad` elements behind each row.
struct Tensor {
  View view{};
  std::vector<char> memory;
  Tensor(DType type, std::vector<int64_t> shape, std::vector<int> order = {}, int64_t pad = 0) {
    view.dtype = type;
    view.rank = static_cast<int>(shape.size());
    int64_t step = 1;
    for (int i = view.rank - 1; i >= 0; i--) {
      const int axis = order.empty() ? i : order[i];
      view.shape[axis] = shape[axis], view.strides[axis] = step;
      step = step * shape[axis] + pad;
    }
    const size_t bytes = (type == DType::u8 ? 1 : 4) * (step + 64), page = 4096;
    memory.reserve(bytes);
    if (bytes > (8 << 20)) madvise(reinterpret_cast<void*>(reinterpret_cast<size_t>(memory.data()) / page * page + page), bytes - page, MADV_HUGEPAGE);
    memory.resize(bytes);
    view.data = memory.data();
  }
  Tensor(const Tensor& from) : view(from.view), memory(from.memory) { view.data = memory.data(); }
  int64_t count() const {
    int64_t n = 1;
    for (int i = 0; i < view.rank; i++) n *= view.shape[i];
    return n;
  }
  int64_t at(int64_t linear) const {
    int64_t at = 0;
    for (int i = view.rank - 1; i >= 0; i--) at += linear % view.shape[i] * view.strides[i], linear /= view.shape[i];
    return at;
  }
  double get(int64_t i) const {
    if (view.dtype == DType::f32) return static_cast<const float*>(view.data)[at(i)];
    if (view.dtype == DType::i32) return static_cast<const int32_t*>(view.data)[at(i)];
    return static_cast<const uint8_t*>(view.data)[at(i)];
  }
  void set(int64_t i, double v) {
    if (view.dtype == DType::f32) static_cast<float*>(view.data)[at(i)] = static_cast<float>(v);
    else if (view.dtype == DType::i32) static_cast<int32_t*>(view.data)[at(i)] = static_cast<int32_t>(v);
    else static_cast<uint8_t*>(view.data)[at(i)] = static_cast<uint8_t>(v);
  }
  // Small whole numbers make ties; `specials` adds NaN and infinities.
  Tensor& fill(int64_t low, int64_t high, bool whole = false, bool specials = false) {
    const double infinity = std::numeric_limits<double>::infinity();
    for (int64_t i = 0, n = count(); i < n; i++) {
      const double u = random_() / 4294967296.0;
      double v = whole ? low + std::floor(u * (high - low + 1)) : low + u * (high - low);
      if (specials && random_() % 23 == 0) v = random_() % 3 == 0 ? std::nan("") : random_() % 2 ? infinity : -infinity;
      set(i, v);
    }
    return *this;
  }
};

// A step's matrix over its shape; both stand-ins use it.
struct Matrix {
  std::vector<int64_t> shape;
  std::vector<int> rows, columns;
  void split(const int* r, int nr, const int* c, int nc) { rows.assign(r, r + nr), columns.assign(c, c + nc); }
  int64_t count(const std::vector<int>& axes) const {
    int64_t n = 1;
    for (int a : axes) n *= shape[a];
    return n;
  }
  int64_t offset(const std::vector<int>& axes, int64_t i, const int64_t* strides) const {
    int64_t at = 0;
    for (size_t k = axes.size(); k-- > 0;) at += i % shape[axes[k]] * strides[axes[k]], i /= shape[axes[k]];
    return at;
  }
};

struct Store : Epilogue, Matrix {
  Tensor* to;
  std::vector<int64_t> dense;
  std::vector<int32_t> core0, core1;
  std::vector<int> seen;
  bool fast = false;  // timing: a plain copy to `to`
  Store(std::vector<int64_t> s) {
    shape = s;
    dense.resize(s.size());
    int64_t n = 1;
    for (size_t i = s.size(); i-- > 0;) dense[i] = n, n *= s[i];
    core0.resize(n), core1.resize(n), seen.resize(n);
  }
  void matrix(const int* r, int nr, const int* c, int nc) override { split(r, nr, c, nc); }
  void apply(int, int64_t row, int64_t n, int64_t column, int64_t m, const float* c0, int64_t ld0, const int32_t* c1,
             int64_t ld1) override {
    if (fast) {
      float* out = static_cast<float*>(to->view.data);
      const int64_t base = offset(rows, row, to->view.strides), end = offset(rows, row + n - 1, to->view.strides);
      if (end == base + (n - 1) * m && ld0 == m) std::memcpy(out + base + column, c0, 4 * n * m);
      else
        for (int64_t i = 0; i < n; i++)
          std::memcpy(out + offset(rows, row + i, to->view.strides) + column, c0 + i * ld0, 4 * m);
      uint8_t* bytes = reinterpret_cast<uint8_t*>(core1.data()) + row * m;
      if (c1)
        for (int64_t i = 0; i < n * m; i++) bytes[i] = static_cast<uint8_t>(c1[i]);
      return;
    }
    if (row < 0 || column < 0 || row + n > count(rows) || column + m > count(columns)) std::printf("bad block\n"), failures++;
    for (int64_t i = 0; i < n; i++)
      for (int64_t j = 0; j < m; j++) {
        const int64_t at = offset(rows, row + i, dense.data()) + offset(columns, column + j, dense.data());
        std::memcpy(&core0[at], &c0[i * ld0 + j], 4);
        if (c1) core1[at] = c1[i * ld1 + j];
        seen[at]++;
      }
  }
};

struct Read : Source, Matrix {
  const Tensor& from;
  bool open;
  Read(const Tensor& t, bool open) : from(t), open(open) { shape.assign(t.view.shape, t.view.shape + t.view.rank); }
  DType type() const override { return from.view.dtype; }
  void matrix(const int* r, int nr, const int* c, int nc) override { split(r, nr, c, nc); }
  void read(int, int64_t row, int64_t n, int64_t column, int64_t m, void* out, int64_t ld) override {
    const int32_t* data = static_cast<const int32_t*>(from.view.data);
    for (int64_t i = 0; i < n; i++) {
      const int64_t base = offset(rows, row + i, from.view.strides);
      for (int64_t j = 0; j < m; j++)
        static_cast<int32_t*>(out)[i * ld + j] = data[base + offset(columns, column + j, from.view.strides)];
    }
  }
  const View* plain() const override { return open ? &from.view : nullptr; }
};

// One and two threads must agree in every bit, and both with `expected` (within `tolerance` of its scale).
template <class Run>
static void check(const std::string& name, const std::vector<int64_t>& shape, const std::vector<double>& expected,
                  const std::vector<double>& tapsExpected, bool integer, double tolerance, Run run) {
  static Pool one(1), two(2);
  Store a(shape), b(shape);
  run(one, a), run(two, b);
  checks++;
  bool good = a.core0 == b.core0 && a.core1 == b.core1;
  std::string why = good ? "" : "threads differ";
  for (size_t i = 0; i < expected.size() && good; i++) {
    float f;
    std::memcpy(&f, &a.core0[i], 4);
    const double got = integer ? a.core0[i] : f, want = expected[i];
    if (a.seen[i] != 1) good = false, why = "written " + std::to_string(a.seen[i]) + " times";
    else if (!(std::isnan(got) && std::isnan(want)) && got != want && !(std::fabs(got - want) <= tolerance))
      good = false, why = "at " + std::to_string(i) + ": " + std::to_string(got) + ", not " + std::to_string(want);
    else if (!tapsExpected.empty() && a.core1[i] != tapsExpected[i])
      good = false, why = "tap at " + std::to_string(i) + ": " + std::to_string(a.core1[i]) + ", not " + std::to_string(tapsExpected[i]);
  }
  if (!good) std::printf("FAILED %s: %s\n", name.c_str(), why.c_str()), failures++;
}

static void checkReduce(const std::string& name, const Tensor& x, std::vector<int> axes, double tolerance = 1e-3) {
  const int rank = x.view.rank;
  bool reduced[kMaxRank] = {};
  for (int a : axes) reduced[a] = true;
  std::vector<int64_t> shape;
  for (int i = 0; i < rank; i++) shape.push_back(reduced[i] ? 1 : x.view.shape[i]);
  const Store layout(shape);
  const double none = std::nan("");
  for (int op = 0; op < 4; op++) {
    if (op == 3 && axes.size() != 1) continue;
    std::vector<double> out(layout.core0.size(), op == 0 || op == 3 ? 0 : none), best(out.size());
    std::vector<char> seen(out.size());
    for (int64_t i = 0, n = x.count(); i < n; i++) {
      int64_t at = 0, index = 0, rest = i;
      for (int k = rank - 1; k >= 0; k--) {
        const int64_t p = rest % x.view.shape[k];
        rest /= x.view.shape[k];
        if (!reduced[k]) at += p * layout.dense[k];
        else index = p;
      }
      const double v = x.get(i);
      if (op == 0) out[at] += v;
      else if (op == 3) {
        if (!seen[at] || v > best[at] || (std::isnan(v) && !std::isnan(best[at]))) out[at] = index, best[at] = v;
      } else if (!seen[at] || std::isnan(v) || (op == 1 ? v > out[at] : v < out[at])) out[at] = v;
      seen[at] = 1;
    }
    const bool integer = op == 3 || x.view.dtype == DType::i32;
    if (integer && op != 0 && x.count() == 0) continue;  // no such integer
    for (bool open : {false, true}) {
      if (open && x.view.dtype != DType::f32) continue;
      check(name + (open ? " plain" : " expression") + " op " + std::to_string(op), shape, out, {}, integer, op ? 0 : tolerance,
            [&](Pool& pool, Store& store) {
              Read source(x, open);
              reduce(pool, static_cast<ReduceOp>(op), rank, x.view.shape, reduced, source, store);
            });
    }
  }
}

static const std::vector<int> kNchw = {}, kNhwc = {0, 2, 3, 1}, kOdd = {1, 0, 3, 2};

static void checkWindows() {
  const WindowGeometry geometries[] = {{3, 3, 2, 2, 0, 0, 0, 0}, {2, 2, 2, 2, 0, 0, 0, 0}, {3, 2, 1, 2, 1, 1, 0, 1},
                                       {1, 1, 1, 1, 0, 0, 0, 0}, {4, 5, 3, 1, 2, 3, 4, 0}, {2, 3, 3, 4, 0, 1, 1, 2},
                                       {3, 3, 2, 2, 4, 4, 5, 4}};
  for (const WindowGeometry& g : geometries)
    for (int64_t channels : {1, 3, 6, 16, 37, 150})
      for (const auto& order : {kNchw, kNhwc, kOdd})
        for (int64_t pad : {0, 3})
          for (bool specials : {false, true}) {
            const int64_t N = 2, H = 9, W = 11;
            const int64_t OH = (H + g.padTop + g.padBottom - g.kernelY) / g.strideY + 1;
            const int64_t OW = (W + g.padLeft + g.padRight - g.kernelX) / g.strideX + 1;
            const std::vector<int64_t> in = {N, channels, H, W}, out = {N, channels, OH, OW};
            Tensor x(DType::f32, in, order, pad), dy(DType::f32, out, order, pad);
            x.fill(-3, 3, true, specials), dy.fill(-3, 3);
            Tensor taps8(DType::u8, out, kNhwc, pad), taps32(DType::i32, out, kOdd, pad);
            std::vector<double> most(dy.count(), -std::numeric_limits<double>::infinity()), tap(dy.count(), -1);
            std::vector<double> sums(dy.count()), back(x.count()), backSum(x.count());
            const auto each = [&](auto body) {
              for (int64_t plane = 0; plane < N * channels; plane++)
                for (int64_t y = 0; y < OH; y++)
                  for (int64_t c = 0; c < OW; c++)
                    for (int ky = 0; ky < g.kernelY; ky++)
                      for (int kx = 0; kx < g.kernelX; kx++) {
                        const int64_t row = y * g.strideY - g.padTop + ky, column = c * g.strideX - g.padLeft + kx;
                        if (row < 0 || row >= H || column < 0 || column >= W) continue;
                        body((plane * OH + y) * OW + c, (plane * H + row) * W + column, ky * g.kernelX + kx);
                      }
            };
            each([&](int64_t o, int64_t i, int t) {
              const double v = x.get(i);
              sums[o] += v;
              if (tap[o] == -1 || v > most[o] || (std::isnan(v) && !std::isnan(most[o]))) most[o] = v, tap[o] = t;
            });
            for (int64_t i = 0; i < dy.count(); i++) taps8.set(i, tap[i] < 0 ? 255 : tap[i]), taps32.set(i, tap[i]);
            each([&](int64_t o, int64_t i, int t) {
              backSum[i] += dy.get(o);
              if (tap[o] == t) back[i] += dy.get(o);
            });
            const std::string name = "window " + std::to_string(&g - geometries) + " c" + std::to_string(channels);
            check(name + " max", out, most, tap, false, 0,
                  [&](Pool& p, Store& s) { window(p, WindowOp::max, out.data(), x.view, g, s); });
            check(name + " sum", out, sums, {}, false, 1e-4,
                  [&](Pool& p, Store& s) { window(p, WindowOp::sum, out.data(), x.view, g, s); });
            for (const Tensor* taps : {&taps8, &taps32})
              check(name + " max gradient", in, back, {}, false, 1e-4,
                    [&](Pool& p, Store& s) { windowGrad(p, WindowOp::max, in.data(), dy.view, &taps->view, g, s); });
            check(name + " sum gradient", in, backSum, {}, false, 1e-4,
                  [&](Pool& p, Store& s) { windowGrad(p, WindowOp::sum, in.data(), dy.view, nullptr, g, s); });
          }
}

static void checkGather() {
  for (DType type : {DType::f32, DType::i32, DType::u8})
    for (DType indexType : {DType::i32, DType::u8})
      for (const std::vector<int64_t>& rest : std::vector<std::vector<int64_t>>{{}, {1}, {5}, {700}, {3, 4}, {2, 3000}})
        for (const std::vector<int64_t>& places : std::vector<std::vector<int64_t>>{{}, {1}, {300}, {4, 7}})
          for (int64_t pad : {0, 2}) {
            std::vector<int64_t> tableShape = {11}, shape = places;
            tableShape.insert(tableShape.end(), rest.begin(), rest.end());
            shape.insert(shape.end(), rest.begin(), rest.end());
            std::vector<int> reversed;
            if (pad) for (int i = static_cast<int>(tableShape.size()) - 1; i >= 0; i--) reversed.push_back(i);
            Tensor table(type, tableShape, reversed, pad), index(indexType, places, {}, pad);
            table.fill(type == DType::u8 ? 0 : -90, 90, type != DType::f32), index.fill(indexType == DType::u8 ? 0 : -2, 13, true);
            Tensor dy(DType::f32, shape, {}, pad);
            dy.fill(-2, 2);
            const int64_t rows = index.count(), size = dy.count() / rows;
            std::vector<double> out(dy.count()), back(table.count());
            for (int64_t r = 0; r < rows; r++) {
              const int64_t row = static_cast<int64_t>(index.get(r));
              if (row < 0 || row >= 11) continue;
              for (int64_t i = 0; i < size; i++) {
                out[r * size + i] = table.get(row * size + i);
                back[row * size + i] = static_cast<float>(back[row * size + i]) + static_cast<float>(dy.get(r * size + i));
              }
            }
            check("gather", shape, out, {}, type != DType::f32, 0, [&](Pool& p, Store& s) {
              gather(p, static_cast<int>(shape.size()), shape.data(), table.view, index.view, s);
            });
            if (type != DType::f32) continue;
            for (double& v : back) v = static_cast<float>(v);
            check("scatterAdd", tableShape, back, {}, false, 1e-4, [&](Pool& p, Store& s) {
              scatterAdd(p, static_cast<int>(tableShape.size()), tableShape.data(), dy.view, index.view, s);
            });
          }
}

static void checkResize() {
  const int64_t sizes[][4] = {{28, 28, 224, 224}, {5, 7, 9, 40}, {9, 40, 5, 7}, {1, 1, 3, 4}, {6, 6, 6, 6}, {3, 50, 1, 97}, {4, 3, 1, 1}};
  for (const auto& z : sizes)
    for (int64_t channels : {1, 3, 20})
      for (const auto& order : {kNchw, kNhwc, kOdd})
        for (int64_t pad : {0, 3}) {
          const std::vector<int64_t> in = {2, channels, z[0], z[1]}, out = {2, channels, z[2], z[3]};
          Tensor x(DType::f32, in, order, pad), dy(DType::f32, out, order, pad);
          x.fill(-3, 3), dy.fill(-3, 3);
          std::vector<double> expected(dy.count()), back(x.count());
          const auto taps = [](int64_t at, int64_t from, int64_t to, int64_t* low, int64_t* high) {
            const float centre = static_cast<float>((at + 0.5) * static_cast<float>(static_cast<double>(from) / to));
            const double source = std::max(0.0f, static_cast<float>(centre - 0.5));
            *low = std::min<int64_t>(from - 1, static_cast<int64_t>(std::floor(source)));
            *high = std::min<int64_t>(from - 1, *low + 1);
            return static_cast<double>(static_cast<float>(source - *low));
          };
          for (int64_t plane = 0; plane < 2 * channels; plane++)
            for (int64_t i = 0; i < z[2]; i++)
              for (int64_t j = 0; j < z[3]; j++) {
                int64_t y[2], c[2];
                const double wy = taps(i, z[0], z[2], &y[0], &y[1]), wx = taps(j, z[1], z[3], &c[0], &c[1]);
                for (int k = 0; k < 4; k++) {
                  const double w = (k & 2 ? wy : 1 - wy) * (k & 1 ? wx : 1 - wx);
                  const int64_t from = (plane * z[0] + y[k >> 1]) * z[1] + c[k & 1], to = (plane * z[2] + i) * z[3] + j;
                  expected[to] += w * x.get(from);
                  back[from] += w * dy.get(to);
                }
              }
          const std::string name = "resize " + std::to_string(z[0]) + "x" + std::to_string(z[1]) + " c" + std::to_string(channels);
          check(name, out, expected, {}, false, 1e-5, [&](Pool& p, Store& s) { resize(p, out.data(), x.view, s); });
          check(name + " gradient", in, back, {}, false, 1e-3, [&](Pool& p, Store& s) { resizeGrad(p, in.data(), dy.view, s); });
        }
}

static void checkReduces() {
  for (bool specials : {false, true})
    for (DType type : {DType::f32, DType::i32}) {
      if (specials && type == DType::i32) continue;
      const auto make = [&](std::vector<int64_t> shape, std::vector<int> order = {}, int64_t pad = 0) {
        Tensor t(type, shape, order, pad);
        return t.fill(-9, 9, type == DType::i32 || specials, specials);
      };
      for (const auto& order : {kNchw, kNhwc, kOdd})
        for (int64_t pad : {0, 5}) {
          const Tensor x = make({5, 37, 6, 7}, order, pad), one = make({3, 1, 20, 9}, order, pad);
          for (const Tensor* t : {&x, &one})
            for (const std::vector<int>& axes : std::vector<std::vector<int>>{{}, {0}, {1}, {2}, {3}, {2, 3}, {0, 2, 3}, {0, 1, 2, 3}, {0, 2}, {1, 3}})
              checkReduce("reduce 4-D", *t, axes);
        }
      checkReduce("long rows", make({3, 70001}), {1}, 2e-2);
      checkReduce("tall columns", make({50021, 19}), {0}, 2e-2);
      checkReduce("all", make({130, 1033}), {0, 1}, 2e-2);
      checkReduce("softmax rows", make({999, 10}), {1});
      checkReduce("wide", make({7, 9001}), {0});
      checkReduce("middle", make({300, 3, 65}), {1});
      checkReduce("scalar", make({}), {});
      checkReduce("empty", make({4, 0}), {1});
      checkReduce("no results", make({0, 4}), {1});
    }
  Tensor low(DType::f32, {3, 200});
  for (int64_t i = 0; i < low.count(); i++) low.set(i, -std::numeric_limits<double>::infinity());
  checkReduce("minus infinity", low, {1}), checkReduce("minus infinity", low, {0});
}

// ---- timing

template <class Run>
static void timing(const char* name, double bytes, Run run) {
  for (int threads : {1, 2}) {
    Pool pool(threads);
    double best = 1e9;
    for (int i = 0; i < 12; i++) {
      const auto start = std::chrono::steady_clock::now();
      run(pool);
      best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    std::printf("%-46s %d thread%s %8.3f ms %6.1f GB/s\n", name, threads, threads > 1 ? "s" : " ", best * 1e3, bytes / best * 1e-9);
  }
}

static void timings() {
  {
    const size_t n = 64 << 20;
    float* a = hugePages(n), *b = hugePages(n);
    std::memset(a, 1, 4 * n), std::memset(b, 1, 4 * n);
    timing("(memcpy of 256 MB)", 8.0 * n, [&](Pool& p) {
      p.parallel(64, [&](int64_t t, int) { std::memcpy(b + t * (n / 64), a + t * (n / 64), n / 16); });
    });
    std::free(a), std::free(b);
  }
  const auto fast = [](Store& s, Tensor& to) { s.fast = true, s.to = &to; };
  const WindowGeometry g{3, 3, 2, 2, 0, 0, 0, 0};
  for (const auto& [c, h] : {std::pair<int64_t, int64_t>{96, 54}, {256, 26}, {256, 12}}) {
    const int64_t o = (h - 3) / 2 + 1;
    const std::vector<int64_t> in = {128, c, h, h}, out = {128, c, o, o};
    Tensor x(DType::f32, in, kNhwc), y(DType::f32, out, kNhwc), taps(DType::u8, out, kNhwc), dx(DType::f32, in, kNhwc);
    x.fill(-3, 3), y.fill(-3, 3), taps.fill(0, 8, true);
    Store s(out), back(in);
    fast(s, y), fast(back, dx);
    const std::string size = std::to_string(h) + "x" + std::to_string(h) + "x" + std::to_string(c);
    timing(("max window " + size).c_str(), 4.0 * x.count() + 5.0 * y.count(),
           [&](Pool& p) { window(p, WindowOp::max, out.data(), x.view, g, s); });
    timing(("sum window " + size).c_str(), 4.0 * x.count() + 4.0 * y.count(),
           [&](Pool& p) { window(p, WindowOp::sum, out.data(), x.view, g, s); });
    timing(("max gradient " + size).c_str(), 4.0 * x.count() + 5.0 * y.count(),
           [&](Pool& p) { windowGrad(p, WindowOp::max, in.data(), y.view, &taps.view, g, back); });
    Tensor flat(DType::f32, out);
    flat.fill(-3, 3);
    timing(("max gradient, upstream NCHW, " + size).c_str(), 4.0 * x.count() + 5.0 * y.count(),
           [&](Pool& p) { windowGrad(p, WindowOp::max, in.data(), flat.view, &taps.view, g, back); });
  }
  {
    const std::vector<int64_t> in = {128, 1, 28, 28}, out = {128, 1, 224, 224};
    Tensor x(DType::f32, in), y(DType::f32, out), dx(DType::f32, in);
    x.fill(-3, 3);
    Store s(out), back(in);
    fast(s, y), fast(back, dx);
    timing("resize 28 -> 224", 4.0 * (x.count() + y.count()), [&](Pool& p) { resize(p, out.data(), x.view, s); });
    timing("resize gradient", 4.0 * (x.count() + y.count()), [&](Pool& p) { resizeGrad(p, in.data(), y.view, back); });
  }
  const auto reduces = [&](const char* name, std::vector<int64_t> shape, std::vector<int> axes, const std::vector<int>& order, ReduceOp op) {
    Tensor x(DType::f32, shape, order);
    x.fill(-3, 3);
    bool reduced[kMaxRank] = {};
    for (int a : axes) reduced[a] = true, shape[a] = 1;
    Store s(shape);
    Tensor to(DType::f32, shape);
    fast(s, to);
    Read source(x, true);
    timing(name, 4.0 * x.count(), [&](Pool& p) { reduce(p, op, x.view.rank, x.view.shape, reduced, source, s); });
  };
  reduces("bias gradient [128,96,54,54] NHWC", {128, 96, 54, 54}, {0, 2, 3}, kNhwc, ReduceOp::sum);
  reduces("bias gradient [128,256,26,26] NCHW", {128, 256, 26, 26}, {0, 2, 3}, kNchw, ReduceOp::sum);
  reduces("rows of [65536, 512], sum", {65536, 512}, {1}, {}, ReduceOp::sum);
  reduces("rows of [65536, 512], max", {65536, 512}, {1}, {}, ReduceOp::max);
  reduces("rows of [65536, 512], argmax", {65536, 512}, {1}, {}, ReduceOp::argmax);
  reduces("rows of [262144, 10], max", {262144, 10}, {1}, {}, ReduceOp::max);
  reduces("everything, 128 MB", {8192, 4096}, {0, 1}, {}, ReduceOp::sum);
  reduces("columns of [4096, 8192]", {4096, 8192}, {0}, {}, ReduceOp::sum);
  reduces("middle of [4096, 8, 1024]", {4096, 8, 1024}, {1}, {}, ReduceOp::sum);
  {
    Tensor table(DType::f32, {50000, 256}), index(DType::i32, {65536}), y(DType::f32, {65536, 256}), back(DType::f32, {50000, 256});
    table.fill(-1, 1), index.fill(0, 49999, true), y.fill(-1, 1);
    Store s({65536, 256}), t({50000, 256});
    fast(s, y), fast(t, back);
    const int64_t out[] = {65536, 256}, in[] = {50000, 256};
    timing("gather 65536 of [50000, 256]", 8.0 * y.count(), [&](Pool& p) { gather(p, 2, out, table.view, index.view, s); });
    timing("scatterAdd", 4.0 * (y.count() + back.count()), [&](Pool& p) { scatterAdd(p, 2, in, y.view, index.view, t); });
  }
}

int main(int count, char** words) {
  const std::string name = count > 1 ? words[1] : "avx512";
  pinIsa(name == "portable" ? Isa::portable : name == "avx2" ? Isa::avx2 : Isa::avx512);
  checkReduces(), checkWindows(), checkGather(), checkResize();
  std::printf("%s: %d checks, %d failed\n", name.c_str(), checks, failures);
  if (count > 2) timings();
  return failures > 0;
}
