#include "narrow.h"

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

// One image, its channels adjacent: floats between rows and between pixels.
struct Plane {
  const float* data;
  int64_t row, pixel;
};

// Of a sum: a pixel's float times a vector of weights.
struct Term {
  int32_t x, weight;
};

constexpr int kMostPixels[2] = {14, 6};  // of a tile of one vector, of two
constexpr int kMostTaps = 6;

// Minimal filtering along rows (winograd_scheme.h): m pixels from n points, for kernels r wide.
struct Filter {
  int n, m, r;
  const double* g;  // [n][r]: a kernel's row to the points
  void (*input)(const float* row, int64_t pixel, int width, int tiles, int step, int channels, float* to, int64_t plane);
  void (*upstream)(const float* row, int64_t pixel, int width, int tiles, int step, int channels, float* to, int64_t plane);
  void (*output)(const float* from, int64_t plane, int width, int tiles, int64_t ld, float* row);
  void (*inputRow)(const float* from, int64_t apart, int count, int64_t plane, int64_t pitch, int tiles, int channels, int left,
                   int width, float* row);

  template <class Tap>
  float weight(int64_t point, Tap tap) const {
    double sum = 0;
    for (int i = 0; i < r; i++) sum += g[point * r + i] * tap(i);
    return float(sum);
  }
  // The gradient of tap i from those at the points, `stride` apart.
  float tap(int64_t i, const float* points, int64_t stride) const {
    double sum = 0;
    for (int p = 0; p < n; p++) sum += g[p * r + i] * points[p * stride];
    return float(sum);
  }
};

struct Kernels {
  int lanes;
  void (*pixels[2][14])(const float* x, int64_t step, const Term* terms, int count, const float* weights, float* out,
                        int64_t outStep);  // [vectors - 1][pixels - 1]
  void (*taps[2][2][kMostTaps])(const Plane& x, int64_t tapRow, const Plane& dy, int rows, int columns, float* out,
                                int64_t outRow);  // [tap rows - 1][vectors - 1][taps - 1]
  void (*overlap)(const float* windows, int64_t pitch, int count, int taps, int channels, int stride, int left, int width,
                  float* out);
  Filter filters[2];
};

#define FB_KERNELS "narrow_kernels.h"
#include "each_isa.h"

const Kernels& kernels() { return FB_OF_ISA(kernels); }

// Where half a vector holds a pixel's channels, two of them cost no more than one whole.
const Kernels& kernelsOf(int64_t channels) {
#if defined(__x86_64__)
  if (isa() == Isa::avx512 && channels <= avx2::kernels.lanes) return avx2::kernels;
#endif
  (void)channels;
  return kernels();
}

constexpr int64_t kMostWeights = 8192, kMostChannels = 32;
constexpr int64_t kMostFloats = 1 << 16;  // of an image
constexpr int64_t kMostTerms = 1 << 18;   // of an input gradient
constexpr int64_t kSlack = 32;            // floats that vectors may write past an end
constexpr int64_t kApply = 4096;          // results an epilogue call

// Channels cut into blocks of two vectors, or of one where their vectors are odd in number.
struct Blocks {
  int vectors;
  int64_t count, width;  // of a block, in floats

  explicit Blocks(int64_t channels) {
    const int64_t lanes = kernels().lanes;
    vectors = ceilDiv(channels, lanes) % 2 ? 1 : 2;
    width = vectors * lanes;
    count = ceilDiv(channels, width);
  }
};

// `taps` of each of a block's channels; their weights lie in whole vectors.
bool fits(const ConvGeometry& g, int64_t co, int64_t ci, int64_t taps, const Blocks& blocks, int64_t pixels) {
  return g.groups == 1 && g.dilationX == 1 && co <= kMostChannels && ci <= kMostChannels && pixels > 0 && co * ci * taps > 0 &&
         taps * blocks.count * blocks.width <= kMostWeights;
}

// Neighbours in a row whose channels lie in one vector, which few channels leave half empty: a row of taps grows by
// `step` floats a neighbour, and each takes those that are its own.
struct Neighbours {
  int64_t count = 1, step;
  double share = 1;  // of the multiply-adds of single pixels

