// Convolutions as products that never write their windows to memory: the packers cut them from the NHWC image.
#include <algorithm>
#include <cstring>

#include "gemm.h"
#include "narrow.h"
#include "winograd.h"

namespace flybrick {
namespace {

// An activation [n, c, h, w] whose channels are adjacent; one that is not is copied into `scratch` first.
struct Activation {
  const float* data;
  int64_t n, c, h, w, strideN, strideY, strideX;
  bool copied;
  int top = 0, left = 0;  // zeros around the copy

  explicit Activation(const View& v)
      : data(static_cast<const float*>(v.data)), n(v.shape[0]), c(v.shape[1]), h(v.shape[2]), w(v.shape[3]),
        strideN(v.strides[0]), strideY(v.strides[2]), strideX(v.strides[3]), copied(v.strides[1] != 1 && v.shape[1] != 1) {}

  // Has the copy made with zeros around it, so that no window is clipped: what clipping costs each window is more
  // than the copy where windows are short.
  void surround(const ConvGeometry& g) {
    if (!g.padTop && !g.padBottom && !g.padLeft && !g.padRight) return;
    top = g.padTop, left = g.padLeft, copied = true;
    h += top + g.padBottom, w += left + g.padRight;
  }
  bool dense() const { return copied || (strideX == c && strideY == w * c && strideN == h * w * c); }
  int64_t scratch() const { return copied ? padded(n * c * h * w) : 0; }
  void place(Pool& pool, const View& v, float* to) {
    if (!copied) return;
    if (h > v.shape[2] || w > v.shape[3]) {
      pool.parallel(n, [&](int64_t image, int) {
        float* out = to + image * h * w * c;
        std::memset(out, 0, h * w * c * sizeof(float));
        for (int64_t y = 0; y < v.shape[2]; y++) {
          const float* row = data + image * v.strides[0] + y * v.strides[2];
          float* target = out + ((y + top) * w + left) * c;
          if (c == 1 && v.strides[3] == 1) {
            std::memcpy(target, row, v.shape[3] * sizeof(float));
            continue;
          }
          for (int64_t x = 0; x < v.shape[3]; x++)
            for (int64_t i = 0; i < c; i++) target[x * c + i] = row[x * v.strides[3] + i * v.strides[1]];
        }
      });
      data = to;
      strideX = c, strideY = w * c, strideN = h * w * c;
      return;
    }
    const int64_t shape[4] = {n, h, w, c}, strides[4] = {strideN, strideY, strideX, v.strides[1]};
    reorder(pool, data, shape, strides, to);
    data = to;
    strideX = c, strideY = w * c, strideN = h * w * c;
  }
  Image image(int64_t channels, int64_t rows, int64_t columns, int64_t kernelY, int64_t kernelX) const {
    return {int(h), int(w), int(channels), strideN, strideY, strideX, int(rows), int(columns), int(kernelY), int(kernelX),
            1, 1, 0, 0, 1, 1, 1, 1};
  }
};

// Windows of one pixel that visit all pixels are a plain matrix when pixels are evenly spaced.
Operand windows(const Activation& x, const Image& g, bool outerIsK) {
  const bool everyPixel = g.kernelY == 1 && g.kernelX == 1 && g.rows == x.h && g.columns == x.w && !g.padY && !g.padX &&
                          g.stepY == 1 && g.stepX == 1 && g.upY == 1 && g.upX == 1;
  if (everyPixel && x.strideY == x.w * x.strideX && x.strideN == x.h * x.strideY) return {x.data, x.strideX, outerIsK, nullptr};
  return {x.data, 0, outerIsK, &g};
}

// Few output channels leave the microkernel's vectors half empty and make packing the windows the work. Then `pixels`
// neighbours in a row are computed as one output of pixels * channels channels, from a window `span` wide whose
// weights are zero where a pixel does not look. In memory that is the same output.
struct Neighbours {
  int64_t pixels = 1, span;

