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

// Patches of one image, its channels adjacent: `step` pixels apart, the first beginning at (-top, -left); zeros outside.
struct Patches {
  const float* data;
  int64_t strideY, strideX;
  int height, width, channels;
  int step, top, left;
  int down, across;
};

// A matrix for each of the n x n points: [point][channels / kBlock][row][kBlock]. A row is a tile, or a kernel's other
// channel. Strides in floats.
struct Planes {
  float* data;
  int64_t plane, block;
};

struct WinogradKernels {
  int n, m, r;
  void (*input)(const Patches& p, const Planes& to, int64_t row, const float* zeros);
  void (*upstream)(const Patches& p, const Planes& to, int64_t row, const float* zeros);
  void (*output)(const Planes& from, int64_t row, int across, int width, int blocks, float* to, int64_t ld);
  void (*weights)(const float* from, int64_t stride, int lanes, int64_t inputStride, int inputs, bool reversed, const Planes& to, float* spare);
  void (*weightGrad)(const Planes& from, int parts, int64_t pitch, int lanes, float* to);
  void (*multiply)(int rows, int depth, int blocks, const float* a, int64_t aBlock, const float* b, int64_t bBlock, float* c, int64_t cBlock);
  void (*multiplyGrad)(int depth, int rows, int blocks, const float* a, int64_t aBlock, const float* b, int64_t bBlock, float* c, int64_t cBlock, bool add);
};

#define FB_KERNELS "winograd_kernels.h"
#include "each_isa.h"

enum { kThree, kFive, kThreePrecise };  // in the order of the kernels' table

const WinogradKernels& kernels(int which) { return FB_OF_ISA(kernels)[which]; }

// The layer as its passes see it: tiles of its output, `inputs` and `outputs` channels. With a stride, every phase of
// the input's pixels is a channel of its own, and the kernel takes every stride-th tap: a convolution without a stride.
struct Layer {
  const WinogradKernels& k;
  int64_t images, inputs, outputs, height, width;  // of the output
  int64_t down, across, kernel, stride;

  Layer(const WinogradKernels& kernels, int64_t images, int64_t channels, int64_t outputs, int64_t height, int64_t width, int64_t kernel, int64_t stride)
      : k(kernels), images(images), inputs(channels * stride * stride), outputs(outputs), height(height), width(width),
        down(ceilDiv(height, kernels.m)), across(ceilDiv(width, kernels.m)), kernel(kernel), stride(stride) {}

  int64_t points() const { return int64_t(k.n) * k.n; }
  int64_t tiles() const { return down * across; }  // of an image
  // In multiply-adds. A transform's element costs as much as about 30 of them (measured: it is loads and stores).
  double cost() const {
    constexpr double transform = 30;
    return double(points()) * (double(images * tiles()) * (double(inputs) * outputs + transform * (inputs + outputs)) + transform * inputs * outputs);
  }
  double directCost() const { return double(images) * height * width * inputs / (stride * stride) * outputs * kernel * kernel; }
};

// The kernels for a convolution, the cheaper of large and small tiles; null where there are none or a direct product
// is cheaper. Small tiles are the more precise, and with few images the cheaper, since they have fewer kernels.
const WinogradKernels* kernelsFor(const ConvGeometry& g, int64_t kernelY, int64_t kernelX, int64_t images, int64_t channels,
                                  int64_t outputs, int64_t height, int64_t width) {
  if (g.algorithm == Convolution::direct || kernelY != kernelX || kernelY < 2 || g.strideY != g.strideX || g.dilationY != 1 ||
      g.dilationX != 1 || g.groups != 1 || !images || !channels || !outputs || !height || !width)
    return nullptr;
  const int64_t r = ceilDiv(kernelY, g.strideY);
  if (r > 5) return nullptr;
  const auto layer = [&](int which) { return Layer(kernels(which), images, channels, outputs, height, width, kernelY, g.strideY); };
  if (g.algorithm == Convolution::winogradPrecise) return &kernels(r > 3 ? kFive : kThreePrecise);
  const int which = r > 3 ? kFive : layer(kThree).cost() <= layer(kThreePrecise).cost() ? kThree : kThreePrecise;
  if (g.algorithm == Convolution::automatic && layer(which).cost() >= layer(which).directCost()) return nullptr;
  return &kernels(which);
}

