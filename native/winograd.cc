#include "winograd.h"

#include <algorithm>
#include <cstring>
#include <utility>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "isa.h"
#include "winograd_scheme.h"

namespace flybrick {
namespace {

constexpr int kBlock = 16;        // channels that lie together in the transform domain, whatever the vectors
constexpr int kTileDepth = 256;   // of a product's tile
constexpr int kGradDepth = 192;   // tiles summed before the sum is put down
constexpr int kMostSize = 8;      // of a tile

// Patches of an NHWC feature map, `step` pixels apart, the first beginning at (-top, -left); zeros outside.
struct Patches {
  const float* data;
  int64_t strideN, strideY, strideX;
  int height, width, channels;
  int step, top, left;
  int down, across;  // patches of an image
};

// A matrix for each of the n x n points: [point][channels / kBlock][row][kBlock]. A row is a tile, or a kernel's other
// channel. Strides in floats.
struct Planes {
  float* data;
  int64_t plane, block;
};

struct WinogradKernels {
  int n, m, r;
  void (*input)(const Patches& p, int64_t image, int first, int count, const Planes& to, int64_t row, const float* zeros);
  void (*upstream)(const Patches& p, int64_t image, int first, int count, const Planes& to, int64_t row, const float* zeros);
  void (*output)(const Planes& from, int64_t row, int across, int width, int blocks, float* to, int64_t ld);
  void (*weights)(const float* from, int64_t stride, int lanes, int64_t inputStride, int inputs, bool reversed, const Planes& to, float* spare);
  void (*weightGrad)(const Planes& from, int parts, int64_t pitch, int lanes, float* to);
  void (*multiply)(int rows, int depth, int blocks, const float* a, int64_t aBlock, const float* b, int64_t bBlock, float* c, int64_t cBlock);
  void (*multiplyGrad)(int depth, int rows, int blocks, const float* a, int64_t aBlock, const float* b, int64_t bBlock, float* c, int64_t cBlock, bool add);
};

#define FB_MASKS 0
namespace portable {
constexpr int kLanes = 4, kTileRows = 3, kTileBlocks = 1, kGradRows = 3, kGradBlocks = 1;
#include "winograd_kernels.h"
}  // namespace portable

#if defined(__x86_64__)
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#undef FB_MASKS
#define FB_MASKS 256
namespace avx2 {
constexpr int kLanes = 8, kTileRows = 6, kTileBlocks = 1, kGradRows = 6, kGradBlocks = 1;
#include "winograd_kernels.h"
}  // namespace avx2
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")
#undef FB_MASKS
#define FB_MASKS 512
namespace avx512 {
constexpr int kLanes = 16, kTileRows = 14, kTileBlocks = 2, kGradRows = 8, kGradBlocks = 3;
#include "winograd_kernels.h"
}  // namespace avx512
#pragma GCC pop_options
#endif

enum { kThree, kFive, kThreePrecise };

const WinogradKernels& kernels(int which) {
#if defined(__x86_64__)
  static constexpr WinogradKernels wide[] = {avx512::kernels3, avx512::kernels5, avx512::kernels3Precise};
  static constexpr WinogradKernels medium[] = {avx2::kernels3, avx2::kernels5, avx2::kernels3Precise};
  if (isa() == Isa::avx512) return wide[which];
  if (isa() == Isa::avx2) return medium[which];
#endif
  static constexpr WinogradKernels narrow[] = {portable::kernels3, portable::kernels5, portable::kernels3Precise};
  return narrow[which];
}

int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The layer as its passes see it: tiles of its output, `inputs` and `outputs` channels of the forward pass.
struct Layer {
  const WinogradKernels& k;
  int64_t images, inputs, outputs, height, width;  // of the output
  int64_t down, across;

  Layer(const WinogradKernels& kernels, int64_t images, int64_t inputs, int64_t outputs, int64_t height, int64_t width)
      : k(kernels), images(images), inputs(inputs), outputs(outputs), height(height), width(width),
        down(ceilDiv(height, kernels.m)), across(ceilDiv(width, kernels.m)) {}

