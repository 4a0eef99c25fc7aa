// Winograd's convolutions on AlexNet's layers: their error against sums in double, and the time of their products.
//   npm run build:addon -- --lab && build/lab/winograd [error] [time] [avx2|portable] [images=128]
#include "../native/winograd.cc"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <random>
#include <string>

#include "pool.h"

using namespace flybrick;

static int images = 128, failures = 0;

struct LayerShape {
  const char* name;
  int inputs, outputs, size, r, pad, stride;
  int out() const { return (size + 2 * pad - r) / stride + 1; }
};
static const LayerShape kLayers[] = {{"conv1", 1, 96, 224, 11, 1, 4},
                                     {"conv2", 96, 256, 26, 5, 2, 1},
                                     {"conv3", 256, 384, 12, 3, 1, 1},
                                     {"conv4", 384, 384, 12, 3, 1, 1},
                                     {"conv5", 384, 256, 12, 3, 1, 1}};

struct Keep : Epilogue {
  View to;
  explicit Keep(const View& view) : to(view) {}
  void matrix(const int*, int, const int*, int) override {}
  void apply(int, int64_t row, int64_t rows, int64_t column, int64_t columns, const float* core, int64_t ld, const int32_t*, int64_t) override {
    const int64_t pitch = to.strides[1] == 1 ? to.strides[3] : to.strides[0];  // a row is a pixel, or a kernel
    for (int64_t i = 0; i < rows; i++)
      std::memcpy(static_cast<float*>(to.data) + (row + i) * pitch + column, core + i * ld, columns * sizeof(float));
  }
};

static View view(float* data, int64_t a, int64_t b, int64_t c, int64_t d, bool channelsLast) {
  View v{};
  v.data = data, v.rank = 4;
  const int64_t shape[] = {a, b, c, d}, last[] = {b * c * d, 1, d * b, b}, first[] = {b * c * d, c * d, d, 1};
  std::copy_n(shape, 4, v.shape), std::copy_n(channelsLast ? last : first, 4, v.strides);
  return v;
}
static double at(const View& v, int64_t a, int64_t b, int64_t c, int64_t d) {
  if (c < 0 || d < 0 || c >= v.shape[2] || d >= v.shape[3]) return 0;
  return static_cast<float*>(v.data)[a * v.strides[0] + b * v.strides[1] + c * v.strides[2] + d * v.strides[3]];
}

// Activations after a ReLU, He's weights, gradients that are zero where a ReLU was.
static void error(Pool& pool) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::printf("relative L2 error against double, sampled: forward, input gradient, weight gradient\n");
  for (const LayerShape& s : kLayers) {
    const int64_t pixels = int64_t(images) * s.size * s.size, outputs = int64_t(images) * s.out() * s.out();
    float *x = hugePages(pixels * s.inputs), *y = hugePages(outputs * s.outputs), *w = hugePages(int64_t(s.inputs) * s.outputs * s.r * s.r);
    const View vx = view(x, images, s.inputs, s.size, s.size, true), vy = view(y, images, s.outputs, s.out(), s.out(), true),
               vw = view(w, s.outputs, s.inputs, s.r, s.r, false);
    for (int64_t i = 0; i < pixels * s.inputs; i++) x[i] = std::max(normal(random), 0.0f);
    for (int64_t i = 0; i < outputs * s.outputs; i++) y[i] = std::max(normal(random), 0.0f) * (random() & 1 ? 1e-3f : -1e-3f);
    for (int64_t i = 0; i < int64_t(s.inputs) * s.outputs * s.r * s.r; i++) w[i] = normal(random) * std::sqrt(2.0f / (s.inputs * s.r * s.r));
    for (Convolution way : {Convolution::winograd, Convolution::winogradPrecise}) {
      if (way == Convolution::winogradPrecise && s.r == 5) continue;  // no such tiles
      const ConvGeometry g = {s.stride, s.stride, s.pad, s.pad, s.pad, s.pad, 1, 1, 1, way};
      std::printf("%s %-8s", s.name, way == Convolution::winograd ? "" : "precise");
      for (int pass = 0; pass < 3; pass++) {
        if (pass == 1 && s.stride > 1) {
          std::printf("          ");  // the first layer has none
          continue;
        }
        const View& like = pass == 0 ? vy : pass == 1 ? vx : vw;
        float* result = hugePages(like.shape[0] * like.shape[1] * like.shape[2] * like.shape[3]);
        View out = like;
        out.data = result;
        Keep keep(out);
        if (pass == 0) winogradConv2d(pool, out.shape, vx, vw, g, keep);
        if (pass == 1) winogradInputGrad(pool, out.shape, vy, vw, g, keep);
        if (pass == 2) winogradWeightGrad(pool, out.shape, vx, vy, g, keep);
        double wrong = 0, total = 0;
        for (int sample = 0; sample < (pass == 2 ? 400 : 4000); sample++) {
          const int64_t a = random() % out.shape[0], b = random() % out.shape[1], c = random() % out.shape[2], d = random() % out.shape[3];
          double want = 0;
          if (pass == 2) {
            for (int64_t n = 0; n < images; n++)
              for (int64_t i = 0; i < s.out(); i++)
                for (int64_t j = 0; j < s.out(); j++) want += at(vx, n, b, i * s.stride + c - s.pad, j * s.stride + d - s.pad) * at(vy, n, a, i, j);
          } else {
            for (int64_t k = 0; k < (pass ? s.outputs : s.inputs); k++)
              for (int64_t i = 0; i < s.r; i++)
                for (int64_t j = 0; j < s.r; j++)
                  want += pass ? at(vy, a, k, c - i + s.pad, d - j + s.pad) * at(vw, k, b, i, j) : at(vx, a, k, c * s.stride + i - s.pad, d * s.stride + j - s.pad) * at(vw, b, k, i, j);
          }
          const double got = at(out, a, b, c, d);
          wrong += (got - want) * (got - want), total += want * want;
        }
        // Long sums of weight gradients err more.
        const double size = std::sqrt(wrong / total);
        const bool good = size < (pass == 2 ? 2e-5 : 1e-5);
        failures += !good;
        std::printf("  %.2e%s", size, good ? "" : " FAIL");
        std::free(result);
      }
      std::printf("\n");
    }
    std::free(x), std::free(y), std::free(w);
  }
}