// Rows are made odd in number and planes kept off multiples of a page, or a column of planes falls into one cache set.
struct PlanesShape {
  int64_t rows, blocks, points;
  int64_t block() const { return (rows | 1) * kBlock; }
  int64_t plane() const { return padded(blocks * block() + (blocks * block() % 1024 < 64 ? 80 : 0)); }
  int64_t size() const { return points * plane(); }
  Planes at(float* data) const { return {data, plane(), block()}; }
};

// A feature map's images as patches: where they lie, if their channels are adjacent and each phase is wanted as it is;
// else copied one at a time, a pixel's phases side by side.
struct FeatureMap {
  const View& view;
  int64_t stride, top, left, overlap, height, width;  // height, width: of a copy
  Patches patches;
  bool copied;

  FeatureMap(const View& v, const Layer& layer, int64_t stride, int64_t top, int64_t left)
      : view(v), stride(stride), top(top), left(left), overlap(layer.k.r - 1), height(layer.height + layer.k.r - 1), width(layer.width + layer.k.r - 1),
        copied(stride > 1 || (v.strides[1] != 1 && v.shape[1] != 1)) {
    patches = {nullptr, v.strides[2], v.strides[3], int(v.shape[2]), int(v.shape[3]), int(v.shape[1]), layer.k.m, int(top), int(left), int(layer.down), int(layer.across)};
    if (!copied) return;
    const int channels = int(v.shape[1] * stride * stride);
    patches = {nullptr, width * channels, channels, int(height), int(width), channels, layer.k.m, 0, 0, int(layer.down), int(layer.across)};
  }
  int64_t rowsOf(int64_t tileRows) const { return std::min<int64_t>(height, tileRows * patches.step + overlap); }
  int64_t spare(int64_t tileRows) const { return copied ? padded(rowsOf(tileRows) * width * patches.channels) : 0; }

  // The rows of tiles [first, first + rows) of an image.
  Patches band(int64_t n, int64_t first, int64_t rows, float* to) const {
    const float* from = static_cast<const float*>(view.data) + n * view.strides[0];
    Patches result = patches;
    result.down = int(rows);
    result.data = copied ? to : from;
    const int64_t start = first * patches.step, channels = view.shape[1], runs = stride * channels;
    if (!copied) {
      result.top -= int(start);
      return result;
    }
    result.height = int(std::min(rowsOf(rows), height - start));
    // Pixels whose phases all lie inside, next to each other, are one run.
    const bool runsLie = view.strides[3] == channels && (channels == 1 || view.strides[1] == 1);
    const int64_t firstWhole = ceilDiv(left, stride), endWhole = runsLie ? (view.shape[3] + left) / stride : 0;
    for (int64_t y = 0; y < result.height * stride; y++) {
      const int64_t sourceY = start * stride + y - top;
      const bool rowInside = sourceY >= 0 && sourceY < view.shape[2];
      const float* sourceRow = from + sourceY * view.strides[2];
      float* row = to + y / stride * patches.strideY + y % stride * runs;
      for (int64_t x = 0; x < width; x++) {
        float* pixel = row + x * patches.strideX;
        const int64_t sourceX = x * stride - left;
        if (rowInside && x >= firstWhole && x < endWhole) {
          for (int64_t i = 0; i < runs; i++) pixel[i] = sourceRow[sourceX * channels + i];
          continue;
        }
        for (int64_t i = 0; i < stride; i++) {
          const bool inside = rowInside && sourceX + i >= 0 && sourceX + i < view.shape[3];
          for (int64_t c = 0; c < channels; c++)
            pixel[i * channels + c] = inside ? sourceRow[(sourceX + i) * view.strides[3] + c * view.strides[1]] : 0.0f;
        }
      }
    }
    return result;
  }
};

// Where tap `tap` of phase-and-channel `input` lies in a kernel [channels, kernel, kernel]; -1 past its edge.
int64_t tapOf(const Layer& layer, int64_t channels, int64_t input, int64_t tap) {
  const int64_t phase = input / channels;
  const int64_t y = tap / layer.k.r * layer.stride + phase / layer.stride, x = tap % layer.k.r * layer.stride + phase % layer.stride;
  return y < layer.kernel && x < layer.kernel ? (input % channels * layer.kernel + y) * layer.kernel + x : -1;
}

// Weights [outputs, inputs, r, r] of a layer, dense: the view's own or a copy.
struct Weights {
  const View& view;
  bool copied;

