// The packers and the microkernel, for one instruction set. No include guard on purpose: gemm.cc includes this once
// per instruction set, inside a namespace that has set kLanes.
#include "simd.h"

constexpr int kPanelRows = kLanes == 16 ? 14 : 6, kPanelColumns = 2 * kLanes;
constexpr int kPanelPitch = kPanelRows > 8 ? 16 : 8;  // floats between two k of a k-major A panel
constexpr int kRowPitch = kBlockK + 16;               // floats between two rows of a row-major A block; not 4 KiB apart
constexpr int kFewColumns = 128;
constexpr int kGroup = 16;                            // outer rows fetched together
static_assert(kGroup % kLanes == 0, "a group is cut into transposes");

// Rows [outer, outer + count), elements [inner, inner + length) of an operand: pointers into it where the elements
// are adjacent, else copies at to + i * pitch. The rows of the next group are called into the cache.
static void fetch(const Operand& m, int64_t outer, int count, int64_t inner, int length, float* to, int64_t pitch,
                  const float** rows) {
  if (!m.image) {
    for (int i = 0; i < count; i++) {
      rows[i] = m.data + (outer + i) * m.stride + inner;
      prefetch(rows[i] + kGroup * m.stride, length);
    }
    return;
  }
  const Image& g = *m.image;
  int tops[kGroup], lefts[kGroup];
  const float* corners[kGroup];  // of the windows, in the data or where it would be
  bool inside[kGroup], allInside = true;
  const bool spread = g.upY > 1 || g.upX > 1;
  int x = int(outer % g.columns), y = int(outer / g.columns % g.rows);
  int64_t n = outer / g.columns / g.rows;
  for (int i = 0; i < count; i++) {
    const int top = tops[i] = y * g.stepY - g.padY, left = lefts[i] = x * g.stepX - g.padX;
    corners[i] = m.data + n * g.strideN + top * g.strideY + left * g.strideX;
    inside[i] = !spread && top >= 0 && left >= 0 && top + (g.kernelY - 1) * g.dilationY < g.height &&
             left + (g.kernelX - 1) * g.dilationX < g.width;
    allInside &= inside[i];
    rows[i] = to + i * pitch;
    if (++x == g.columns) {
      x = 0;
      if (++y == g.rows) y = 0, n++;
    }
  }
  // Taps side by side in a window row are one run of memory, if nothing lies between them.
  const bool merged = g.dilationX == 1 && g.upX == 1 && g.strideX == g.channels;
  const int runPixels = merged ? g.kernelX : 1, runsInRow = merged ? 1 : g.kernelX, run = runPixels * g.channels;
  struct Piece {
    int64_t tap;
    int ky, kx, offset, size;
  } pieces[kLongest];
  int pieceCount = 0;
  int ky = int(inner / run) / runsInRow, kx = int(inner / run) % runsInRow, offset = int(inner % run);
  for (int done = 0; done < length; offset = 0) {
    const int size = std::min(run - offset, length - done);
    pieces[pieceCount++] = {ky * g.dilationY * g.strideY + kx * g.dilationX * g.strideX, ky, kx, offset, size};
    done += size;
    if (++kx == runsInRow) kx = 0, ky++;
  }
  if (allInside && pieceCount > 1 && run <= 4 * kLanes) {
    // Short runs, none clipped: one piece of all windows at a time, so that its size is dealt with once.
    // First what the next row of windows will read anew.
    for (int i = 0; i < count; i++)
      for (int r = 0; r < g.stepY; r++) prefetch(corners[i] + (g.kernelY + r) * g.strideY, run);
    float* target = to;
    for (int p = 0; p < pieceCount; target += pieces[p++].size) {
      const int64_t from = pieces[p].tap + pieces[p].offset;
      const int size = pieces[p].size, whole = (size - 1) / kLanes * kLanes;
      for (int j = 0; j < whole; j += kLanes)
        for (int i = 0; i < count; i++) store(target + i * pitch + j, load(corners[i] + from + j));
      for (int i = 0; i < count; i++) store(target + i * pitch + whole, loadPart(corners[i] + from + whole, size - whole));
    }
    return;
  }
  for (int i = 0; i < count; i++) {
    float* target = to + i * pitch;
    if (inside[i] && pieceCount == 1) {
      rows[i] = corners[i] + pieces[0].tap + pieces[0].offset;
      prefetch(rows[i] + kGroup * g.stepX * g.strideX, length);
      continue;
    }
    if (inside[i] && run <= kLanes) {
      // What the window's next row of pixels will read anew.
      for (int r = 0; r < g.stepY; r++) prefetch(corners[i] + (g.kernelY + r) * g.strideY, 1);
      for (int p = 0; p < pieceCount; target += pieces[p++].size)
        store(target, loadPart(corners[i] + pieces[p].tap + pieces[p].offset, pieces[p].size));
      continue;
    }
    for (int p = 0; p < pieceCount; p++) {
      const Piece& piece = pieces[p];
      const float* source = corners[i] + piece.tap;
      // [low, high) of the run lies inside the image.
      const int py = tops[i] + piece.ky * g.dilationY, px = lefts[i] + piece.kx * g.dilationX;
      int iy = py, ix = px, low = 0, high = 0;
      if (spread) {
        iy = py / g.upY, ix = px / g.upX;
        source = m.data + (corners[i] - m.data - (tops[i] * g.strideY + lefts[i] * g.strideX)) + iy * g.strideY + ix * g.strideX;
      }
      if (py >= 0 && iy < g.height && iy * g.upY == py && ix * g.upX == px) {
        low = std::max(-px, 0) * g.channels;
        high = std::min(g.width - ix, runPixels) * g.channels;
      }
      const int end = piece.offset + piece.size;
      const int from = std::min(std::max(low, piece.offset), end), until = std::max(std::min(high, end), from);
      if (pieceCount == 1 && until - from == piece.size) {
        rows[i] = source + piece.offset;
        prefetch(rows[i] + kGroup * g.stepX * g.strideX, length);
      } else {
        if (from > piece.offset) clear(target, from - piece.offset);
        copy(target + (from - piece.offset), source + from, until - from);
        if (end > until) clear(target + (until - piece.offset), end - until);
      }
      target += piece.size;
    }
  }
}