  Neighbours(const ConvGeometry& g, int64_t co, int64_t ci, int64_t kw, int64_t width) : step(g.strideX * ci) {
    if (g.algorithm != Convolution::automatic) return;
    for (int64_t n = 2; n * co <= kernels().lanes; n++) {
      const double taps = double(kw + (n - 1) * g.strideX) / double(n * kw);
      if (width % n == 0 && taps < share) count = n, share = taps;
    }
  }
  int64_t more() const { return (count - 1) * step; }
};

// An activation [n, c, h, w] as planes, with zeros around where it is padded; copied only where it must be.
struct Planes {
  const View& view;
  int64_t c, h, w, top = 0, left = 0, height, width;
  bool copied;

  explicit Planes(const View& v) : view(v), c(v.shape[1]), h(v.shape[2]), w(v.shape[3]), height(h), width(w) {
    copied = (c > 1 && v.strides[1] != 1) || (w > 1 && v.strides[3] != c);
  }
  void surround(const ConvGeometry& g) {
    if (!g.padTop && !g.padBottom && !g.padLeft && !g.padRight) return;
    top = g.padTop, left = g.padLeft, height = h + top + g.padBottom, width = w + left + g.padRight, copied = true;
  }
  int64_t floats() const { return height * width * c; }
  int64_t room() const { return copied ? padded(floats() + kSlack) : 0; }
  int64_t rowStride() const { return copied ? width * c : view.strides[2]; }
  const float* image(int64_t number, float* room) const {
    const float* data = static_cast<const float*>(view.data) + number * view.strides[0];
    if (!copied) return data;
    if (top || left || height > h || width > w) std::memset(room, 0, floats() * sizeof(float));
    for (int64_t y = 0; y < h; y++) {
      const float* from = data + y * view.strides[2];
      float* to = room + ((y + top) * width + left) * c;
      if (c == 1 && view.strides[3] == 1) {
        std::memcpy(to, from, w * sizeof(float));
        continue;
      }
      for (int64_t x = 0; x < w; x++)
        for (int64_t i = 0; i < c; i++) to[x * c + i] = from[x * view.strides[3] + i * view.strides[1]];
    }
    return room;
  }
};

// Pixels of a row, in tiles of nearly one size.
void rowOfPixels(const Kernels& set, const Blocks& blocks, const float* x, int64_t step, int64_t pixels,
                 const Term* terms, int count, const float* weights, float* out, int64_t outStep) {
  const int64_t tiles = ceilDiv(pixels, kMostPixels[blocks.vectors - 1]);
  for (int64_t i = 0; i < tiles; i++) {
    const int64_t p = pixels * i / tiles, n = pixels * (i + 1) / tiles - p;
    set.pixels[blocks.vectors - 1][n - 1](x + p * step, step, terms, count, weights, out + p * outStep, outStep);
  }
}

// Weights as [block][kh][rest][width], zeros behind the last channel.
template <class At>
void packWeights(const Blocks& blocks, int64_t channels, int64_t kh, int64_t rest, float* to, At at) {
  for (int64_t b = 0; b < blocks.count; b++)
    for (int64_t ky = 0; ky < kh; ky++)
      for (int64_t i = 0; i < rest; i++)
        for (int64_t j = 0; j < blocks.width; j++, to++) {
          const int64_t channel = b * blocks.width + j;
          *to = channel < channels ? at(ky, i, channel) : 0.0f;
        }
}

// The layer in tiles of `filter`, all rows of an image one after the other: at each point a convolution one pixel wide.
struct Filtered {
  const Filter* filter = nullptr;  // null: where the sum itself is cheaper
  const Filter *ofInput, *ofOutput;  // the same one, for pixels of `ci` and of `co` channels
  int64_t tiles, rowsIn, ci, co, height, width;

