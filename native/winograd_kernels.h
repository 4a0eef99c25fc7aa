// Winograd's transforms and the products between them, for one instruction set. No include guard on purpose:
// winograd.cc includes this once per instruction set, inside a namespace that has set kLanes.
#include "simd.h"
#include "transform.h"

constexpr int kVectors = kBlock / kLanes;  // of a block of channels
// Of a product's tile in registers: rows, and blocks of channels.
constexpr int kTileRows = kLanes == 16 ? 14 : kLanes == 8 ? 6 : 3, kTileBlocks = kLanes == 16 ? 2 : 1;
constexpr int kGradRows = kLanes == 16 ? 8 : kLanes == 8 ? 6 : 3, kGradBlocks = kLanes == 16 ? 3 : 1;

// m x m', or m' x m where `back`, of vectors that `load(i, j)` gives and `keep(i, j, vector)` takes.
template <const auto& m, bool back, typename Load, typename Keep>
FB_INLINE void square(Load load, Keep keep) {
  constexpr int from = back ? m.rows : m.columns, to = back ? m.columns : m.rows;
  const auto apply = [](const Vector* a, Vector* b) __attribute__((always_inline)) {
    if constexpr (back) contract<m>(a, b);
    else expand<m>(a, b);
  };
  Vector middle[to][from];
#pragma GCC unroll 1
  for (int j = 0; j < from; j++) {
    Vector a[from], b[to];
#pragma GCC unroll 8
    for (int i = 0; i < from; i++) a[i] = load(i, j);
    apply(a, b);
#pragma GCC unroll 8
    for (int i = 0; i < to; i++) middle[i][j] = b[i];
  }
#pragma GCC unroll 1
  for (int i = 0; i < to; i++) {
    Vector b[to];
    apply(middle[i], b);
#pragma GCC unroll 8
    for (int j = 0; j < to; j++) keep(i, j, b[j]);
  }
}

// Transforms an image's patches, all channels, into rows from `row` on of every plane.
template <const auto& m>
static void transformPatches(const Patches& p, const Planes& to, int64_t row, const float* zeros) {
  constexpr int size = m.columns, most = 8;
  const int blocks = (p.channels + kBlock - 1) / kBlock, count = p.down * p.across;
  const float* pixels[most][size * size];
  for (int done = 0; done < count; done += most) {
    const int group = std::min(most, count - done);
    for (int t = 0; t < group; t++) {
      const int y0 = (done + t) / p.across * p.step - p.top, x0 = (done + t) % p.across * p.step - p.left;
      for (int i = 0; i < size; i++)
        for (int j = 0; j < size; j++) {
          const int y = y0 + i, x = x0 + j;
          const bool inside = y >= 0 && y < p.height && x >= 0 && x < p.width;
          pixels[t][i * size + j] = inside ? p.data + y * p.strideY + x * p.strideX : zeros;
        }
    }
    for (int block = 0; block < blocks; block++)
      for (int t = 0; t < group; t++)
#pragma GCC unroll 1
        for (int v = 0; v < kVectors; v++) {
          const int channel = block * kBlock + v * kLanes, left = p.channels - channel;
          float* at = to.data + block * to.block + (row + done + t) * kBlock + v * kLanes;
          const float* const* pixel = pixels[t];
          const auto keep = [&](int i, int j, Vector value) { store(at + (i * m.rows + j) * to.plane, value); };
          if (left >= kLanes) square<m, false>([&](int i, int j) { return load(pixel[i * size + j] + channel); }, keep);
          else square<m, false>([&](int i, int j) { return left > 0 ? loadPart(pixel[i * size + j] + channel, left) : Vector{}; }, keep);
        }
  }
}

// One row of patches from the transform domain to pixels: to[(i * width + x) * ld + channel].
template <const auto& m>
static void gatherRow(const Planes& from, int64_t row, int across, int width, int blocks, float* to, int64_t ld) {
  constexpr int size = m.columns;
  for (int block = 0; block < blocks; block++)
    for (int t = 0; t < across; t++) {
      const int inside = std::min(size, width - t * size);
#pragma GCC unroll 1
      for (int v = 0; v < kVectors; v++) {
        const float* at = from.data + block * from.block + (row + t) * kBlock + v * kLanes;
        float* out = to + t * size * ld + block * kBlock + v * kLanes;
        const auto fetch = [&](int i, int j) { return load(at + (i * m.rows + j) * from.plane); };
        square<m, true>(fetch, [&](int i, int j, Vector value) {
          if (j < inside) store(out + (i * width + j) * ld, value);
        });
      }
    }
}