  Weights(const View& v, const Layer& layer) : view(v), copied(layer.stride > 1 || layer.kernel != layer.k.r) {
    for (int64_t i = 3, size = 1; i >= 0; size *= v.shape[i--]) copied |= v.shape[i] != 1 && v.strides[i] != size;
  }
  int64_t spare(const Layer& layer) const { return copied ? padded(layer.outputs * layer.inputs * layer.k.r * layer.k.r) : 0; }

  // `first` and `second` are the view's axes 0 and 1 of the layer, which an input gradient exchanges.
  const float* dense(const Layer& layer, int64_t first, int64_t second, float* to) const {
    const float* from = static_cast<const float*>(view.data);
    if (!copied) return from;
    const int64_t taps = layer.k.r * layer.k.r, square = layer.kernel * layer.kernel;
    for (int64_t a = 0; a < first; a++)
      for (int64_t b = 0; b < second; b++)
        for (int64_t tap = 0; tap < taps; tap++) {
          const int64_t at = tapOf(layer, view.shape[1], b, tap), y = at % square / layer.kernel, x = at % layer.kernel;
          to[(a * second + b) * taps + tap] =
              at < 0 ? 0.0f : from[a * view.strides[0] + at / square * view.strides[1] + y * view.strides[2] + x * view.strides[3]];
        }
    return to;
  }
};

constexpr int64_t kOwnKernels = 1 << 21;  // floats of transformed kernels that the third-level cache can keep
constexpr int64_t kOwnTiles = 24;         // tiles that make an image's product worth while
constexpr int64_t kBand = 1 << 21;        // floats in the transform domain of a task of its own
constexpr int64_t kChunk = 1 << 25;       // floats in the transform domain at a time, else
constexpr int kParts = 8;                 // of the images, when each part sums a gradient of its own

int64_t floatsOf(const Layer& layer, int64_t tiles) { return layer.points() * tiles * (padded(layer.inputs) + padded(layer.outputs)); }

// Large images and few kernels, or an image larger than a chunk: a task takes a band of an image its whole way, the
// tiles in that core's cache. Else many images together, or the kernels would be read again for each.
bool inBands(const Layer& layer) {
  return layer.tiles() >= kOwnTiles &&
         (layer.points() * layer.inputs * layer.outputs <= kOwnKernels || floatsOf(layer, layer.tiles()) > kChunk);
}
// Rows of tiles in a band: all, if they fit.
int64_t bandOf(const Layer& layer) {
  const int64_t most = std::max<int64_t>({1, ceilDiv(kOwnTiles, layer.across), kBand / floatsOf(layer, layer.across)});
  return ceilDiv(layer.down, ceilDiv(layer.down, most));
}
int64_t imagesAtOnce(const Layer& layer) {
  const int64_t most = std::max<int64_t>(1, kChunk / floatsOf(layer, layer.tiles())), chunks = ceilDiv(layer.images, most);
  return ceilDiv(layer.images, chunks);
}

