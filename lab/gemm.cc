// The packed matrix product and the convolutions on it: checked against plain loops, then timed.
//   npm run build:addon -- --lab && build/lab/gemm [check|quick] [time] [filter]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "../native/isa.h"
#include "../native/step.h"
#include "pool.h"

using namespace flybrick;

// An epilogue that stores or updates: to = core, or with a rate to -= rate * core.
struct Store : Epilogue {
  View to;
  float rate = 0;
  int rows[kMaxRank], columns[kMaxRank], rowCount = 0, columnCount = 0;
  explicit Store(const View& view) : to(view) {}
  void matrix(const int* r, int rc, const int* c, int cc) override {
    std::copy(r, r + rc, rows), std::copy(c, c + cc, columns);
    rowCount = rc, columnCount = cc;
  }
  int64_t offset(const int* axes, int count, int64_t index) const {
    int64_t sum = 0;
    for (int i = count - 1; i >= 0; index /= to.shape[axes[i--]]) sum += index % to.shape[axes[i]] * to.strides[axes[i]];
    return sum;
  }
  void apply(int, int64_t row, int64_t n, int64_t column, int64_t m, const float* core, int64_t ld, const int32_t*,
             int64_t) override {
    int64_t step = to.strides[columns[columnCount - 1]];
    bool even = true;
    for (int i = columnCount - 1; i > 0; i--)
      even = even && to.strides[columns[i - 1]] == to.strides[columns[i]] * to.shape[columns[i]];
    for (int64_t i = 0; i < n; i++) {
      float* base = static_cast<float*>(to.data) + offset(rows, rowCount, row + i);
      const float* from = core + i * ld;
      if (even && step == 1 && rate) {
        float* at = base + column;
        for (int64_t j = 0; j < m; j++) at[j] -= rate * from[j];
      } else if (even && step == 1) {
        std::memcpy(base + column, from, m * sizeof(float));
      } else {
        for (int64_t j = 0; j < m; j++) {
          float& at = base[offset(columns, columnCount, column + j)];
          at = rate ? at - rate * from[j] : from[j];
        }
      }
    }
  }
};

// ---- tensors and plain loops

static uint64_t seed = 1;
static float random1() {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return float(int32_t(seed >> 33) - (1 << 30)) / float(1 << 30);
}

struct Tensor {
  std::vector<float> dense;
  float* huge = nullptr;
  View view{};
  // `order` lists axes from the outermost to the innermost in memory; `gap` floats are added to every stride.
  Tensor(std::vector<int64_t> shape, std::vector<int> order = {}, int gap = 0, bool backwards = false) {
    view.rank = int(shape.size());
    if (order.empty()) order.resize(shape.size()), std::iota(order.begin(), order.end(), 0);
    int64_t size = 1;
    for (int i = view.rank - 1; i >= 0; i--) {
      const int axis = order[i];
      view.shape[axis] = shape[axis];
      if (i == view.rank - 1 && gap > 1) size = 2;
      view.strides[axis] = size;
      size = size * shape[axis] + (shape[axis] > 1 ? gap : 0);
    }
    huge = hugePages(size + 64);
    for (int64_t i = 0; i < size; i++) huge[i] = random1();
    view.data = huge;
    if (backwards) {
      view.data = huge + (view.shape[order[0]] - 1) * view.strides[order[0]];
      view.strides[order[0]] *= -1;
    }
  }
  ~Tensor() { std::free(huge); }
  Tensor(const Tensor&) = delete;
};
static float& at(const View& v, int64_t a, int64_t b, int64_t c, int64_t d) {
  return static_cast<float*>(v.data)[a * v.strides[0] + b * v.strides[1] + c * v.strides[2] + d * v.strides[3]];
}

