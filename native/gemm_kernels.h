// The packers and the microkernel, for one instruction set. No include guard on purpose: gemm.cc includes this once
// per instruction set, inside a namespace that has set kLanes and kPanelRows.
#include "simd.h"

constexpr int kPanelColumns = 2 * kLanes;
constexpr int kPanelPitch = kPanelRows > 8 ? 16 : 8;  // floats between two k of a k-major A panel
constexpr int kRowPitch = kBlockK + 16;               // floats between two rows of a row-major A block; not 4 KiB apart
constexpr int kGroup = 16;                            // outer rows fetched together
static_assert(kGroup % kLanes == 0, "a group is cut into transposes");

// Rows [outer, outer + count), elements [inner, inner + length) of an operand: pointers into it where the elements
// are adjacent, else copies at to + i * pitch. Grouped so that a copy is read well after it was written.
static void fetch(const Operand& m, int64_t outer, int count, int64_t inner, int length, float* to, int64_t pitch,
                  const float** rows) {
  if (!m.image) {
    for (int i = 0; i < count; i++) rows[i] = m.data + (outer + i) * m.stride + inner;
    return;
  }
  const Image& g = *m.image;
  // Taps side by side in a window row are one run of memory, if nothing lies between them.
  const bool merged = g.dilationX == 1 && g.upX == 1 && g.strideX == g.channels;
  const int runPixels = merged ? g.kernelX : 1, runsInRow = merged ? 1 : g.kernelX;
  const int run = runPixels * g.channels;
  const int firstRun = int(inner / run), firstOffset = int(inner % run);
  const int firstKy = firstRun / runsInRow, firstKx = firstRun % runsInRow;
  int x = int(outer % g.columns), y = int(outer / g.columns % g.rows);
  int64_t n = outer / g.columns / g.rows;
  for (int i = 0; i < count; i++) {
    float* out = to + i * pitch;
    rows[i] = out;
    int ky = firstKy, kx = firstKx, offset = firstOffset;
    for (int left = length; left > 0;) {
      const int py = y * g.stepY - g.padY + ky * g.dilationY, px = x * g.stepX - g.padX + kx * g.dilationX;
      // [low, high) of the run lies inside the image.
      int low = 0, high = 0;
      const int iy = g.upY == 1 ? py : py / g.upY, ix = g.upX == 1 ? px : px / g.upX;
      if (py >= 0 && iy < g.height && iy * g.upY == py && ix * g.upX == px) {
        low = std::min(std::max(-px, 0), runPixels) * g.channels;
        high = std::max(std::min(g.width - ix, runPixels) * g.channels, low);
      }
      const float* source = m.data + n * g.strideN + iy * g.strideY + ix * g.strideX;
      const int end = std::min(run, offset + left);
      if (offset == firstOffset && left == length && end - offset == length && offset >= low && end <= high) {
        rows[i] = source + offset;
      } else {
        const int from = std::min(std::max(low, offset), end), until = std::max(std::min(high, end), from);
        if (from > offset) clear(out, from - offset);
        copy(out + (from - offset), source + from, until - from);
        if (end > until) clear(out + (until - offset), end - until);
      }
      out += end - offset;
      left -= end - offset;
      offset = 0;
      if (++kx == runsInRow) kx = 0, ky++;
    }
    if (++x == g.columns) {
      x = 0;
      if (++y == g.rows) y = 0, n++;
    }
  }
}

// Rows of a block are spread evenly over panels: 14 and 13 rather than a short last one.
FB_INLINE int panelsOf(int rows) { return (rows + kPanelRows - 1) / kPanelRows; }
FB_INLINE int panelStart(int rows, int panels, int i) { return int(int64_t(rows) * i / panels); }

// A is stored the way it comes: [row][k] or, if k is outer, panels of [k][row]. The microkernel reads both.
static void packA(const Operand& a, int64_t row, int rows, int64_t k, int depth, float* to, float* temporary) {
  const float* from[kGroup];
  if (!a.outerIsK) {
    for (int i = 0; i < rows; i += kGroup) {
      const int count = std::min(kGroup, rows - i);
      float* block = to + int64_t(i) * kRowPitch;
      fetch(a, row + i, count, k, depth, block, kRowPitch, from);
      for (int j = 0; j < count; j++)
        if (from[j] != block + j * kRowPitch) copy(block + j * kRowPitch, from[j], depth);
    }
    return;
  }
  const int panels = panelsOf(rows);
  for (int i = 0; i < depth; i += kGroup) {
    const int count = std::min(kGroup, depth - i);
    fetch(a, k + i, count, row, rows, temporary, rows, from);
    for (int p = 0; p < panels; p++) {
      const int start = panelStart(rows, panels, p), height = panelStart(rows, panels, p + 1) - start;
      float* panel = to + (int64_t(p) * depth + i) * kPanelPitch;
      for (int j = 0; j < count; j++) copy(panel + j * kPanelPitch, from[j] + start, height);
    }
  }
}