// to[e * kBlock + lane] = from[lane * stride + e], zeros behind `lanes`.
static void turn(const float* from, int64_t stride, int lanes, int count, float* to) {
  for (int start = 0; start < kBlock; start += kLanes)
    for (int e = 0; e < count; e += kLanes) {
      const int length = std::min(kLanes, count - e);
      Vector rows[kLanes];
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; i++)
        rows[i] = start + i < lanes ? loadPart(from + (start + i) * stride + e, length) : Vector{};
      transpose<kLanes / 2>(rows);
      for (int i = 0; i < length; i++) store(to + (e + i) * kBlock + start, rows[i]);
    }
}

// Kernels for one block of outputs: lanes are outputs (rows of `from`, `stride` apart), to.data + k * kBlock gets input
// k's. Taps of an input lie together, inputs `inputStride` apart; reversed where a gradient goes back.
template <const auto& g>
static void transformWeights(const float* from, int64_t stride, int lanes, int64_t inputStride, int inputs, bool reversed,
                             const Planes& to, float* spare) {
  constexpr int taps = g.columns * g.columns;
  for (int k = 0; k < inputs; k++) {
    turn(from + k * inputStride, stride, lanes, taps, spare);
#pragma GCC unroll 1
    for (int v = 0; v < kVectors; v++) {
      float* at = to.data + k * kBlock + v * kLanes;
      square<g, false>(
          [&](int i, int j) {
            const int tap = i * g.columns + j;
            return load(spare + (reversed ? taps - 1 - tap : tap) * kBlock + v * kLanes);
          },
          [&](int i, int j, Vector value) { store(at + (i * g.rows + j) * to.plane, value); });
    }
  }
}

// A block of channels of one output's kernel: to[channel * taps + tap], for `lanes` channels. The parts, `pitch` floats
// apart, are added up in order.
template <const auto& g>
static void gatherWeights(const Planes& from, int parts, int64_t pitch, int lanes, float* to) {
  constexpr int taps = g.columns * g.columns;
  for (int v = 0; v < kVectors; v++) {
    const float* at = from.data + v * kLanes;
    square<g, true>(
        [&](int i, int j) {
          const float* one = at + (i * g.rows + j) * from.plane;
          Vector sum = load(one);
          for (int part = 1; part < parts; part++) sum += load(one + part * pitch);
          return sum;
        },
        [&](int i, int j, Vector value) {
          const int count = std::min(kLanes, lanes - v * kLanes);
          for (int lane = 0; lane < count; lane++) to[(v * kLanes + lane) * taps + i * g.columns + j] = value[lane];
        });
  }
}

