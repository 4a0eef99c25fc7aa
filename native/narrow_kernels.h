// The loops of narrow.cc, for one instruction set. No include guard on purpose: narrow.cc includes this once per
// instruction set, inside a namespace that has set kLanes.
#include "simd.h"
#include "transform.h"

// `pixels` results of `vectors` vectors each, `outStep` apart: the sum over terms of x[pixel * step + term.x] times the
// vectors at weights + term.weight.
template <int pixels, int vectors>
static void pixelTile(const float* x, int64_t step, const Term* terms, int count, const float* weights, float* out,
                      int64_t outStep) {
  constexpr int kGroup = 3;  // neighbours that one pointer reaches
  Vector sum[pixels][vectors] = {};
  for (int i = 0; i < count; i++) {
    const float *w = weights + terms[i].weight, *at = x + terms[i].x;
    Vector weight[vectors];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) weight[v] = load(w + v * kLanes);
#pragma GCC unroll 14
    for (int p = 0; p < pixels; p++) {
      const Vector value = at[p % kGroup * step] - Vector{};
#pragma GCC unroll 2
      for (int v = 0; v < vectors; v++) sum[p][v] += value * weight[v];
      if (p % kGroup == kGroup - 1) at += kGroup * step;
    }
  }
#pragma GCC unroll 14
  for (int p = 0; p < pixels; p++)
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) store(out + p * outStep + v * kLanes, sum[p][v]);
}

// Adds up a row of windows where they overlap: out[x] = the sum over taps of windows[(x + left - tap) / stride][tap].
// A tap has `channels` floats, a window `pitch`.
static void overlap(const float* windows, int64_t pitch, int count, int taps, int channels, int stride, int left, int width,
                    float* out) {
  int first = left % stride, nearest = left / stride;  // the first tap of x and its window
  for (int x = 0; x < width; x++, out += channels) {
    for (int c = 0; c < channels; c += kLanes) {
      Vector sum = {};
      for (int tap = first, from = nearest; tap < taps && from >= 0; tap += stride, from--)
        if (from < count) sum += load(windows + from * pitch + tap * channels + c);
      store(out + c, sum);
    }
    if (++first == stride) first = 0, nearest++;
  }
}

// Adds to out[r][t], `vectors` vectors each, the sum over all pixels of x[r * tapRow + t] * dy.
template <int taps, int tapRows, int vectors>
static void tapTile(const Plane& x, int64_t tapRow, const Plane& dy, int rows, int columns, float* out, int64_t outRow) {
  Vector sum[tapRows][taps][vectors] = {};
  for (int y = 0; y < rows; y++) {
    const float *a = x.data + y * x.row, *b = dy.data + y * dy.row;
    for (int i = 0; i < columns; i++, a += x.pixel, b += dy.pixel) {
      Vector up[vectors];
#pragma GCC unroll 2
      for (int v = 0; v < vectors; v++) up[v] = load(b + v * kLanes);
#pragma GCC unroll 2
      for (int r = 0; r < tapRows; r++)
#pragma GCC unroll 6
        for (int t = 0; t < taps; t++) {
          const Vector value = a[r * tapRow + t] - Vector{};
#pragma GCC unroll 2
          for (int v = 0; v < vectors; v++) sum[r][t][v] += value * up[v];
        }
    }
  }
#pragma GCC unroll 2
  for (int r = 0; r < tapRows; r++)
#pragma GCC unroll 6
    for (int t = 0; t < taps; t++)
#pragma GCC unroll 2
      for (int v = 0; v < vectors; v++) {
        float* to = out + r * outRow + (t * vectors + v) * kLanes;
        store(to, load(to) + sum[r][t][v]);
      }
}

// Tiles of a row, `step` pixels apart, to the points: to[point * plane + tile * channels]. Past the row's end: zeros.
template <const auto& m>
static void toPoints(const float* row, int64_t pixel, int width, int tiles, int step, int channels, float* to, int64_t plane) {
  constexpr int size = m.columns;
  for (int t = 0; t < tiles; t++, row += step * pixel, to += channels)
    for (int c = 0; c < channels; c += kLanes) {
      Vector a[size], b[m.rows];
#pragma GCC unroll 8
      for (int i = 0; i < size; i++) a[i] = i < width - t * step ? load(row + i * pixel + c) : Vector{};
      expand<m>(a, b);
#pragma GCC unroll 8
      for (int p = 0; p < m.rows; p++) store(to + p * plane + c, b[p]);
    }
}