template <typename Body>
static void eachProduct(const int64_t* y, const View& x, const int64_t* w, const ConvGeometry& g, Body body) {
  const int64_t perGroup = y[1] / g.groups;
  for (int64_t n = 0; n < y[0]; n++)
    for (int64_t o = 0; o < y[1]; o++)
      for (int64_t i = 0; i < y[2]; i++)
        for (int64_t j = 0; j < y[3]; j++)
          for (int64_t c = 0; c < w[1]; c++)
            for (int64_t ky = 0; ky < w[2]; ky++)
              for (int64_t kx = 0; kx < w[3]; kx++) {
                const int64_t r = i * g.strideY - g.padTop + ky * g.dilationY, s = j * g.strideX - g.padLeft + kx * g.dilationX;
                if (r >= 0 && r < x.shape[2] && s >= 0 && s < x.shape[3])
                  body(n, o, i, j, o / perGroup * w[1] + c, r, s, c, ky, kx);
              }
}

static int failures = 0;
// Compares a result with sums in double; the size of an error is judged by the sum of absolute products, or, since
// Winograd's spread over a tile, by their mean.
static void judge(const char* name, const char* set, const std::vector<float>& got, const std::vector<float>& again,
                  const std::vector<double>& want, const std::vector<double>& scale) {
  double worst = 0, mean = 0;
  if (std::strstr(name, "winograd"))
    for (double one : scale) mean += one / scale.size();
  for (size_t i = 0; i < want.size(); i++) {
    const double unit = std::max(scale[i], mean), error = std::fabs(got[i] - want[i]) / (unit ? unit : 1);
    if (!(error <= worst)) worst = error;
  }
  const bool same = !std::memcmp(got.data(), again.data(), got.size() * sizeof(float));
  if (!(worst < 1e-5) || !same) {
    failures++;
    std::printf("FAIL %-9s %-40s error %.2e %s\n", set, name, worst, same ? "" : "differs between 1 and 2 threads");
  }
}

static const struct { Isa isa; const char* name; } kSets[] = {
    {Isa::portable, "portable"}, {Isa::avx2, "avx2"}, {Isa::avx512, "avx512"}};

// Runs `body(pool, target)` on every instruction set with 1 and 2 threads, into a dense row-major result.
template <typename Body>
static void onEverySet(const char* name, const std::vector<int64_t>& shape, const std::vector<double>& want,
                       const std::vector<double>& scale, Body body) {
  static Pool one(1), two(2);
  for (const auto& set : kSets) {
    pinIsa(set.isa);
    if (isa() != set.isa) continue;
    std::vector<float> results[2];
    for (int i = 0; i < 2; i++) {
      Tensor y(shape);
      Store store(y.view);
      body(i ? two : one, store);
      results[i].assign(y.huge, y.huge + want.size());
    }
    judge(name, set.name, results[0], results[1], want, scale);
  }
}

static void checkMatmul(int64_t batch, int64_t m, int64_t n, int64_t k, int orderA, int orderB, int gap = 0, bool broadcast = false) {
  const std::vector<int> orders[] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}};
  Tensor a({batch, m, k}, orders[orderA], gap), b({batch, k, n}, orders[orderB], gap, gap > 0);
  if (broadcast) b.view.strides[0] = 0;
  const int64_t shape[] = {batch, m, n};
  std::vector<double> want(batch * m * n), scale(want.size());
  const auto element = [](const View& v, int64_t x, int64_t y, int64_t z) {
    return double(static_cast<float*>(v.data)[x * v.strides[0] + y * v.strides[1] + z * v.strides[2]]);
  };
  for (int64_t i = 0; i < batch * m * n; i++)
    for (int64_t p = 0; p < k; p++) {
      const double product = element(a.view, i / n / m, i / n % m, p) * element(b.view, i / n / m, p, i % n);
      want[i] += product, scale[i] += std::fabs(product);
    }
  char name[200];
  std::snprintf(name, sizeof name, "matmul %ldx[%ld,%ld,%ld] orders %d%d gap %d", batch, m, n, k, orderA, orderB, gap);
  onEverySet(name, {batch, m, n}, want, scale, [&](Pool& pool, Store& store) { matmul(pool, 3, shape, a.view, b.view, store); });
}