// B: panels of [k][2 vectors], the last one [k][1 vector] if that holds its columns; zeros behind the last column.
static void packB(const Operand& b, int64_t column, int columns, int64_t k, int depth, float* to, float* temporary) {
  const float* from[kGroup];
  if (b.outerIsK) {
    for (int i = 0; i < depth; i += kGroup) {
      const int count = std::min(kGroup, depth - i);
      fetch(b, k + i, count, column, columns, temporary, columns, from);
      for (int start = 0; start < columns; start += kPanelColumns) {
        const int width = columns - start;
        float* panel = to + int64_t(start) * depth;
        if (width >= kPanelColumns) {
          for (int j = 0; j < count; j++) {
            store(panel + (i + j) * kPanelColumns, load(from[j] + start));
            store(panel + (i + j) * kPanelColumns + kLanes, load(from[j] + start + kLanes));
          }
        } else if (width > kLanes) {
          for (int j = 0; j < count; j++) {
            store(panel + (i + j) * kPanelColumns, load(from[j] + start));
            store(panel + (i + j) * kPanelColumns + kLanes, loadPart(from[j] + start + kLanes, width - kLanes));
          }
        } else {
          for (int j = 0; j < count; j++) store(panel + (i + j) * kLanes, loadPart(from[j] + start, width));
        }
      }
    }
    return;
  }
  for (int start = 0; start < columns; start += kLanes) {
    const int first = start / kPanelColumns * kPanelColumns, count = std::min(kLanes, columns - start);
    const int pitch = columns - first > kLanes ? kPanelColumns : kLanes;
    float* panel = to + int64_t(first) * depth + (start - first);
    fetch(b, column + start, count, k, depth, temporary, depth, from);
    for (int i = 0; i < depth; i += kLanes) {
      const int length = std::min(kLanes, depth - i);
      Vector rows[kLanes];
#pragma GCC unroll 16
      for (int j = 0; j < kLanes; j++) rows[j] = j < count ? loadPart(from[j] + i, length) : Vector{};
      transpose<kLanes / 2>(rows);
      for (int j = 0; j < length; j++) store(panel + int64_t(i + j) * pitch, rows[j]);
    }
  }
}

template <int rows, int vectors, bool kMajor>
static void tile(int depth, const float* a, const float* b, float* c, int64_t ld, bool add) {
  Vector sum[rows][vectors] = {};
  for (int k = 0; k < depth; k++) {
    Vector right[vectors];
#pragma GCC unroll 2
    for (int j = 0; j < vectors; j++) right[j] = load(b + j * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
      const Vector left = a[kMajor ? i : i * kRowPitch] - Vector{};
#pragma GCC unroll 2
      for (int j = 0; j < vectors; j++) sum[i][j] += left * right[j];
    }
    a += kMajor ? kPanelPitch : 1;
    b += vectors * kLanes;
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
    for (int j = 0; j < vectors; j++) {
      float* at = c + i * ld + j * kLanes;
      store(at, add ? load(at) + sum[i][j] : sum[i][j]);
    }
}

using Tile = void (*)(int depth, const float* a, const float* b, float* c, int64_t ld, bool add);
template <int vectors, bool kMajor, int... row>
FB_INLINE Tile chooseTile(int rows, std::integer_sequence<int, row...>) {
  static constexpr Tile table[] = {tile<row + 1, vectors, kMajor>...};
  return table[rows - 1];
}

static void multiply(int rows, int columns, int depth, bool kMajor, const float* a, const float* b, float* c,
                     int64_t ld, bool add) {
  constexpr auto heights = std::make_integer_sequence<int, kPanelRows>{};
  const int panels = panelsOf(rows);
  for (int column = 0; column < columns; column += kPanelColumns) {
    const bool narrow = columns - column <= kLanes;
    for (int p = 0; p < panels; p++) {
      const int start = panelStart(rows, panels, p), height = panelStart(rows, panels, p + 1) - start;
      const Tile tile = kMajor ? (narrow ? chooseTile<1, true>(height, heights) : chooseTile<2, true>(height, heights))
                               : (narrow ? chooseTile<1, false>(height, heights) : chooseTile<2, false>(height, heights));
      const float* left = a + (kMajor ? int64_t(p) * depth * kPanelPitch : int64_t(start) * kRowPitch);
      tile(depth, left, b + int64_t(column) * depth, c + start * ld + column, ld, add);
    }
  }
}