// From the points to a row's pixels, `ld` floats each, as whole vectors.
template <const auto& m>
static void fromPoints(const float* from, int64_t plane, int width, int tiles, int64_t ld, float* row) {
  constexpr int size = m.columns;
  for (int t = 0; t < tiles; t++, from += ld, row += size * ld)
    for (int c = 0; c < ld; c += kLanes) {
      Vector a[m.rows], b[size];
#pragma GCC unroll 8
      for (int p = 0; p < m.rows; p++) a[p] = load(from + p * plane + c);
      contract<m>(a, b);
#pragma GCC unroll 8
      for (int i = 0; i < size; i++)
        if (i < width - t * size) store(row + i * ld + c, b[i]);
    }
}

// A row of an input gradient. Each point of a tile adds up `count` windows' parts, `step` floats apart, which are turned
// back to the tile's pixels; neighbours' overlap. Blocks of channels go backwards: what the last one writes past its
// pixel is the next pixel's first one's.
template <const auto& m, int step>
static void inputRow(const float* from, int64_t apart, int count, int64_t plane, int64_t pitch, int tiles, int channels,
                     int left, int width, float* row) {
  constexpr int size = m.columns, shared = size - step;
  static_assert(shared <= step);
  for (int c = (channels - 1) / kLanes * kLanes; c >= 0; c -= kLanes) {
    Vector rest[shared] = {};
    const auto keep = [&](int x, Vector v) __attribute__((always_inline)) {
      if (x >= 0 && x < width) store(row + x * channels + c, v);
    };
    for (int t = 0; t < tiles; t++) {
      const float* window = from + t * pitch + c;
      Vector a[m.rows], b[size];
#pragma GCC unroll 8
      for (int p = 0; p < m.rows; p++) {
        a[p] = Vector{};
        for (int i = 0; i < count; i++) a[p] += load(window + p * plane + i * apart);
      }
      contract<m>(a, b);
#pragma GCC unroll 8
      for (int i = 0; i < step; i++) keep(t * step + i - left, i < shared ? b[i] + rest[i] : b[i]);
#pragma GCC unroll 8
      for (int i = 0; i < shared; i++) rest[i] = b[step + i];
    }
#pragma GCC unroll 8
    for (int i = 0; i < shared; i++) keep(tiles * step + i - left, rest[i]);
    for (int x = std::max(0, tiles * step + shared - left); x < width; x++) store(row + x * channels + c, Vector{});
  }
}

template <class S>
constexpr Filter filterOf() {
  return {S::n, S::m, S::r, &S::G.at[0][0], toPoints<S::Bt>, toPoints<S::A>, fromPoints<S::A>, inputRow<S::Bt, S::m>};
}

#define FB_TAPS(r, v) {tapTile<1, r, v>, tapTile<2, r, v>, tapTile<3, r, v>, tapTile<4, r, v>, tapTile<5, r, v>, tapTile<6, r, v>}
constexpr Kernels kernels = {
    kLanes,
    {{pixelTile<1, 1>, pixelTile<2, 1>, pixelTile<3, 1>, pixelTile<4, 1>, pixelTile<5, 1>, pixelTile<6, 1>, pixelTile<7, 1>,
      pixelTile<8, 1>, pixelTile<9, 1>, pixelTile<10, 1>, pixelTile<11, 1>, pixelTile<12, 1>, pixelTile<13, 1>, pixelTile<14, 1>},
     {pixelTile<1, 2>, pixelTile<2, 2>, pixelTile<3, 2>, pixelTile<4, 2>, pixelTile<5, 2>, pixelTile<6, 2>}},
    {{FB_TAPS(1, 1), FB_TAPS(1, 2)}, {FB_TAPS(2, 1), FB_TAPS(2, 2)}},
    overlap,
    {filterOf<Scheme<8, 3>>(), filterOf<Scheme<8, 5>>()}};
#undef FB_TAPS