static void checkConv(int64_t n, int64_t c, int64_t h, int64_t w, int64_t o, int64_t kh, int64_t kw, ConvGeometry g, int order = 0) {
  const std::vector<int> nhwc = {0, 2, 3, 1}, plain = {0, 1, 2, 3};
  const auto out = [](int64_t size, int before, int after, int64_t kernel, int step, int dilation) {
    return std::max<int64_t>(0, (size + before + after - (kernel - 1) * dilation - 1) / step + 1);
  };
  const int64_t oh = out(h, g.padTop, g.padBottom, kh, g.strideY, g.dilationY), ow = out(w, g.padLeft, g.padRight, kw, g.strideX, g.dilationX);
  const int64_t x[] = {n, c, h, w}, y[] = {n, o, oh, ow}, f[] = {o, c / g.groups, kh, kw};
  Tensor tx({n, c, h, w}, order == 1 ? plain : nhwc, order == 2 ? 3 : 0, order == 2), ty({n, o, oh, ow}, order == 1 ? plain : nhwc, order == 2 ? 1 : 0),
      tw({o, c / g.groups, kh, kw}, order == 2 ? nhwc : plain, 0, order == 2);
  std::vector<double> want[3], scale[3];
  for (int i = 0; i < 3; i++) {
    const int64_t* s = i == 0 ? y : i == 1 ? x : f;
    want[i].resize(s[0] * s[1] * s[2] * s[3]);
    scale[i].resize(want[i].size());
  }
  eachProduct(y, tx.view, f, g, [&](int64_t b, int64_t oc, int64_t i, int64_t j, int64_t ic, int64_t r, int64_t s, int64_t gc, int64_t ky, int64_t kx) {
    const double vx = at(tx.view, b, ic, r, s), vy = at(ty.view, b, oc, i, j), vw = at(tw.view, oc, gc, ky, kx);
    const int64_t iy = ((b * o + oc) * oh + i) * ow + j, ix = ((b * c + ic) * h + r) * w + s, iw = ((oc * f[1] + gc) * kh + ky) * kw + kx;
    want[0][iy] += vx * vw, scale[0][iy] += std::fabs(vx * vw);
    want[1][ix] += vy * vw, scale[1][ix] += std::fabs(vy * vw);
    want[2][iw] += vx * vy, scale[2][iw] += std::fabs(vx * vy);
  });
  char name[200];
  const char *what[] = {"forward", "input grad", "weight grad"}, *ways[] = {"", " direct", " winograd", " winograd precise"};
  for (int i = 0; i < 3; i++) {
    std::snprintf(name, sizeof name, "%s [%ld,%ld,%ld,%ld] o%ld k%ldx%ld s%d%d d%d%d p%d%d%d%d g%d order %d%s", what[i], n, c, h, w, o, kh, kw,
                  g.strideY, g.strideX, g.dilationY, g.dilationX, g.padTop, g.padBottom, g.padLeft, g.padRight, g.groups, order,
                  ways[int(g.algorithm)]);
    const int64_t* s = i == 0 ? y : i == 1 ? x : f;
    onEverySet(name, {s, s + 4}, want[i], scale[i], [&](Pool& pool, Store& store) {
      if (i == 0) conv2d(pool, s, tx.view, tw.view, g, store);
      if (i == 1) conv2dInputGrad(pool, s, ty.view, tw.view, g, store);
      if (i == 2) conv2dWeightGrad(pool, s, tx.view, ty.view, g, store);
    });
  }
}