  int64_t points() const { return int64_t(k.n) * k.n; }
  int64_t tiles() const { return down * across; }  // of an image
  // In multiply-adds. A transform's element costs as much as about 30 of them (measured: it is loads and stores).
  double cost() const {
    constexpr double transform = 30;
    return double(points()) * (double(images * tiles()) * (double(inputs) * outputs + transform * (inputs + outputs)) + transform * inputs * outputs);
  }
  double directCost() const { return double(images) * height * width * inputs * outputs * k.r * k.r; }
};

bool suits(const ConvGeometry& g, int64_t kernelY, int64_t kernelX) {
  return kernelY == kernelX && (kernelY == 3 || kernelY == 5) && g.strideY == 1 && g.strideX == 1 && g.dilationY == 1 &&
         g.dilationX == 1 && g.groups == 1;
}

// The kernels of a 3x3 or 5x5 layer; whether they are worth it.
const WinogradKernels& kernelsFor(Convolution algorithm, int64_t r) {
  return kernels(r == 5 ? kFive : algorithm == Convolution::winogradPrecise ? kThreePrecise : kThree);
}
bool pays(const Layer& layer, Convolution algorithm) {
  if (algorithm == Convolution::direct || !layer.images || !layer.tiles() || !layer.inputs || !layer.outputs) return false;
  return algorithm != Convolution::automatic || layer.cost() < layer.directCost();
}

int64_t padded(int64_t floats) { return ceilDiv(floats, kBlock) * kBlock; }

// Rows are made odd in number and planes kept off multiples of a page, or a column of planes falls into one cache set.
struct Shape {
  int64_t rows, blocks, points;
  int64_t block() const { return (rows | 1) * kBlock; }
  int64_t plane() const { return padded(blocks * block() + (blocks * block() % 1024 < 64 ? 80 : 0)); }
  int64_t size() const { return points * plane(); }
  Planes at(float* data) const { return {data, plane(), block()}; }
};

Patches patchesOf(const View& v, const Layer& layer, int64_t step, int64_t top, int64_t left) {
  return {static_cast<const float*>(v.data), v.strides[0], v.strides[2], v.strides[3], int(v.shape[2]), int(v.shape[3]),
          int(v.shape[1]), int(step), int(top), int(left), int(layer.down), int(layer.across)};
}

// Channels of a feature map must be adjacent, and a kernel's weights in order.
bool channelsAdjacent(const View& v) { return v.strides[1] == 1 || v.shape[1] == 1; }
bool dense(const View& v) {
  int64_t stride = 1;
  for (int i = v.rank - 1; i >= 0; stride *= v.shape[i--])
    if (v.shape[i] != 1 && v.strides[i] != stride) return false;
  return true;
}

constexpr int64_t kOwnKernels = 1 << 21;  // floats of transformed kernels that the third-level cache can keep
constexpr int64_t kOwnTiles = 24;         // tiles that make an image's product worth while
constexpr int64_t kChunk = 1 << 25;       // floats in the transform domain at a time, else
constexpr int kParts = 8;                 // of the images, when each part sums a gradient of its own

// Large images and few kernels: an image's whole way in one task, its tiles in that core's cache. Else many images
// together, or the kernels would be read again for each.
bool imageByImage(const Layer& layer) {
  return layer.tiles() >= kOwnTiles && layer.points() * layer.inputs * layer.outputs <= kOwnKernels;
}
int64_t imagesAtOnce(const Layer& layer) {
  const int64_t floats = layer.points() * layer.tiles() * (layer.inputs + layer.outputs);
  const int64_t most = std::max<int64_t>(1, kChunk / floats), chunks = ceilDiv(layer.images, most);
  return ceilDiv(layer.images, chunks);
}

// The forward pass, or the input gradient as one: its kernels turned around and their channels exchanged.
void run(Pool& pool, const Layer& layer, const View& x, const View& weight, int64_t top, int64_t left, bool backward, Epilogue& epilogue) {
  const WinogradKernels& k = layer.k;
  const int64_t taps = k.r * k.r, tiles = layer.tiles();
  const bool alone = imageByImage(layer);
  const int64_t together = alone ? 1 : imagesAtOnce(layer);
  const Shape u = {layer.inputs, ceilDiv(layer.outputs, kBlock), layer.points()};
  const Shape v = {tiles * together, ceilDiv(layer.inputs, kBlock), layer.points()};
  const Shape y = {tiles * together, u.blocks, layer.points()};
  const int64_t ld = u.blocks * kBlock, strip = k.m * layer.width * ld, zeros = padded(layer.inputs);
  float* scratch = pool.shared(zeros + u.size() + (alone ? 0 : v.size() + y.size()));
  std::memset(scratch, 0, zeros * sizeof(float));
  const Planes kernels = u.at(scratch + zeros);

  pool.parallel(u.blocks, [&](int64_t block, int thread) {
    const int64_t outputStride = backward ? taps : layer.inputs * taps, inputStride = backward ? layer.outputs * taps : taps;
    const Planes to = {kernels.data + block * kernels.block, kernels.plane, kernels.block};
    k.weights(static_cast<const float*>(weight.data) + block * kBlock * outputStride, outputStride,
              int(std::min<int64_t>(kBlock, layer.outputs - block * kBlock)), inputStride, int(layer.inputs), backward, to,
              pool.local(thread, padded(taps + kBlock) * kBlock));
  });

  const Patches patches = patchesOf(x, layer, k.m, top, left);
  const auto multiply = [&](const Planes& a, int64_t rows, const Planes& c, int64_t point) {
    k.multiply(int(rows), int(layer.inputs), int(u.blocks), a.data + point * a.plane, a.block,
               kernels.data + point * kernels.plane, kernels.block, c.data + point * c.plane, c.block);
  };
  const auto finish = [&](const Planes& from, int64_t row, int64_t image, float* spare, int thread) {
    for (int64_t ty = 0; ty < layer.down; ty++) {
      k.output(from, row + ty * layer.across, int(layer.across), int(layer.width), int(u.blocks), spare, ld);
      const int64_t first = ty * k.m, rows = std::min<int64_t>(k.m, layer.height - first);
      epilogue.apply(thread, (image * layer.height + first) * layer.width, rows * layer.width, 0, layer.outputs, spare, ld);
    }
  };
  if (alone) {
    pool.parallel(layer.images, [&](int64_t image, int thread) {
      float* own = pool.local(thread, v.size() + y.size() + strip);
      const Planes a = v.at(own), c = y.at(own + v.size());
      k.input(patches, image, 0, int(tiles), a, 0, scratch);
      for (int64_t point = 0; point < layer.points(); point++) multiply(a, tiles, c, point);
      finish(c, 0, image, own + v.size() + y.size(), thread);
    });
    return;
  }
  const Planes a = v.at(kernels.data + u.size()), c = y.at(a.data + v.size());
  for (int64_t start = 0; start < layer.images; start += together) {
    const int64_t count = std::min(together, layer.images - start);
    pool.parallel(count, [&](int64_t i, int) { k.input(patches, start + i, 0, int(tiles), a, i * tiles, scratch); });
    pool.parallel(layer.points(), [&](int64_t point, int) { multiply(a, count * tiles, c, point); });
    pool.parallel(count, [&](int64_t i, int thread) { finish(c, i * tiles, start + i, pool.local(thread, strip), thread); });
  }
}

}  // namespace

bool winogradConv2d(Pool& pool, const int64_t* shape, const View& x, const View& weight, const ConvGeometry& g, Epilogue& epilogue) {
  if (!suits(g, weight.shape[2], weight.shape[3]) || !channelsAdjacent(x) || !dense(weight)) return false;
  const Layer layer(kernelsFor(g.algorithm, weight.shape[2]), shape[0], x.shape[1], shape[1], shape[2], shape[3]);
  if (!pays(layer, g.algorithm)) return false;
  run(pool, layer, x, weight, g.padTop, g.padLeft, false, epilogue);
  return true;
}

bool winogradInputGrad(Pool& pool, const int64_t* shape, const View& dy, const View& weight, const ConvGeometry& g, Epilogue& epilogue) {
  if (!suits(g, weight.shape[2], weight.shape[3]) || !channelsAdjacent(dy) || !dense(weight)) return false;
  const int64_t r = weight.shape[2];
  const Layer layer(kernelsFor(g.algorithm, r), shape[0], dy.shape[1], shape[1], shape[2], shape[3]);
  if (!pays(layer, g.algorithm)) return false;
  run(pool, layer, dy, weight, r - 1 - g.padTop, r - 1 - g.padLeft, true, epilogue);
  return true;
}

bool winogradWeightGrad(Pool& pool, const int64_t* shape, const View& x, const View& dy, const ConvGeometry& g, Epilogue& epilogue) {
  if (!suits(g, shape[2], shape[3]) || !channelsAdjacent(x) || !channelsAdjacent(dy)) return false;
  const Layer layer(kernelsFor(g.algorithm, shape[2]), dy.shape[0], shape[1], shape[0], dy.shape[2], dy.shape[3]);
  if (!pays(layer, g.algorithm)) return false;
  const WinogradKernels& k = layer.k;
  const int64_t tiles = layer.tiles(), taps = k.r * k.r;
  const bool alone = imageByImage(layer);
  const int64_t parts = alone ? std::min<int64_t>(kParts, layer.images) : 1, together = alone ? 1 : imagesAtOnce(layer);
  const Shape v = {tiles * together, ceilDiv(layer.inputs, kBlock), layer.points()};
  const Shape d = {tiles * together, ceilDiv(layer.outputs, kBlock), layer.points()};
  const Shape u = {layer.outputs, v.blocks, layer.points()};
  const int64_t zeros = padded(std::max(layer.inputs, layer.outputs));
  float* scratch = pool.shared(zeros + parts * u.size() + (alone ? 0 : v.size() + d.size()));
  std::memset(scratch, 0, zeros * sizeof(float));
  float* sums = scratch + zeros;

  const Patches patches = patchesOf(x, layer, k.m, g.padTop, g.padLeft), upstream = patchesOf(dy, layer, k.m, 0, 0);
  const auto multiply = [&](const Planes& a, const Planes& b, int64_t rows, const Planes& c, int64_t point, bool add) {
    k.multiplyGrad(int(rows), int(layer.outputs), int(v.blocks), a.data + point * a.plane, a.block, b.data + point * b.plane, b.block,
                   c.data + point * c.plane, c.block, add);
  };
  if (alone) {
    pool.parallel(parts, [&](int64_t part, int thread) {
      float* own = pool.local(thread, v.size() + d.size());
      const Planes b = v.at(own), a = d.at(own + v.size()), c = u.at(sums + part * u.size());
      const int64_t first = layer.images * part / parts, end = layer.images * (part + 1) / parts;
      for (int64_t image = first; image < end; image++) {
        k.input(patches, image, 0, int(tiles), b, 0, scratch);
        k.upstream(upstream, image, 0, int(tiles), a, 0, scratch);
        for (int64_t point = 0; point < layer.points(); point++) multiply(a, b, tiles, c, point, image > first);
      }
    });
  } else {
    const Planes b = v.at(sums + u.size()), a = d.at(b.data + v.size()), c = u.at(sums);
    for (int64_t start = 0; start < layer.images; start += together) {
      const int64_t count = std::min(together, layer.images - start);
      pool.parallel(count, [&](int64_t i, int) {
        k.input(patches, start + i, 0, int(tiles), b, i * tiles, scratch);
        k.upstream(upstream, start + i, 0, int(tiles), a, i * tiles, scratch);
      });
      pool.parallel(layer.points(), [&](int64_t point, int) { multiply(a, b, count * tiles, c, point, start > 0); });
    }
  }
  const int64_t columns = layer.inputs * taps;
  pool.parallel(layer.outputs, [&](int64_t output, int thread) {
    float* row = pool.local(thread, padded(columns));
    for (int64_t block = 0; block < v.blocks; block++) {
      const Planes from = {sums + block * u.block() + output * kBlock, u.plane(), u.block()};
      k.weightGrad(from, int(parts), u.size(), int(std::min<int64_t>(kBlock, layer.inputs - block * kBlock)), row + block * kBlock * taps);
    }
    epilogue.apply(thread, output, 1, 0, columns, row, columns);
  });
  return true;
}

}  // namespace flybrick