  Filtered(const ConvGeometry& g, const Neighbours& side, int64_t images, int64_t co, int64_t ci, int64_t kh, int64_t kw, int64_t height, int64_t width)
      : tiles(0), rowsIn(height + (kh - 1) * g.dilationY), ci(ci), co(co), height(height), width(width) {
    constexpr double transform = 8, weight = 100;  // multiply-adds that transforming an element costs (measured)
    if (g.algorithm != Convolution::automatic || g.strideY != 1 || g.strideX != 1) return;
    for (int i = 0; i < 2; i++) {
      const Filter& one = kernels().filters[i];
      const int64_t across = ceilDiv(width, one.m);
      const double cost = double(images) * across * one.n * (height * kh * ci * co + transform * (rowsIn * ci + height * co)) + weight * one.n * kh * ci * co;
      if (one.r != kw || cost >= side.share * double(images) * height * width * kh * kw * ci * co) continue;
      filter = &one, ofInput = &kernelsOf(ci).filters[i], ofOutput = &kernelsOf(co).filters[i], tiles = across;
    }
  }
  int64_t pixels() const { return height * tiles; }
  int64_t inputPlane() const { return padded(rowsIn * tiles * ci + kSlack); }
  int64_t outputPlane(int64_t ld) const { return padded(pixels() * ld + kSlack); }
  void input(const float* image, int64_t rowStride, int64_t w, float* to) const {
    for (int64_t y = 0; y < rowsIn; y++)
      ofInput->input(image + y * rowStride, ci, int(w), int(tiles), filter->m, int(ci), to + y * tiles * ci, inputPlane());
  }
  void upstream(const float* image, int64_t rowStride, float* to) const {
    for (int64_t y = 0; y < height; y++)
      ofOutput->upstream(image + y * rowStride, co, int(width), int(tiles), filter->m, int(co), to + y * tiles * co, outputPlane(co));
  }
};

bool filteredConv2d(Pool& pool, const Filtered& f, const Planes& x, const View& weight, const ConvGeometry& g, const Blocks& blocks,
                    Epilogue& epilogue) {
  if (!f.filter) return false;
  const Kernels& set = kernels();
  const Filter& filter = *f.filter;
  const int64_t kh = weight.shape[2], depth = kh * f.ci, point = depth * blocks.width, ld = blocks.count * blocks.width;
  float* packed = pool.shared(blocks.count * filter.n * point + 2 * depth);
  const float* from = static_cast<const float*>(weight.data);
  const int64_t* s = weight.strides;
  packWeights(blocks, f.co, filter.n, depth, packed, [&](int64_t p, int64_t i, int64_t o) {
    const float* taps = from + o * s[0] + i % f.ci * s[1] + i / f.ci * s[2];
    return filter.weight(p, [&](int kx) { return taps[kx * s[3]]; });
  });
  Term* terms = reinterpret_cast<Term*>(packed + blocks.count * filter.n * point);
  for (int64_t i = 0; i < depth; i++)
    terms[i] = {int32_t(i / f.ci * g.dilationY * f.tiles * f.ci + i % f.ci), int32_t(i * blocks.width)};
  const int64_t plane = f.inputPlane(), sums = f.outputPlane(ld), room = padded(f.height * f.width * ld + kSlack);
  pool.parallel(x.view.shape[0], [&](int64_t image, int thread) {
    float* out = pool.local(thread, room + filter.n * (plane + sums) + x.room());
    float *in = out + room, *products = in + filter.n * plane;
    f.input(x.image(image, products + filter.n * sums), x.rowStride(), x.width, in);
    for (int64_t p = 0; p < filter.n; p++)
      for (int64_t b = 0; b < blocks.count; b++)
        rowOfPixels(set, blocks, in + p * plane, f.ci, f.pixels(), terms, int(depth), packed + (b * filter.n + p) * point,
                    products + p * sums + b * blocks.width, ld);
    for (int64_t y = 0; y < f.height; y++)
      filter.output(products + y * f.tiles * ld, sums, int(f.width), int(f.tiles), ld, out + y * f.width * ld);
    epilogue.apply(thread, image * f.height * f.width, f.height * f.width, 0, f.co, out, ld);
  });
  return true;
}