// `quick` leaves out most orders of axes, for an emulator.
static void check(bool quick = false) {
  const int orders = quick ? 1 : 3;
  for (int a = 0; a < orders; a++)
    for (int b = 0; b < orders; b++) {
      checkMatmul(1, 1, 1, 1, a, b);
      checkMatmul(1, 31, 45, 67, a, b);
      checkMatmul(3, 14, 33, 5, a, b, 0, true);
      checkMatmul(2, 130, 17, 600, a, b, a + b);
      checkMatmul(1, 1, 300, 20, a, b), checkMatmul(1, 300, 1, 20, a, b);
      if (!quick) checkMatmul(1, 600, 800, 70, a, b);
      // Few rows and many columns: turned around.
      checkMatmul(1, 17, 500, 300, a, b), checkMatmul(2, 19, 450, 270, a, b, 3), checkMatmul(1, 130, 530, 280, a, b);
      checkMatmul(2, 5, 4, 0, a, b), checkMatmul(0, 5, 4, 3, a, b), checkMatmul(1, 0, 4, 3, a, b), checkMatmul(1, 4, 0, 3, a, b);
    }
  checkMatmul(1, 6, 150, quick ? 2000 : 20000, 1, 0);
  for (int order = 0; order < orders; order++) {
    //                                    sy sx  t  b  l  r dy dx g
    checkConv(2, 1, 23, 19, 6, 11, 11,   {4, 4, 1, 1, 1, 1, 1, 1, 1}, order);
    checkConv(2, 3, 9, 11, 17, 3, 3,     {1, 1, 1, 1, 1, 1, 1, 1, 1}, order);
    checkConv(3, 17, 8, 7, 33, 3, 3,     {2, 2, 1, 0, 0, 2, 1, 1, 1}, order);
    checkConv(1, 33, 10, 9, 3, 5, 3,     {1, 2, 2, 3, 0, 1, 2, 1, 1}, order);
    checkConv(2, 34, 12, 13, 34, 3, 3,   {1, 1, 2, 2, 2, 2, 2, 2, 2}, order);
    checkConv(2, 6, 9, 9, 12, 5, 5,      {3, 2, 4, 1, 0, 5, 1, 2, 3}, order);
    checkConv(2, 17, 5, 6, 40, 1, 1,     {1, 1, 0, 0, 0, 0, 1, 1, 1}, order);
    checkConv(2, 17, 7, 6, 40, 1, 1,     {2, 3, 0, 1, 1, 0, 1, 1, 1}, order);
    checkConv(20, 1, 28, 28, 6, 5, 5,    {1, 1, 2, 2, 2, 2, 1, 1, 1}, order);
    checkConv(3, 6, 14, 14, 16, 5, 5,    {1, 1, 0, 0, 0, 0, 1, 1, 1}, order);
    checkConv(3, 2, 9, 16, 3, 3, 4,      {2, 1, 1, 0, 3, 0, 2, 1, 1}, order);
    checkConv(2, 3, 9, 17, 2, 3, 3,      {1, 2, 0, 1, 0, 3, 1, 2, 1}, order);
    checkConv(2, 2, 7, 12, 1, 3, 5,      {1, 1, 1, 1, 2, 2, 1, 1, 1}, order);
    checkConv(2, 64, 12, 12, 96, 3, 3,   {1, 1, 1, 1, 1, 1, 1, 1, 1}, order);
    checkConv(0, 3, 5, 5, 4, 3, 3,       {1, 1, 1, 1, 1, 1, 1, 1, 1}, order);
    checkConv(1, 4, 6, 6, 4, 3, 3,       {1, 1, 3, 3, 3, 3, 1, 1, 4}, order);
    checkConv(1, 2, 3, 3, 5, 3, 3,       {5, 5, 0, 0, 0, 0, 1, 1, 1}, order);
    for (Convolution way : {Convolution::direct, Convolution::winograd, Convolution::winogradPrecise}) {
      checkConv(2, 3, 9, 11, 17, 3, 3,   {1, 1, 1, 1, 1, 1, 1, 1, 1, way}, order);
      checkConv(1, 1, 4, 3, 1, 3, 3,     {1, 1, 0, 2, 3, 0, 1, 1, 1, way}, order);
      checkConv(19, 33, 7, 13, 50, 3, 3, {1, 1, 0, 1, 2, 0, 1, 1, 1, way}, order);
      checkConv(3, 16, 33, 31, 32, 3, 3, {1, 1, 1, 1, 1, 1, 1, 1, 1, way}, order);
      checkConv(2, 5, 7, 6, 3, 5, 5,     {1, 1, 2, 2, 2, 2, 1, 1, 1, way}, order);
      checkConv(9, 20, 26, 22, 49, 5, 5, {1, 1, 4, 0, 1, 5, 1, 1, 1, way}, order);
      checkConv(3, 1, 47, 39, 20, 11, 11, {4, 4, 1, 1, 1, 1, 1, 1, 1, way}, order);
      checkConv(2, 3, 21, 18, 33, 7, 7,  {2, 2, 3, 2, 0, 3, 1, 1, 1, way}, order);
      checkConv(2, 4, 9, 8, 5, 4, 4,     {1, 1, 1, 2, 2, 1, 1, 1, 1, way}, order);
      checkConv(2, 40, 5, 6, 7, 2, 2,    {1, 1, 0, 0, 1, 1, 1, 1, 1, way}, order);
    }
  }
  std::printf(failures ? "%d checks failed\n" : "all checks passed\n", failures);
}