static double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }
template <typename Body>
static double best(Body body) {
  double least = 1e9;
  body();
  for (int i = 0; i < 7; i++) {
    const double start = seconds();
    body();
    least = std::min(least, seconds() - start);
  }
  return least;
}

// The products of all points in a step's forward pass and weight gradient, on one core.
static void time() {
  std::printf("products on one core: %8s %8s %14s %8s\n", "ms", "GF/s", "gradient ms", "GF/s");
  for (const LayerShape& s : kLayers) {
    const ConvGeometry g = {s.stride, s.stride, s.pad, s.pad, s.pad, s.pad, 1, 1, 1, Convolution::automatic};
    const WinogradKernels& k = *kernelsFor(g, s.r, s.r, images, s.inputs, s.outputs, s.out(), s.out());
    const Layer layer(k, images, s.inputs, s.outputs, s.out(), s.out(), s.r, s.stride);
    const bool banded = inBands(layer);
    const int64_t rows = banded ? bandOf(layer) * layer.across : layer.tiles() * imagesAtOnce(layer),
                  rounds = banded ? images * ceilDiv(layer.down, bandOf(layer)) : images / imagesAtOnce(layer);
    const PlanesShape v = {rows, ceilDiv(layer.inputs, kBlock), layer.points()}, y = {rows, ceilDiv(layer.outputs, kBlock), layer.points()},
                      u = {layer.inputs, y.blocks, layer.points()}, du = {layer.outputs, v.blocks, layer.points()};
    const Planes a = v.at(hugePages(v.size())), c = y.at(hugePages(y.size())), b = u.at(hugePages(u.size())), d = du.at(hugePages(du.size()));
    const auto points = [&](auto body) {
      return best([&] { for (int64_t n = 0; n < rounds; n++) for (int64_t q = 0; q < layer.points(); q++) body(q); });
    };
    const double product = points([&](int64_t q) {
      k.multiply(int(rows), int(layer.inputs), int(u.blocks), a.data + q * a.plane, a.block, b.data + q * b.plane, b.block, c.data + q * c.plane, c.block);
    });
    const double gradient = points([&](int64_t q) {
      k.multiplyGrad(int(rows), int(layer.outputs), int(v.blocks), c.data + q * c.plane, c.block, a.data + q * a.plane, a.block, d.data + q * d.plane, d.block, true);
    });
    const double work = 2e-9 * layer.points() * rounds * rows * layer.inputs * layer.outputs;
    std::printf("%-20s %9.2f %8.1f %14.2f %8.1f\n", s.name, product * 1e3, work / product, gradient * 1e3, work / gradient);
    for (float* memory : {a.data, b.data, c.data, d.data}) std::free(memory);
  }
}

int main(int count, char** arguments) {
  std::string words;
  for (int i = 1; i < count; i++) words += arguments[i];
  const auto said = [&](const char* word) { return words.find(word) != std::string::npos; };
  if (said("portable")) pinIsa(Isa::portable);
  if (said("avx2")) pinIsa(Isa::avx2);
  if (const size_t place = words.find("images="); place != std::string::npos) images = std::atoi(words.c_str() + place + 7);
  Pool pool(2);
  if (!said("time")) error(pool);
  if (!said("error")) time();
  return failures > 0;
}