// Rows of a block are spread evenly over panels: 14 and 13 rather than a short last one.
FB_INLINE int panelsOf(int rows) { return (rows + kPanelRows - 1) / kPanelRows; }
FB_INLINE int panelStart(int rows, int panels, int i) { return int(int64_t(rows) * i / panels); }

// A is stored the way it comes: [row][k], kRowPitch apart, or, if k is outer, panels of [k][row]. The microkernel reads both.
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
    fetch(a, k + i, count, row, rows, temporary, rows + kGroup, from);
    for (int p = 0; p < panels; p++) {
      const int start = panelStart(rows, panels, p), height = panelStart(rows, panels, p + 1) - start;
      float* panel = to + (int64_t(p) * depth + i) * kPanelPitch;
      for (int j = 0; j < count; j++)
        for (int l = 0; l < kPanelPitch; l += kLanes)
          store(panel + j * kPanelPitch + l,
                start + l + kLanes <= rows ? load(from[j] + start + l)
                                           : loadPart(from[j] + start + l, std::max(height - l, 0)));
    }
  }
}

// B: panels of [k][2 vectors], the last one [k][1 vector] if that holds its columns; zeros behind the last column.
static void packB(const Operand& b, int64_t column, int columns, int64_t k, int depth, float* to, float* temporary) {
  const float* from[kGroup];
  if (b.outerIsK) {
    for (int i = 0; i < depth; i += kGroup) {
      const int count = std::min(kGroup, depth - i);
      fetch(b, k + i, count, column, columns, temporary, columns + kGroup, from);
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
    fetch(b, column + start, count, k, depth, temporary, depth + kGroup, from);
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

// `pitch` is the distance of A's rows, where they are rows.
template <int rows, int vectors, bool kMajor>
static void tile(int depth, const float* a, int64_t pitch, const float* b, float* c, int64_t ld, bool add) {
  Vector sum[rows][vectors] = {};
  // Every third row has a pointer of its own: the two behind it are in reach of an addressing mode.
  const float* from[kMajor ? 1 : (rows + 2) / 3];
  for (int i = 0; !kMajor && i < rows; i += 3) from[i / 3] = a + i * pitch;
  for (int k = 0; k < depth; k++) {
    Vector right[vectors];
#pragma GCC unroll 2
    for (int j = 0; j < vectors; j++) right[j] = load(b + j * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
      const Vector left = (kMajor ? a[i] : from[i / 3][i % 3 * pitch]) - Vector{};
#pragma GCC unroll 2
      for (int j = 0; j < vectors; j++) sum[i][j] += left * right[j];
    }
    if constexpr (kMajor) a += kPanelPitch;
    else
      for (const float*& row : from) row++;
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

using Tile = void (*)(int depth, const float* a, int64_t pitch, const float* b, float* c, int64_t ld, bool add);
template <int vectors, bool kMajor, int... row>
FB_INLINE Tile chooseTile(int rows, std::integer_sequence<int, row...>) {
  static constexpr Tile table[] = {tile<row + 1, vectors, kMajor>...};
  return table[rows - 1];
}

static void multiply(int rows, int columns, int depth, bool kMajor, const float* a, int64_t pitch, const float* b, float* c,
                     int64_t ld, bool add, const Ahead& ahead) {
  constexpr auto heights = std::make_integer_sequence<int, kPanelRows>{};
  const int downs = panelsOf(rows), acrosses = (columns + kPanelColumns - 1) / kPanelColumns;
  // A panel of what is larger stays in the first-level cache while the other operand's block passes.
  const bool downFirst = columns > kFewColumns;
  const int tiles = downs * acrosses, inner = downFirst ? downs : acrosses;
  int64_t row = 0;
  for (int i = 0; i < tiles; i++) {
    const int down = downFirst ? i % inner : i / inner, column = (downFirst ? i / inner : i % inner) * kPanelColumns;
    const int start = panelStart(rows, downs, down), height = panelStart(rows, downs, down + 1) - start;
    const bool narrow = columns - column <= kLanes;
    const Tile tile = kMajor ? (narrow ? chooseTile<1, true>(height, heights) : chooseTile<2, true>(height, heights))
                             : (narrow ? chooseTile<1, false>(height, heights) : chooseTile<2, false>(height, heights));
    const float* left = a + (kMajor ? int64_t(down) * depth * kPanelPitch : start * pitch);
    for (const int64_t until = ahead.rows * (i + 1) / tiles; row < until; row++)
      prefetch(ahead.data + row * ahead.stride, ahead.length);
    tile(depth, left, pitch, b + int64_t(column) * depth, c + start * ld + column, ld, add);
  }
}

// to[column * pitch + row] = from[row * ld + column]; reads and writes up to a whole square past the end.
static void turn(int64_t rows, int64_t columns, const float* from, int64_t ld, float* to, int64_t pitch) {
  for (int64_t row = 0; row < rows; row += kLanes)
    for (int64_t column = 0; column < columns; column += kLanes) {
      Vector square[kLanes];
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; i++) square[i] = load(from + (row + i) * ld + column);
      transpose<kLanes / 2>(square);
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; i++) store(to + (column + i) * pitch + row, square[i]);
    }
}

static constexpr InstructionSet instructionSet = {kLanes, kPanelRows, kPanelPitch, kRowPitch, packA, packB, multiply, turn};