// ---- timing

// Multiply-adds in registers: what the processor gives at this moment, to the instruction set in use.
template <typename Vector, int vectors>
__attribute__((always_inline)) static inline float spin(int64_t n) {
  Vector s[vectors], x = Vector{} + 1e-9f;
  for (auto& v : s) v = x;
  for (int64_t i = 0; i < n; i++) {
#pragma GCC unroll 28
    for (auto& v : s) v += x * x;
#if defined(__x86_64__)
    asm("" : "+v"(x));
#else
    asm("" : "+w"(x));
#endif
  }
  for (int i = 1; i < vectors; i++) s[0] += s[i];
  return s[0][0];
}
typedef float Vector16 __attribute__((vector_size(64)));
typedef float Vector8 __attribute__((vector_size(32)));
typedef float Vector4 __attribute__((vector_size(16)));
#if defined(__x86_64__)
__attribute__((target("avx512f"))) static float spin512(int64_t n) { return spin<Vector16, 28>(n); }
__attribute__((target("avx2,fma"))) static float spin256(int64_t n) { return spin<Vector8, 14>(n); }
#endif
static float spin128(int64_t n) { return spin<Vector4, 14>(n); }
static double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }
static double peak(Pool& pool) {
  const int64_t n = 1000000;
  int64_t flop = 14 * 8;
  float (*loop)(int64_t) = spin128;
#if defined(__x86_64__)
  if (isa() == Isa::avx512) loop = spin512, flop = 28 * 32;
  if (isa() == Isa::avx2) loop = spin256, flop = 14 * 16;
#endif
  volatile float sink[64];
  const double start = seconds();
  pool.parallel(pool.threads(), [&](int64_t, int thread) { sink[thread] = loop(n); });
  (void)sink;
  return double(pool.threads()) * n * flop / (seconds() - start) / 1e9;
}

static std::string filter;
template <typename Body>
static void timed(Pool& pool, const std::string& name, double gigaflop, Body body) {
  if (name.find(filter) == std::string::npos) return;
  body();
  std::vector<double> times, peaks;
  for (double total = 0; total < 0.5 || times.size() < 5;) {
    peaks.push_back(peak(pool));
    const int inner = times.empty() ? 1 : std::max(1, int(0.004 / times[0]));
    const double start = seconds();
    for (int i = 0; i < inner; i++) body();
    times.push_back((seconds() - start) / inner);
    total += times.back() * inner;
  }
  std::sort(times.begin(), times.end()), std::sort(peaks.begin(), peaks.end());
  const double t = times[times.size() / 2], p = peaks[peaks.size() / 2];
  std::printf("%-28s %9.3f ms  %6.1f GF/s  %4.0f %% of %.0f   (best %.3f ms)\n", name.c_str(), t * 1e3, gigaflop / t, 100 * gigaflop / t / p, p, times[0] * 1e3);
  std::fflush(stdout);
}

