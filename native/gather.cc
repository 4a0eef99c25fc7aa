// Rows of a table picked by index, and its gradient.
#include <cstring>

#include "strips.h"

namespace flybrick {

namespace {

constexpr int64_t kApply = 8192;  // results an epilogue call

int32_t readIndex(const View& index, int64_t at) {
  return index.dtype == DType::u8 ? static_cast<const uint8_t*>(index.data)[at]
                                  : static_cast<const int32_t*>(index.data)[at];
}

// Values [first, first + n) of the row at `base`, as 32-bit values.
void copyRow(const View& table, const Axes& axes, int64_t base, int64_t first, int64_t n, int32_t* to) {
  const int64_t step = axes.step();
  axes.runs(first, n, [&](int64_t at, int64_t offset, int64_t run) {
    if (table.dtype == DType::u8) {
      const uint8_t* from = static_cast<const uint8_t*>(table.data) + base + offset;
      if (step == 1)
        for (int64_t i = 0; i < run; i++) to[at + i] = from[i];
      else
        for (int64_t i = 0; i < run; i++) to[at + i] = from[i * step];
      return;
    }
    const int32_t* from = static_cast<const int32_t*>(table.data) + base + offset;
    if (step == 1) std::memcpy(to + at, from, 4 * run);
    else
      for (int64_t i = 0; i < run; i++) to[at + i] = from[i * step];
  });
}

}  // namespace

void gather(Pool& pool, int rank, const int64_t* shape, const View& table, const View& index, Epilogue& epilogue) {
  // With rows of a single value there are no axes left for columns: the last index axis serves.
  const bool single = table.rank == 1;
  const int rowCount = single ? (rank ? rank - 1 : 0) : index.rank;
  int axis[kMaxRank];
  for (int i = 0; i < rank; i++) axis[i] = i;
  epilogue.matrix(axis, rowCount, axis + rowCount, rank - rowCount);
  Axes places, inner;
  places.add(index, 0, index.rank);
  inner.add(table, 1, table.rank);
  int64_t rows = 1, columns = 1;
  for (int i = 0; i < rank; i++) (i < rowCount ? rows : columns) *= shape[i];
  if (rows * columns == 0) return;
  const int64_t wide = columns < 2048 ? columns : 2048, tall = clamp(kApply / wide, 1, rows);
  const int64_t across = ceilDiv(columns, wide);

  pool.parallel(ceilDiv(rows, tall) * across, [&](int64_t task, int thread) {
    const int64_t row = task / across * tall, n = clamp(rows - row, 0, tall);
    const int64_t column = task % across * wide, m = clamp(columns - column, 0, wide);
    int32_t* core = reinterpret_cast<int32_t*>(pool.local(thread, kApply + kSlack64));
    const auto pick = [&](int64_t place, int64_t first, int64_t count, int32_t* to) {
      const int64_t at = readIndex(index, places.offset(place));
      if (at < 0 || at >= table.shape[0]) std::memset(to, 0, 4 * count);
      else copyRow(table, inner, at * table.strides[0], first, count, to);
    };
    for (int64_t i = 0; i < n; i++) {
      if (!single) pick(row + i, column, m, core + i * m);
      else
        for (int64_t j = 0; j < m; j++) pick((row + i) * columns + column + j, 0, 1, core + i * m + j);
    }
    epilogue.apply(thread, row, n, column, m, reinterpret_cast<float*>(core), m);
  });
}

void scatterAdd(Pool& pool, int rank, const int64_t* shape, const View& dy, const View& index, Epilogue& epilogue) {
  const bool single = rank == 1;
  int axis[kMaxRank];
  for (int i = 0; i < rank; i++) axis[i] = i;
  epilogue.matrix(axis, single ? 0 : 1, axis + (single ? 0 : 1), single ? 1 : rank - 1);
  Axes places, outer, inner;
  places.add(index, 0, index.rank);
  outer.add(dy, 0, index.rank);
  inner.add(dy, index.rank, dy.rank);
  const int64_t rows = shape[0], columns = inner.count;
  if (rows * columns == 0) return;

  // A stable counting sort lists each row's places in index order; a task then owns its rows. A place that is out
  // of range goes to one more row, which nobody reads.
  int32_t* start = reinterpret_cast<int32_t*>(pool.shared(rows + 2 + places.count + kSlack64));
  int32_t* list = start + rows + 2;
  const auto rowOf = [&](int64_t place) -> int64_t {
    const int32_t row = readIndex(index, places.offset(place));
    return row < 0 || row >= rows ? rows : row;
  };
  std::memset(start, 0, 4 * (rows + 2));
  for (int64_t i = 0; i < places.count; i++) start[rowOf(i) + 1]++;
  for (int64_t i = 0; i <= rows; i++) start[i + 1] += start[i];
  for (int64_t i = 0; i < places.count; i++) list[start[rowOf(i)]++] = static_cast<int32_t>(i);
  // Filling moved each start to the next row's.
  const auto begin = [&](int64_t row) { return row ? start[row - 1] : 0; };

  const Strips& s = strips();
  const float* from = static_cast<const float*>(dy.data);
  const int64_t wide = columns < 512 ? columns : 512, tall = clamp(kApply / 2 / wide, 1, rows), step = inner.step();
  const int64_t across = ceilDiv(columns, wide);
  pool.parallel(ceilDiv(rows, tall) * across, [&](int64_t task, int thread) {
    const int64_t row = task / across * tall, n = clamp(rows - row, 0, tall);
    const int64_t column = task % across * wide, m = clamp(columns - column, 0, wide);
    float* core = pool.local(thread, kApply + kSlack64);
    std::memset(core, 0, 4 * n * m);
    for (int64_t i = 0; i < n; i++) {
      for (int64_t k = begin(row + i); k < start[row + i]; k++) {
        const float* x = from + outer.offset(list[k]);
        inner.runs(column, m, [&](int64_t at, int64_t offset, int64_t run) {
          float* to = core + i * m + at;
          if (step == 1) s.addScaled(x + offset, 1, run, to);
          else
            for (int64_t j = 0; j < run; j++) to[j] += x[offset + j * step];
        });
      }
    }
    if (single) epilogue.apply(thread, 0, 1, row, n, core, n);
    else epilogue.apply(thread, row, n, column, m, core, m);
  });
}

}  // namespace flybrick