// From each tile of dy, at each point, the windows' parts (ky, ci), which rows of the result then add up.
bool filteredInputGrad(Pool& pool, const int64_t* shape, const Filtered& f, const Planes& dy, const View& weight, const ConvGeometry& g,
                       Epilogue& epilogue) {
  if (!f.filter) return false;
  const Kernels& set = kernels();
  const Filter& filter = *f.filter;
  const int64_t kh = weight.shape[2], wide = kh * f.ci, h = shape[2], w = shape[3];
  const Blocks blocks(wide);
  const int64_t point = f.co * blocks.width, pitch = blocks.count * blocks.width;
  if (filter.n * f.co * pitch > kMostWeights) return false;
  float* packed = pool.shared(filter.n * f.co * pitch + 2 * f.co);
  const float* from = static_cast<const float*>(weight.data);
  const int64_t* s = weight.strides;
  packWeights(blocks, wide, filter.n, f.co, packed, [&](int64_t p, int64_t o, int64_t i) {
    const float* taps = from + o * s[0] + i % f.ci * s[1] + i / f.ci * s[2];
    return filter.weight(p, [&](int kx) { return taps[kx * s[3]]; });
  });
  Term* terms = reinterpret_cast<Term*>(packed + filter.n * f.co * pitch);
  for (int64_t o = 0; o < f.co; o++) terms[o] = {int32_t(o), int32_t(o * blocks.width)};
  const int64_t plane = f.outputPlane(f.co), sums = f.outputPlane(pitch), room = padded(h * w * f.ci + kSlack);
  pool.parallel(shape[0], [&](int64_t image, int thread) {
    float* out = pool.local(thread, room + filter.n * (plane + sums) + dy.room());
    float *up = out + room, *windows = up + filter.n * plane;
    f.upstream(dy.image(image, windows + filter.n * sums), dy.rowStride(), up);
    for (int64_t p = 0; p < filter.n; p++)
      for (int64_t b = 0; b < blocks.count; b++)
        rowOfPixels(set, blocks, up + p * plane, f.co, f.pixels(), terms, int(f.co), packed + (b * filter.n + p) * point,
                    windows + p * sums + b * blocks.width, pitch);
    for (int64_t y = 0; y < h; y++) {
      const int64_t top = y + g.padTop, first = std::max<int64_t>(0, ceilDiv(top - f.height + 1, g.dilationY)), last = std::min(kh - 1, top / g.dilationY);
      f.ofInput->inputRow(windows + (top - first * g.dilationY) * f.tiles * pitch + first * f.ci, f.ci - g.dilationY * f.tiles * pitch,
                      int(last - first + 1), sums, pitch, int(f.tiles), int(f.ci), g.padLeft, int(w), out + y * w * f.ci);
    }
    epilogue.apply(thread, image * h * w, h * w, 0, f.ci, out, f.ci);
  });
  return true;
}

}  // namespace

bool narrowConv2d(Pool& pool, const int64_t* shape, const View& xView, const View& weight, const ConvGeometry& g, Epilogue& epilogue) {
  const int64_t co = shape[1], height = shape[2], width = shape[3], ci = weight.shape[1], kh = weight.shape[2], kw = weight.shape[3];
  Planes x(xView);
  x.surround(g);
  const Neighbours side(g, co, ci, kw, width);
  const int64_t channels = side.count * co, run = kw * ci + side.more(), depth = kh * run, pixels = width / side.count;
  const Blocks blocks(channels);
  if (!fits(g, co, ci, kh * kw * ci, Blocks(co), shape[0] * height * width) || x.floats() > kMostFloats) return false;
  if (filteredConv2d(pool, Filtered(g, side, shape[0], co, ci, kh, kw, height, width), x, weight, g, Blocks(co), epilogue)) return true;
  const Kernels& set = kernels();
  const int64_t block = depth * blocks.width, rowStride = x.rowStride();
  float* packed = pool.shared(blocks.count * block + 2 * depth);
  const float* from = static_cast<const float*>(weight.data);
  const int64_t* s = weight.strides;
  packWeights(blocks, channels, kh, run, packed, [&](int64_t ky, int64_t i, int64_t channel) {
    const int64_t o = channel % co, tap = i - channel / co * side.step;
    return tap < 0 || tap >= kw * ci ? 0.0f : from[o * s[0] + tap % ci * s[1] + ky * s[2] + tap / ci * s[3]];
  });
  Term* terms = reinterpret_cast<Term*>(packed + blocks.count * block);
  for (int64_t i = 0; i < depth; i++)
    terms[i] = {int32_t(i / run * g.dilationY * rowStride + i % run), int32_t(i * blocks.width)};
  // What a vector writes past one block's channels is the next pixel's, written later.
  const int64_t ld = blocks.count == 1 ? co : blocks.count * blocks.width, pitch = side.count * ld;
  const int64_t pieces = ceilDiv(height * width * ld, kApply), tall = ceilDiv(height, pieces), room = padded(tall * width * ld + kSlack);
  pool.parallel(shape[0], [&](int64_t image, int thread) {
    float* out = pool.local(thread, room + x.room());
    const float* data = x.image(image, out + room);
    for (int64_t y0 = 0; y0 < height; y0 += tall) {
      const int64_t rows = std::min(tall, height - y0);
      for (int64_t y = 0; y < rows; y++)
        for (int64_t b = 0; b < blocks.count; b++)
          rowOfPixels(set, blocks, data + (y0 + y) * g.strideY * rowStride, side.count * side.step, pixels, terms, int(depth),
                      packed + b * block, out + y * width * ld + b * blocks.width, pitch);
      epilogue.apply(thread, (image * height + y0) * width, rows * width, 0, co, out, ld);
    }
  });
  return true;
}