static void timeMatmul(Pool& pool, const char* name, int64_t m, int64_t n, int64_t k, bool ta, bool tb, float rate = 0) {
  if (std::string(name).find(filter) == std::string::npos) return;
  Tensor a({m, k}, {ta, !ta}), b({k, n}, {tb, !tb}), c({m, n});
  Store store(c.view);
  store.rate = rate;
  const int64_t shape[] = {m, n};
  timed(pool, name, 2e-9 * m * n * k, [&] { matmul(pool, 2, shape, a.view, b.view, store); });
}
static void timeConv(Pool& pool, const std::string& name, int64_t n, int64_t c, int64_t h, int64_t o, int k, int stride, int pad) {
  if ((name + " forward input weight").find(filter) == std::string::npos && filter.find(name) == std::string::npos) return;
  const int64_t oh = (h + 2 * pad - k) / stride + 1;
  const char* way = std::getenv("WAY");
  const ConvGeometry g = {stride, stride, pad, pad, pad, pad, 1, 1, 1, Convolution(way ? std::atoi(way) : 0)};
  Tensor x({n, c, h, h}, {0, 2, 3, 1}), y({n, o, oh, oh}, {0, 2, 3, 1}), w({o, c, k, k});
  Store sx(x.view), sy(y.view), sw(w.view);
  sw.rate = 1e-9f;
  const double work = 2e-9 * n * oh * oh * o * c * k * k;
  timed(pool, name + " forward", work, [&] { conv2d(pool, y.view.shape, x.view, w.view, g, sy); });
  if (c > 1) timed(pool, name + " input grad", work, [&] { conv2dInputGrad(pool, x.view.shape, y.view, w.view, g, sx); });
  timed(pool, name + " weight grad", work, [&] { conv2dWeightGrad(pool, w.view.shape, x.view, y.view, g, sw); });
}

int main(int count, char** arguments) {
  bool timing = count < 2;
  int threads = 2;
  if (count < 2) check();
  for (int i = 1; i < count; i++) {
    const std::string word = arguments[i];
    if (word == "check") check();
    else if (word == "quick") check(true);
    else if (word == "time") timing = true;
    else if (word == "one") threads = 1;
    else filter = word;
  }
  for (const auto& set : kSets) {
    pinIsa(set.isa);
    if (const char* only = std::getenv("SET")) if (std::string(only) == set.name) break;
  }
  if (!timing) return failures > 0;
  Pool pool(threads);
  timeMatmul(pool, "sgemm 2048", 2048, 2048, 2048, false, false);
  timeMatmul(pool, "sgemm 2048 A^T", 2048, 2048, 2048, true, false);
  timeMatmul(pool, "sgemm 2048 B^T", 2048, 2048, 2048, false, true);
  timeMatmul(pool, "linear 6400x4096 forward", 128, 4096, 6400, false, true);
  timeMatmul(pool, "linear 6400x4096 input", 128, 6400, 4096, false, false);
  timeMatmul(pool, "linear 6400x4096 weight+sgd", 4096, 6400, 128, true, false, 1e-9f);
  timeMatmul(pool, "linear 4096x4096 forward", 128, 4096, 4096, false, true);
  timeMatmul(pool, "linear 4096x4096 input", 128, 4096, 4096, false, false);
  timeMatmul(pool, "linear 4096x4096 weight+sgd", 4096, 4096, 128, true, false, 1e-9f);
  timeMatmul(pool, "linear 4096x10 forward", 128, 10, 4096, false, true);
  timeMatmul(pool, "linear 4096x10 weight", 10, 4096, 128, true, false);
  timeMatmul(pool, "linear 400x120 forward", 256, 120, 400, false, true);
  timeMatmul(pool, "linear 400x120 weight", 120, 400, 256, true, false);
  timeConv(pool, "conv1", 128, 1, 224, 96, 11, 4, 1);
  timeConv(pool, "conv2", 128, 96, 26, 256, 5, 1, 2);
  timeConv(pool, "conv3", 128, 256, 12, 384, 3, 1, 1);
  timeConv(pool, "conv4", 128, 384, 12, 384, 3, 1, 1);
  timeConv(pool, "conv5", 128, 384, 12, 256, 3, 1, 1);
  timeConv(pool, "lenet1", 256, 1, 28, 6, 5, 1, 2);
  timeConv(pool, "lenet2", 256, 6, 14, 16, 5, 1, 0);
  return failures > 0;
}