// The forward pass, or the input gradient as one: its kernels turned around and their channels exchanged.
void run(Pool& pool, const Layer& layer, const FeatureMap& x, const Weights& weights, bool backward, Epilogue& epilogue) {
  const WinogradKernels& k = layer.k;
  const int64_t taps = k.r * k.r, tiles = layer.tiles();
  const bool banded = inBands(layer);
  const int64_t chunk = banded ? 0 : imagesAtOnce(layer), band = banded ? bandOf(layer) : layer.down;
  const int64_t rowsAtOnce = banded ? band * layer.across : tiles * chunk;
  const PlanesShape u = {layer.inputs, ceilDiv(layer.outputs, kBlock), layer.points()};
  const PlanesShape v = {rowsAtOnce, ceilDiv(layer.inputs, kBlock), layer.points()};
  const PlanesShape y = {rowsAtOnce, u.blocks, layer.points()};
  const int64_t ld = u.blocks * kBlock, strip = k.m * layer.width * ld, zeros = padded(layer.inputs);
  float* scratch = pool.shared(zeros + weights.spare(layer) + u.size() + (banded ? 0 : v.size() + y.size()));
  std::memset(scratch, 0, zeros * sizeof(float));
  const float* dense = weights.dense(layer, backward ? layer.inputs : layer.outputs, backward ? layer.outputs : layer.inputs, scratch + zeros);
  const Planes kernels = u.at(scratch + zeros + weights.spare(layer));

  pool.parallel(u.blocks, [&](int64_t block, int thread) {
    const int64_t outputStride = backward ? taps : layer.inputs * taps, inputStride = backward ? layer.outputs * taps : taps;
    const Planes to = {kernels.data + block * kernels.block, kernels.plane, kernels.block};
    k.weights(dense + block * kBlock * outputStride, outputStride, int(std::min<int64_t>(kBlock, layer.outputs - block * kBlock)),
              inputStride, int(layer.inputs), backward, to, pool.local(thread, padded(taps + kBlock) * kBlock));
  });

  const auto multiply = [&](const Planes& a, int64_t rows, const Planes& c, int64_t point) {
    k.multiply(int(rows), int(layer.inputs), int(u.blocks), a.data + point * a.plane, a.block,
               kernels.data + point * kernels.plane, kernels.block, c.data + point * c.plane, c.block);
  };
  const auto finish = [&](const Planes& from, int64_t row, int64_t image, int64_t start, int64_t count, float* spare, int thread) {
    for (int64_t ty = start; ty < start + count; ty++) {
      k.output(from, row + (ty - start) * layer.across, int(layer.across), int(layer.width), int(u.blocks), spare, ld);
      const int64_t first = ty * k.m, rows = std::min<int64_t>(k.m, layer.height - first);
      epilogue.apply(thread, (image * layer.height + first) * layer.width, rows * layer.width, 0, layer.outputs, spare, ld);
    }
  };
  if (banded) {
    const int64_t bands = ceilDiv(layer.down, band);
    pool.parallel(layer.images * bands, [&](int64_t task, int thread) {
      const int64_t image = task / bands, start = task % bands * band, rows = std::min(band, layer.down - start);
      float* own = pool.local(thread, v.size() + y.size() + std::max(strip, x.spare(band)));
      float* spare = own + v.size() + y.size();
      const Planes a = v.at(own), c = y.at(own + v.size());
      k.input(x.band(image, start, rows, spare), a, 0, scratch);
      for (int64_t point = 0; point < layer.points(); point++) multiply(a, rows * layer.across, c, point);
      finish(c, 0, image, start, rows, spare, thread);
    });
    return;
  }
  const Planes a = v.at(kernels.data + u.size()), c = y.at(a.data + v.size());
  for (int64_t start = 0; start < layer.images; start += chunk) {
    const int64_t count = std::min(chunk, layer.images - start);
    pool.parallel(count, [&](int64_t i, int thread) {
      k.input(x.band(start + i, 0, layer.down, pool.local(thread, x.spare(layer.down))), a, i * tiles, scratch);
    });
    pool.parallel(layer.points(), [&](int64_t point, int) { multiply(a, count * tiles, c, point); });
    pool.parallel(count, [&](int64_t i, int thread) {
      finish(c, i * tiles, start + i, 0, layer.down, pool.local(thread, strip), thread);
    });
  }
}

}  // namespace

bool winogradConv2d(Pool& pool, const int64_t* shape, const View& x, const View& weight, const ConvGeometry& g, Epilogue& epilogue) {
  const WinogradKernels* k = kernelsFor(g, weight.shape[2], weight.shape[3], shape[0], x.shape[1], shape[1], shape[2], shape[3]);
  if (!k) return false;
  const Layer layer(*k, shape[0], x.shape[1], shape[1], shape[2], shape[3], weight.shape[2], g.strideY);
  run(pool, layer, FeatureMap(x, layer, g.strideY, g.padTop, g.padLeft), Weights(weight, layer), false, epilogue);
  return true;
}

bool winogradInputGrad(Pool& pool, const int64_t* shape, const View& dy, const View& weight, const ConvGeometry& g, Epilogue& epilogue) {
  const WinogradKernels* k = kernelsFor(g, weight.shape[2], weight.shape[3], shape[0], dy.shape[1], shape[1], shape[2], shape[3]);
  if (!k || g.strideY > 1 || k->r != weight.shape[2]) return false;
  const Layer layer(*k, shape[0], dy.shape[1], shape[1], shape[2], shape[3], k->r, 1);
  run(pool, layer, FeatureMap(dy, layer, 1, k->r - 1 - g.padTop, k->r - 1 - g.padLeft), Weights(weight, layer), true, epilogue);
  return true;
}