// A row of the result takes a window's row from each pixel of the rows of dy that look at it: (kx, ci) lie side by side.
bool narrowInputGrad(Pool& pool, const int64_t* shape, const View& dyView, const View& weight, const ConvGeometry& g, Epilogue& epilogue) {
  const int64_t co = weight.shape[0], ci = weight.shape[1], kh = weight.shape[2], kw = weight.shape[3];
  const int64_t h = shape[2], w = shape[3];
  const Planes dy(dyView);
  const int64_t wide = kw * ci;
  const Blocks blocks(wide);
  if (!fits(g, co, ci, kh * co, blocks, shape[0] * dy.h * dy.w) || h * w * ci > kMostFloats || dy.floats() > kMostFloats ||
      h * kh * co > kMostTerms)
    return false;
  if (filteredInputGrad(pool, shape, Filtered(g, Neighbours(g, co, ci, kw, 1), shape[0], co, ci, kh, kw, dy.h, dy.w), dy, weight, g, epilogue)) return true;
  const Kernels& set = kernels();
  const int64_t block = kh * co * blocks.width;
  float* packed = pool.shared(blocks.count * block + 2 * h * kh * co + padded(h + 1));
  const float* from = static_cast<const float*>(weight.data);
  const int64_t* s = weight.strides;
  packWeights(blocks, wide, kh, co, packed, [&](int64_t ky, int64_t o, int64_t i) {
    return from[o * s[0] + i % ci * s[1] + ky * s[2] + i / ci * s[3]];
  });
  Term* terms = reinterpret_cast<Term*>(packed + blocks.count * block);
  int32_t* start = reinterpret_cast<int32_t*>(terms + h * kh * co);  // of each row's terms
  start[0] = 0;
  for (int64_t y = 0; y < h; y++) {
    Term* next = terms + start[y];
    for (int64_t ky = 0; ky < kh; ky++) {
      const int64_t place = y + g.padTop - ky * g.dilationY;
      if (place < 0 || place % g.strideY || place / g.strideY >= dy.h) continue;
      for (int64_t o = 0; o < co; o++)
        *next++ = {int32_t(place / g.strideY * dy.rowStride() + o), int32_t((ky * co + o) * blocks.width)};
    }
    start[y + 1] = int32_t(next - terms);
  }
  const int64_t pitch = blocks.count * blocks.width, room = padded(h * w * ci + kSlack), windows = padded(dy.w * pitch + kSlack);
  pool.parallel(shape[0], [&](int64_t image, int thread) {
    float* out = pool.local(thread, room + windows + dy.room());
    const float* up = dy.image(image, out + room + windows);
    for (int64_t y = 0; y < h; y++) {
      for (int64_t b = 0; b < blocks.count; b++)
        rowOfPixels(set, blocks, up, co, dy.w, terms + start[y], start[y + 1] - start[y], packed + b * block,
                    out + room + b * blocks.width, pitch);
      set.overlap(out + room, pitch, int(dy.w), int(kw), int(ci), g.strideX, g.padLeft, int(w), out + y * w * ci);
    }
    epilogue.apply(thread, image * h * w, h * w, 0, ci, out, ci);
  });
  return true;
}

