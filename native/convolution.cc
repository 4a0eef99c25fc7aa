// Convolutions as products that never write their windows to memory: the packers cut them from the NHWC image.
#include <algorithm>

#include "gemm.h"

namespace flybrick {
namespace {

int64_t padded(int64_t floats) { return (floats + 15) / 16 * 16; }

// An activation [n, c, h, w] whose channels are adjacent; one that is not is copied into `scratch` first.
struct Activation {
  const float* data;
  int64_t n, c, h, w, strideN, strideY, strideX;
  bool copied;

  explicit Activation(const View& v)
      : data(static_cast<const float*>(v.data)), n(v.shape[0]), c(v.shape[1]), h(v.shape[2]), w(v.shape[3]),
        strideN(v.strides[0]), strideY(v.strides[2]), strideX(v.strides[3]), copied(v.strides[1] != 1 && v.shape[1] != 1) {}

  int64_t scratch() const { return copied ? padded(n * c * h * w) : 0; }
  void place(Pool& pool, const View& v, float* to) {
    if (!copied) return;
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

}  // namespace

void conv2d(Pool& pool, const int64_t* shape, const View& xView, const View& weight, const ConvGeometry& g, Epilogue& epilogue) {
  const int rowAxes[] = {0, 2, 3}, columnAxes[] = {1};
  epilogue.matrix(rowAxes, 3, columnAxes, 1);
  const int64_t kh = weight.shape[2], kw = weight.shape[3], ci = weight.shape[1], co = shape[1] / g.groups;
  const int64_t m = shape[0] * shape[2] * shape[3], k = kh * kw * ci;
  if (!m || !co) return;

  Activation x(xView);
  const Tiling t = tiling(g.groups, m, co, k, false);
  const int64_t weights = padded(k * shape[1]);
  float* scratch = pool.shared(weights + x.scratch() + t.packedB());
  x.place(pool, xView, scratch + weights);
  // Weights as [kh, kw, ci, co of all groups].
  const int64_t* s = weight.strides;
  const int64_t sizes[4] = {kh, kw, ci, shape[1]}, strides[4] = {s[2], s[3], s[1], s[0]};
  reorder(pool, static_cast<const float*>(weight.data), sizes, strides, scratch);

  Image image = x.image(ci, shape[2], shape[3], kh, kw);
  image.stepY = g.strideY, image.stepX = g.strideX, image.padY = g.padTop, image.padX = g.padLeft;
  image.dilationY = g.dilationY, image.dilationX = g.dilationX;
  gemm(pool, t, windows(x, image, false), {scratch, shape[1], true, nullptr},
       [&](int64_t group) { return Offsets{group * ci, group * co}; }, scratch + weights + x.scratch(), nullptr,
       [&](int thread, int64_t group, int64_t row, int64_t rows, int64_t column, int64_t columns, const float* c,
           int64_t ld) { epilogue.apply(thread, row, rows, group * co + column, columns, c, ld); });
}

// A convolution of dy, spread apart by the stride, with the weights turned around.
void conv2dInputGrad(Pool& pool, const int64_t* shape, const View& dyView, const View& weight, const ConvGeometry& g, Epilogue& epilogue) {
  const int rowAxes[] = {0, 2, 3}, columnAxes[] = {1};
  epilogue.matrix(rowAxes, 3, columnAxes, 1);
  const int64_t kh = weight.shape[2], kw = weight.shape[3], ci = weight.shape[1], co = weight.shape[0] / g.groups;
  const int64_t m = shape[0] * shape[2] * shape[3], k = kh * kw * co;
  if (!m || !ci) return;

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
  if (!shape[0] || !n) return;

  Activation x(xView), dy(dyView);
  const int64_t pixels = dy.n * dy.h * dy.w;
  const Tiling t = tiling(g.groups, co, n, pixels, true);
  float* scratch = pool.shared(x.scratch() + dy.scratch() + t.packedB() + t.partials());
  x.place(pool, xView, scratch);
  dy.place(pool, dyView, scratch + x.scratch());
  float* partials = scratch + x.scratch() + dy.scratch() + t.packedB();

  Image image = x.image(ci, dy.h, dy.w, kh, kw);
  image.stepY = g.strideY, image.stepX = g.strideX, image.padY = g.padTop, image.padX = g.padLeft;
  image.dilationY = g.dilationY, image.dilationX = g.dilationX;
  const Image upstream = dy.image(co, dy.h, dy.w, 1, 1);
  gemm(pool, t, windows(dy, upstream, true), windows(x, image, true),
       [&](int64_t group) { return Offsets{group * co, group * ci}; }, scratch + x.scratch() + dy.scratch(), partials, nullptr);
  pool.parallel(shape[0], [&](int64_t row, int thread) {
    float *turned = pool.local(thread, 2 * t.ld), *sum = turned + t.ld;
    sumSplits(partials + (row / co * t.splits * co + row % co) * t.ld, t.splits, co * t.ld, n, sum);
    for (int64_t tap = 0; tap < taps; tap++)
      for (int64_t c = 0; c < ci; c++) turned[c * taps + tap] = sum[tap * ci + c];
    epilogue.apply(thread, row, 1, 0, n, turned, t.ld);
  });
}

}  // namespace flybrick