// c[blocks][rows] (+)= a[rows, depth] b[depth, blocks]: a's rows lie kBlock floats apart, its depth in blocks.
template <int rows, int blocks>
static void multiplyTile(int depth, const float* a, int64_t aBlock, const float* b, int64_t bBlock, float* c, int64_t cBlock, bool add) {
  Vector sum[rows][blocks * kVectors] = {};
  for (int start = 0; start < depth; start += kBlock, a += aBlock) {
    const int count = std::min(kBlock, depth - start);
    for (int k = 0; k < count; k++, b += kBlock) {
      Vector right[blocks * kVectors];
#pragma GCC unroll 4
      for (int j = 0; j < blocks * kVectors; j++) right[j] = load(b + j / kVectors * bBlock + j % kVectors * kLanes);
#pragma GCC unroll 16
      for (int i = 0; i < rows; i++) {
        const Vector left = a[i * kBlock + k] - Vector{};
#pragma GCC unroll 4
        for (int j = 0; j < blocks * kVectors; j++) sum[i][j] += left * right[j];
      }
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
    for (int j = 0; j < blocks * kVectors; j++) {
      float* at = c + i * kBlock + j / kVectors * cBlock + j % kVectors * kLanes;
      store(at, add ? load(at) + sum[i][j] : sum[i][j]);
    }
}

using MultiplyTile = void (*)(int depth, const float* a, int64_t aBlock, const float* b, int64_t bBlock, float* c, int64_t cBlock, bool add);
template <int blocks, int... row>
FB_INLINE MultiplyTile multiplyTileOf(int rows, std::integer_sequence<int, row...>) {
  static constexpr MultiplyTile table[] = {multiplyTile<row + 1, blocks>...};
  return table[rows - 1];
}

// One plane: c = a b, `rows` rows, `depth` summed, `blocks` blocks of columns. Rows are cut evenly. The depth is cut so
// that a block of b stays in the first-level cache.
static void multiplyPlane(int rows, int depth, int blocks, const float* a, int64_t aBlock, const float* b, int64_t bBlock,
                          float* c, int64_t cBlock) {
  constexpr auto heights = std::make_integer_sequence<int, kTileRows>{};
  const int pieces = (rows + kTileRows - 1) / kTileRows, slices = (depth + kTileDepth - 1) / kTileDepth;
  const int step = ((depth + slices - 1) / slices + kBlock - 1) / kBlock * kBlock;
  for (int start = 0; start < depth; start += step) {
    const int deep = std::min(step, depth - start);
    const float *left = a + start / kBlock * aBlock, *right = b + start * kBlock;
    for (int block = 0; block < blocks; block += kTileBlocks)
      for (int piece = 0; piece < pieces; piece++) {
        const int row = int(int64_t(rows) * piece / pieces), height = int(int64_t(rows) * (piece + 1) / pieces) - row;
        const MultiplyTile tile = blocks - block >= kTileBlocks ? multiplyTileOf<kTileBlocks>(height, heights)
                                                                : multiplyTileOf<1>(height, heights);
        tile(deep, left + row * kBlock, aBlock, right + block * bBlock, bBlock, c + block * cBlock + row * kBlock, cBlock, start > 0);
      }
  }
}

// c[blocks][rows] (+)= a'[rows, depth] b[depth, blocks]: a's rows are adjacent, its depth kBlock floats apart; as b.
template <int rows, int blocks>
static void gradTile(int depth, const float* a, const float* b, int64_t bBlock, float* c, int64_t cBlock, bool add) {
  Vector sum[rows][blocks * kVectors] = {};
  for (int k = 0; k < depth; k++, a += kBlock, b += kBlock) {
    Vector right[blocks * kVectors];
#pragma GCC unroll 4
    for (int j = 0; j < blocks * kVectors; j++) right[j] = load(b + j / kVectors * bBlock + j % kVectors * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
      const Vector left = a[i] - Vector{};
#pragma GCC unroll 4
      for (int j = 0; j < blocks * kVectors; j++) sum[i][j] += left * right[j];
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
    for (int j = 0; j < blocks * kVectors; j++) {
      float* at = c + i * kBlock + j / kVectors * cBlock + j % kVectors * kLanes;
      store(at, add ? load(at) + sum[i][j] : sum[i][j]);
    }
}

using GradTile = void (*)(int depth, const float* a, const float* b, int64_t bBlock, float* c, int64_t cBlock, bool add);
template <int blocks, int... row>
FB_INLINE GradTile gradTileOf(int rows, std::integer_sequence<int, row...>) {
  static constexpr GradTile table[] = {gradTile<row + 1, blocks>...};
  return table[rows - 1];
}

// One plane: c[columns / kBlock][row][kBlock] (+)= sum over `depth` tiles of a[tile][row] b[tile][column]. The depth is
// cut, so that a block of a stays in the first-level cache, and so that no sum of floats grows long.
static void gradPlane(int depth, int rows, int blocks, const float* a, int64_t aBlock, const float* b, int64_t bBlock,
                      float* c, int64_t cBlock, bool add) {
  constexpr auto heights = std::make_integer_sequence<int, kGradRows>{};
  const int slices = (depth + kGradDepth - 1) / kGradDepth;
  for (int slice = 0; slice < slices; slice++) {
    const int start = int(int64_t(depth) * slice / slices), deep = int(int64_t(depth) * (slice + 1) / slices) - start;
    for (int row = 0; row < rows; row += kBlock) {
      const int high = std::min(kBlock, rows - row), pieces = (high + kGradRows - 1) / kGradRows;
      for (int block = 0; block < blocks;) {
        const bool wide = blocks - block >= kGradBlocks;
        for (int piece = 0; piece < pieces; piece++) {
          const int first = high * piece / pieces, height = high * (piece + 1) / pieces - first;
          const GradTile tile = wide ? gradTileOf<kGradBlocks>(height, heights) : gradTileOf<1>(height, heights);
          tile(deep, a + row / kBlock * aBlock + start * kBlock + first, b + block * bBlock + start * kBlock, bBlock,
               c + block * cBlock + (row + first) * kBlock, cBlock, add || slice > 0);
        }
        block += wide ? kGradBlocks : 1;
      }
    }
  }
}

template <class S>
constexpr WinogradKernels kernelsOf() {
  return {S::n, S::m, S::r, transformPatches<S::Bt>, transformPatches<S::A>, gatherRow<S::A>, transformWeights<S::G>,
          gatherWeights<S::G>, multiplyPlane, gradPlane};
}
static constexpr WinogradKernels kernels[] = {kernelsOf<Scheme<8, 3>>(), kernelsOf<Scheme<8, 5>>(), kernelsOf<Scheme<6, 3>>()};