// A task adds up some images; the tasks' sums are then added in order and turned to the weights' own order. Filtered,
// each point is a layer of its own with kernels one pixel wide, its pixels one row.
bool narrowWeightGrad(Pool& pool, const int64_t* shape, const View& xView, const View& dyView, const ConvGeometry& g, Epilogue& epilogue) {
  constexpr int64_t kTasks = 16;
  const int64_t co = shape[0], ci = shape[1], kh = shape[2], kw = shape[3], images = dyView.shape[0];
  Planes x(xView), dy(dyView);
  x.surround(g);
  if (!fits(g, co, ci, kh * kw * ci, Blocks(co), images * dy.h * dy.w) || x.floats() > kMostFloats || dy.floats() > kMostFloats) return false;
  const Kernels& set = kernels();
  const Neighbours side(g, co, ci, kw, dy.w);
  const Filtered f(g, side, images, co, ci, kh, kw, dy.h, dy.w);
  const Blocks blocks(f.filter ? co : side.count * co);
  const int64_t points = f.filter ? f.filter->n : 1, run = f.filter ? ci : kw * ci + side.more();
  const int64_t row = run * blocks.width, block = kh * row, point = blocks.count * block, sums = points * point;
  const int64_t tasks = std::min(kTasks, images);
  // Short runs leave room for two rows of them.
  const int64_t cuts = ceilDiv(run, kMostTaps), pair = blocks.vectors == 1 || set.lanes == 16 ? 2 : 1;
  const int64_t planeIn = f.filter ? f.inputPlane() : 0, planeUp = f.filter ? f.outputPlane(co) : 0, planes = points * (planeIn + planeUp);
  float* partials = pool.shared(tasks * sums + co * ci * kh * kw);
  // Adds the products of one image at one point to its sums.
  const auto add = [&](const Plane& in, const Plane& up, int64_t rows, int64_t columns, float* to) {
    const int64_t tapRow = g.dilationY * (f.filter ? f.tiles * ci : x.rowStride());
    for (int64_t b = 0; b < blocks.count; b++)
      for (int64_t ky = 0, n; ky < kh; ky += n) {
        n = std::min(pair, kh - ky);
        for (int64_t i = 0; i < cuts; i++) {
          const int64_t t = run * i / cuts, taps = run * (i + 1) / cuts - t;
          set.taps[n - 1][blocks.vectors - 1][taps - 1]({in.data + ky * tapRow + t, in.row, in.pixel}, tapRow, {up.data + b * blocks.width, up.row, up.pixel},
                                                        int(rows), int(columns), to + b * block + ky * row + t * blocks.width, row);
        }
      }
  };
  pool.parallel(tasks, [&](int64_t task, int thread) {
    float *to = partials + task * sums, *room = pool.local(thread, planes + x.room() + dy.room());
    std::memset(to, 0, sums * sizeof(float));
    for (int64_t image = images * task / tasks; image < images * (task + 1) / tasks; image++) {
      const float *in = x.image(image, room + planes), *up = dy.image(image, room + planes + x.room());
      if (!f.filter) {
        add({in, g.strideY * x.rowStride(), side.count * side.step}, {up, dy.rowStride(), side.count * co}, dy.h, dy.w / side.count, to);
        continue;
      }
      float* upstream = room + points * planeIn;
      f.input(in, x.rowStride(), x.width, room);
      f.upstream(up, dy.rowStride(), upstream);
      for (int64_t p = 0; p < points; p++) add({room + p * planeIn, 0, ci}, {upstream + p * planeUp, 0, co}, 1, f.pixels(), to + p * point);
    }
  });
  for (int64_t task = 1; task < tasks; task++)
    for (int64_t i = 0; i < sums; i++) partials[i] += partials[task * sums + i];
  float* turned = partials + tasks * sums;
  for (int64_t o = 0; o < co; o++)
    for (int64_t c = 0; c < ci; c++)
      for (int64_t ky = 0; ky < kh; ky++) {
        const float* from = partials + o / blocks.width * block + ky * row + c * blocks.width + o % blocks.width;
        for (int64_t kx = 0; kx < kw; kx++, turned++) {
          if (f.filter) {
            *turned = f.filter->tap(kx, from, point);
            continue;
          }
          const float* tap = from + kx * ci * blocks.width;
          *turned = tap[0];
          for (int64_t n = 1; n < side.count; n++) *turned += tap[n * (side.step * blocks.width + co)];
        }
      }
  const int64_t n = ci * kh * kw;
  epilogue.apply(0, 0, co, 0, n, turned - co * n, n);
  return true;
}

}  // namespace flybrick