  Neighbours(const ConvGeometry& g, int64_t channels, int64_t kernelX, int64_t width) : span(kernelX) {
    if (g.groups > 1) return;
    const int64_t lanes = instructionSet().lanes;
    const auto wide = [&](int64_t q) { return (q - 1) * g.strideX + (kernelX - 1) * g.dilationX + 1; };
    // What a pixel costs in products of a vector; packing counts as one more.
    double best = double(kernelX) * ((channels + lanes - 1) / lanes + 1);
    for (int64_t q = 2; q * channels <= 2 * lanes; q++) {
      const double cost = double(wide(q)) / q * ((q * channels + lanes - 1) / lanes + 1);
      if (width % q == 0 && cost <= best) best = cost, pixels = q;
    }
    if (pixels > 1) span = wide(pixels);
  }
  void apply(Image& image) const {
    if (pixels == 1) return;
    image.columns /= pixels, image.stepX *= pixels;
    image.kernelX = int(span), image.dilationX = 1;
  }
};

}  // namespace

void conv2d(Pool& pool, const int64_t* shape, const View& xView, const View& weight, const ConvGeometry& g, Epilogue& epilogue) {
  const int rowAxes[] = {0, 2, 3}, columnAxes[] = {1};
  epilogue.matrix(rowAxes, 3, columnAxes, 1);
  const int64_t kh = weight.shape[2], kw = weight.shape[3], ci = weight.shape[1], co = shape[1] / g.groups;
  const int64_t m = shape[0] * shape[2] * shape[3];
  if (!m || !co || winogradConv2d(pool, shape, xView, weight, g, epilogue) ||
      narrowConv2d(pool, shape, xView, weight, g, epilogue))
    return;

  Activation x(xView);
  const Neighbours near(g, co, kw, shape[3]);
  const int64_t q = near.pixels, k = kh * near.span * ci;
  if (q > 1) x.surround(g);
  const Tiling t = tiling(g.groups, m / q, q * co, k, false);
  const int64_t weights = padded(k * q * shape[1]);
  float* scratch = pool.shared(weights + x.scratch() + t.packedB());
  x.place(pool, xView, scratch + weights);
  // Weights as [kh, kw, ci, co of all groups].
  const int64_t* s = weight.strides;
  const int64_t sizes[4] = {kh, kw, ci, shape[1]}, strides[4] = {s[2], s[3], s[1], s[0]};
  const float* from = static_cast<const float*>(weight.data);
  if (q == 1) {
    reorder(pool, from, sizes, strides, scratch);
  } else {
    std::memset(scratch, 0, weights * sizeof(float));
    for (int64_t j = 0; j < q; j++)
      for (int64_t ky = 0; ky < kh; ky++)
        for (int64_t kx = 0; kx < kw; kx++)
          for (int64_t c = 0; c < ci; c++) {
            float* to = scratch + ((ky * near.span + j * g.strideX + kx * g.dilationX) * ci + c) * q * co + j * co;
            for (int64_t o = 0; o < co; o++) to[o] = from[ky * s[2] + kx * s[3] + c * s[1] + o * s[0]];
          }
  }

  Image image = x.image(ci, shape[2], shape[3], kh, kw);
  image.stepY = g.strideY, image.stepX = g.strideX, image.padY = g.padTop - x.top, image.padX = g.padLeft - x.left;
  image.dilationY = g.dilationY, image.dilationX = g.dilationX;
  near.apply(image);
  gemm(pool, t, windows(x, image, false), {scratch, q * shape[1], true, nullptr},
       [&](int64_t group) { return Offsets{group * ci, group * co}; }, scratch + weights + x.scratch(), nullptr,
       [&](int thread, int64_t group, int64_t row, int64_t rows, int64_t column, int64_t columns, const float* c,
           int64_t ld) {
         if (q == 1) epilogue.apply(thread, row, rows, group * co + column, columns, c, ld);
         else epilogue.apply(thread, row * q, rows * q, 0, co, c, co);  // gemm leaves so few columns without gaps
       });
}

// A convolution of dy, spread apart by the stride, with the weights turned around.
void conv2dInputGrad(Pool& pool, const int64_t* shape, const View& dyView, const View& weight, const ConvGeometry& g, Epilogue& epilogue) {
  const int rowAxes[] = {0, 2, 3}, columnAxes[] = {1};
  epilogue.matrix(rowAxes, 3, columnAxes, 1);
  const int64_t kh = weight.shape[2], kw = weight.shape[3], ci = weight.shape[1], co = weight.shape[0] / g.groups;
  const int64_t m = shape[0] * shape[2] * shape[3], k = kh * kw * co;
  if (!m || !ci || winogradInputGrad(pool, shape, dyView, weight, g, epilogue) ||
      narrowInputGrad(pool, shape, dyView, weight, g, epilogue))
    return;

  Activation dy(dyView);
  const Tiling t = tiling(g.groups, m, ci, k, false);
  const int64_t weights = padded(k * shape[1]);
  float* scratch = pool.shared(weights + dy.scratch() + t.packedB());
  dy.place(pool, dyView, scratch + weights);
  // Weights as [kh reversed, kw reversed, co of all groups, ci].
  const int64_t* s = weight.strides;
  const int64_t sizes[4] = {kh, kw, weight.shape[0], ci}, strides[4] = {-s[2], -s[3], s[0], s[1]};
  const float* last = static_cast<const float*>(weight.data);
  if (k) last += (kh - 1) * s[2] + (kw - 1) * s[3];
  if (g.groups == 1) {
    reorder(pool, last, sizes, strides, scratch);
  } else {
    // A group's rows must be evenly spaced: [group][kh, kw, co, ci].
    const int64_t part[4] = {kh, kw, co, ci};
    for (int i = 0; i < g.groups; i++) reorder(pool, last + i * co * s[0], part, strides, scratch + i * k * ci);
  }

  Image image = dy.image(co, shape[2], shape[3], kh, kw);
  image.padY = int(g.dilationY * (kh - 1) - g.padTop), image.padX = int(g.dilationX * (kw - 1) - g.padLeft);
  image.dilationY = g.dilationY, image.dilationX = g.dilationX, image.upY = g.strideY, image.upX = g.strideX;
  gemm(pool, t, windows(dy, image, false), {scratch, ci, true, nullptr},
       [&](int64_t group) { return Offsets{group * co, group * k * ci}; }, scratch + weights + dy.scratch(), nullptr,
       [&](int thread, int64_t group, int64_t row, int64_t rows, int64_t column, int64_t columns, const float* c,
           int64_t ld) { epilogue.apply(thread, row, rows, group * ci + column, columns, c, ld); });
}

// Rows are output channels, columns (kh, kw, ci); the sum runs over all output pixels, in chunks. A second pass adds
// the chunks and turns the columns to (ci, kh, kw), the weights' own order, so that the epilogue runs along memory.
void conv2dWeightGrad(Pool& pool, const int64_t* shape, const View& xView, const View& dyView, const ConvGeometry& g, Epilogue& epilogue) {
  const int rowAxes[] = {0}, columnAxes[] = {1, 2, 3};
  epilogue.matrix(rowAxes, 1, columnAxes, 3);
  const int64_t co = shape[0] / g.groups, ci = shape[1], kh = shape[2], kw = shape[3], taps = kh * kw, n = taps * ci;
  if (!shape[0] || !n || winogradWeightGrad(pool, shape, xView, dyView, g, epilogue) ||
      narrowWeightGrad(pool, shape, xView, dyView, g, epilogue))
    return;

  Activation x(xView), dy(dyView);
  const int64_t pixels = dy.n * dy.h * dy.w;
  Neighbours near(g, co, kw, dy.w);
  if (!dy.dense()) near.pixels = 1, near.span = kw;
  const int64_t q = near.pixels, wide = kh * near.span * ci;
  if (q > 1) x.surround(g);
  const Tiling t = tiling(g.groups, q * co, wide, pixels / q, true);
  float* scratch = pool.shared(x.scratch() + dy.scratch() + t.packedB() + t.partials());
  x.place(pool, xView, scratch);
  dy.place(pool, dyView, scratch + x.scratch());
  float* partials = scratch + x.scratch() + dy.scratch() + t.packedB();

  Image image = x.image(ci, dy.h, dy.w, kh, kw);
  image.stepY = g.strideY, image.stepX = g.strideX, image.padY = g.padTop - x.top, image.padX = g.padLeft - x.left;
  image.dilationY = g.dilationY, image.dilationX = g.dilationX;
  near.apply(image);
  const Image upstream = dy.image(co, dy.h, dy.w, 1, 1);
  const Operand left = q > 1 ? Operand{dy.data, q * co, true, nullptr} : windows(dy, upstream, true);
  gemm(pool, t, left, windows(x, image, true),
       [&](int64_t group) { return Offsets{group * co, group * ci}; }, scratch + x.scratch() + dy.scratch(), partials, nullptr);
  const auto add = [&](int64_t row, int thread) {
    float *turned = pool.local(thread, 2 * t.ld), *sum = turned + t.ld;
    for (int64_t j = 0; j < q; j++) {  // each neighbour's own part of the wide window
      sumSplits(partials + (row / co * t.splits * co * q + j * co + row % co) * t.ld, t.splits, q * co * t.ld, wide, sum);
      for (int64_t tap = 0; tap < taps; tap++) {
        const int64_t at = q == 1 ? tap : tap / kw * near.span + j * g.strideX + tap % kw * g.dilationX;
        for (int64_t c = 0; c < ci; c++) turned[c * taps + tap] = sum[at * ci + c] + (j ? turned[c * taps + tap] : 0.0f);
      }
    }
    epilogue.apply(thread, row, 1, 0, n, turned, t.ld);
  };
  if (t.partials() <= 1 << 17)  // not worth waking a thread
    for (int64_t row = 0; row < shape[0]; row++) add(row, 0);
  else pool.parallel(shape[0], add);
}

}  // namespace flybrick