bool winogradWeightGrad(Pool& pool, const int64_t* shape, const View& xView, const View& dyView, const ConvGeometry& g, Epilogue& epilogue) {
  const WinogradKernels* kernels = kernelsFor(g, shape[2], shape[3], dyView.shape[0], shape[1], shape[0], dyView.shape[2], dyView.shape[3]);
  if (!kernels) return false;
  const WinogradKernels& k = *kernels;
  const Layer layer(k, dyView.shape[0], shape[1], shape[0], dyView.shape[2], dyView.shape[3], shape[2], g.strideY);
  const int64_t tiles = layer.tiles(), taps = k.r * k.r;
  const bool banded = inBands(layer);
  const int64_t chunk = banded ? 0 : imagesAtOnce(layer), band = banded ? bandOf(layer) : layer.down, bands = ceilDiv(layer.down, band);
  const int64_t rowsAtOnce = banded ? band * layer.across : tiles * chunk, units = layer.images * bands;
  const PlanesShape v = {rowsAtOnce, ceilDiv(layer.inputs, kBlock), layer.points()};
  const PlanesShape d = {rowsAtOnce, ceilDiv(layer.outputs, kBlock), layer.points()};
  const PlanesShape u = {layer.outputs, v.blocks, layer.points()};
  const int64_t parts = banded ? std::clamp<int64_t>(kChunk / u.size(), 1, std::min<int64_t>(kParts, units)) : 1;
  const int64_t zeros = padded(std::max(layer.inputs, layer.outputs));
  float* scratch = pool.shared(zeros + parts * u.size() + (banded ? 0 : v.size() + d.size()));
  std::memset(scratch, 0, zeros * sizeof(float));
  float* sums = scratch + zeros;

  const FeatureMap x(xView, layer, g.strideY, g.padTop, g.padLeft), dy(dyView, layer, 1, 0, 0);
  const int64_t spare = std::max(x.spare(band), dy.spare(band));
  const auto transform = [&](int64_t image, int64_t start, int64_t rows, const Planes& a, const Planes& b, int64_t row, float* own) {
    k.input(x.band(image, start, rows, own), b, row, scratch);
    k.upstream(dy.band(image, start, rows, own), a, row, scratch);
  };
  const auto multiply = [&](const Planes& a, const Planes& b, int64_t rows, const Planes& c, int64_t point, bool add) {
    k.multiplyGrad(int(rows), int(layer.outputs), int(v.blocks), a.data + point * a.plane, a.block, b.data + point * b.plane, b.block,
                   c.data + point * c.plane, c.block, add);
  };
  if (banded) {
    pool.parallel(parts, [&](int64_t part, int thread) {
      float* own = pool.local(thread, v.size() + d.size() + spare);
      const Planes b = v.at(own), a = d.at(own + v.size()), c = u.at(sums + part * u.size());
      const int64_t first = units * part / parts, end = units * (part + 1) / parts;
      for (int64_t unit = first; unit < end; unit++) {
        const int64_t start = unit % bands * band, rows = std::min(band, layer.down - start);
        transform(unit / bands, start, rows, a, b, 0, own + v.size() + d.size());
        for (int64_t point = 0; point < layer.points(); point++) multiply(a, b, rows * layer.across, c, point, unit > first);
      }
    });
  } else {
    const Planes b = v.at(sums + u.size()), a = d.at(b.data + v.size()), c = u.at(sums);
    for (int64_t start = 0; start < layer.images; start += chunk) {
      const int64_t count = std::min(chunk, layer.images - start);
      pool.parallel(count, [&](int64_t i, int thread) {
        transform(start + i, 0, layer.down, a, b, i * tiles, pool.local(thread, spare));
      });
      pool.parallel(layer.points(), [&](int64_t point, int) { multiply(a, b, count * tiles, c, point, start > 0); });
    }
  }
  const int64_t columns = shape[1] * layer.kernel * layer.kernel, turned = padded(layer.inputs * taps);
  const bool asIs = layer.stride == 1 && layer.kernel == k.r;
  pool.parallel(layer.outputs, [&](int64_t output, int thread) {
    float *sum = pool.local(thread, turned + columns), *row = asIs ? sum : sum + turned;
    for (int64_t block = 0; block < v.blocks; block++) {
      const Planes from = {sums + block * u.block() + output * kBlock, u.plane(), u.block()};
      k.weightGrad(from, int(parts), u.size(), int(std::min<int64_t>(kBlock, layer.inputs - block * kBlock)), sum + block * kBlock * taps);
    }
    for (int64_t input = 0; !asIs && input < layer.inputs; input++)
      for (int64_t tap = 0; tap < taps; tap++) {
        const int64_t at = tapOf(layer, shape[1], input, tap);
        if (at >= 0) row[at] = sum[input * taps + tap];
      }
    epilogue.apply(thread, output, 1, 0, columns, row, columns);
  });
  return true;
}

}  // namespace flybrick
