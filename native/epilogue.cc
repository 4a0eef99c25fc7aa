#include "epilogue.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace flybrick {
namespace {

// Tiles lie a little more than their size apart, so that equal lanes of two are not 4 KiB apart.
constexpr size_t kTileBytes = kTile * 4 + 128;
constexpr int kSplat = 16;

// Walks axes in order without dividing.
struct Walker {
  const OperandAxes& axes;
  int64_t at;
  int64_t index[kMaxRank];

  Walker(const OperandAxes& a, int64_t start) : axes(a), at(0) {
    for (int i = a.count - 1; i >= 0; i--) {
      index[i] = start % a.size[i];
      at += index[i] * a.stride[i];
      start /= a.size[i];
    }
  }
  void next(int64_t steps = 1) {  // at most to the end of the innermost axis
    for (int i = axes.count - 1; i >= 0; i--) {
      index[i] += steps;
      at += steps * axes.stride[i];
      if (index[i] < axes.size[i]) return;
      at -= index[i] * axes.stride[i];
      index[i] = 0;
      steps = 1;
    }
  }
};

// Calls run(position, lane, count, stride) for runs along the innermost column axis of rows x columns.
template <typename Run>
inline void eachRun(const Stream& s, int64_t row, int rows, int64_t column, int columns, Run run) {
  Walker r(s.rows, row);
  if (s.columns.count <= 1) {
    // With one column, rows that lie next to each other may have been made columns.
    const int64_t stride = s.columns.count ? s.columns.stride[0] : 1;
    for (int i = 0; i < rows; i++, r.next()) run(r.at + column * stride, i * columns, columns, stride);
    return;
  }
  const int inner = s.columns.count - 1;
  for (int i = 0; i < rows; i++, r.next()) {
    Walker c(s.columns, column);
    for (int done = 0; done < columns;) {
      const int n = static_cast<int>(std::min<int64_t>(columns - done, s.columns.size[inner] - c.index[inner]));
      run(r.at + c.at, i * columns + done, n, s.columns.stride[inner]);
      c.next(n);
      done += n;
    }
  }
}

void fill(const Stream& s, int64_t row, int rows, int64_t column, int columns, int32_t* to) {
  if (s.kind == Kind::iota) {
    eachRun(s, row, rows, column, columns, [&](int64_t at, int lane, int n, int64_t stride) {
      const uint32_t first = static_cast<uint32_t>(at + s.offset), step = static_cast<uint32_t>(stride);
      for (int i = 0; i < n; i++) to[lane + i] = static_cast<int32_t>(first + step * static_cast<uint32_t>(i));
    });
  } else if (s.dtype == DType::u8) {
    const uint8_t* from = reinterpret_cast<const uint8_t*>(s.data);
    eachRun(s, row, rows, column, columns, [&](int64_t at, int lane, int n, int64_t stride) {
      const uint8_t* p = from + at;
      int32_t* q = to + lane;
      if (stride == 1) {
        for (int i = 0; i < n; i++) q[i] = p[i];
      } else {
        for (int i = 0; i < n; i++) q[i] = p[i * stride];
      }
    });
  } else {
    const int32_t* from = reinterpret_cast<const int32_t*>(s.data);
    eachRun(s, row, rows, column, columns, [&](int64_t at, int lane, int n, int64_t stride) {
      const int32_t* p = from + at;
      int32_t* q = to + lane;
      if (stride == 1 && n >= 16) {
        std::memcpy(q, p, static_cast<size_t>(n) * 4);
      } else if (stride == 0) {
        std::fill_n(q, n, *p);
      } else {
        for (int i = 0; i < n; i++) q[i] = p[i * stride];
      }
    });
  }
}

// `step` is 0 where all lanes are the same.
void spill(const Stream& s, int64_t row, int rows, int64_t column, int columns, const int32_t* from, int step) {
  if (s.dtype == DType::u8) {
    uint8_t* to = reinterpret_cast<uint8_t*>(s.data);
    eachRun(s, row, rows, column, columns, [&](int64_t at, int lane, int n, int64_t stride) {
      const int32_t* p = from + lane * step;
      if (stride == 1 && step) {
        for (int i = 0; i < n; i++) to[at + i] = static_cast<uint8_t>(p[i]);
      } else {
        for (int i = 0; i < n; i++) to[at + i * stride] = static_cast<uint8_t>(p[i * step]);
      }
    });
  } else {
    int32_t* to = reinterpret_cast<int32_t*>(s.data);
    eachRun(s, row, rows, column, columns, [&](int64_t at, int lane, int n, int64_t stride) {
      const int32_t* p = from + lane * step;
      if (stride == 1 && step && n >= 16) {
        std::memcpy(to + at, p, static_cast<size_t>(n) * 4);
      } else {
        for (int i = 0; i < n; i++) to[at + i * stride] = p[i * step];
      }
    });
  }
}

}  // namespace

void OperandAxes::add(int64_t n, int64_t s) {
  if (n == 1) return;
  if (count && stride[count - 1] == s * n) {
    size[count - 1] *= n;
    stride[count - 1] = s;
    return;
  }
  size[count] = n;
  stride[count++] = s;
}

int64_t OperandAxes::at(int64_t index) const {
  if (count <= 1) return count ? index * stride[0] : 0;
  int64_t where = 0;
  for (int i = count - 1; i > 0; i--) {
    where += index % size[i] * stride[i];
    index /= size[i];
  }
  return where + index * stride[0];
}

View Stream::view() const {
  View v{};
  v.data = data;
  v.dtype = dtype;
  v.rank = rank;
  std::copy_n(shape, rank, v.shape);
  std::copy_n(strides, rank, v.strides);
  return v;
}

void Tiles::finish(char* const* scratch, size_t offset) {
  scratch_ = scratch;
  offset_ = offset;
  splats_.assign((operands.size() + constants.size()) * kSplat, 0);
  for (size_t k = 0; k < constants.size(); k++)
    std::fill_n(splats_.begin() + (operands.size() + k) * kSplat, kSplat, constants[k]);
  for (size_t t = 0; !code.empty() && t < targets.size(); t++) {
    if (results[t] == code.back().to && targets[t].words() && std::count(results.begin(), results.end(), results[t]) == 1)
      direct_ = static_cast<int>(t);
  }
}

size_t Tiles::scratchBytes() const {
  return (registers + operands.size() + 2) * kTileBytes + (slots() * sizeof(Argument) + 127) / 64 * 64;
}

void Tiles::resolved(const int32_t* scalars) {
  for (size_t e = 0; e < operands.size(); e++) {
    if (operands[e].kind == Kind::scalar) std::fill_n(splats_.begin() + e * kSplat, kSplat, scalars[operands[e].index]);
  }
}

void Tiles::matrix(const int* rowAxes, int rowCount, const int* columnAxes, int columnCount) {
  // A step always splits its axes the same way, so the second run finds everything in place.
  if (rowCount == rowCount_ && columnCount == columnCount_ && std::equal(rowAxes, rowAxes + rowCount, axes_) &&
      std::equal(columnAxes, columnAxes + columnCount, axes_ + kMaxRank))
    return;
  rowCount_ = rowCount;
  columnCount_ = columnCount;
  std::copy_n(rowAxes, rowCount, axes_);
  std::copy_n(columnAxes, columnCount, axes_ + kMaxRank);
  rowTotal_ = columnTotal_ = 1;
  for (int i = 0; i < rowCount; i++) rowTotal_ *= shape[rowAxes[i]];
  for (int i = 0; i < columnCount; i++) columnTotal_ *= shape[columnAxes[i]];
  allFlat_ = true;
  const auto split = [&](Stream& s) {
    s.rows = s.columns = OperandAxes{};
    for (int i = 0; i < rowCount; i++) s.rows.add(shape[rowAxes[i]], s.strides[rowAxes[i]]);
    for (int i = 0; i < columnCount; i++) s.columns.add(shape[columnAxes[i]], s.strides[columnAxes[i]]);
    s.sameRows = s.rows.count == 0 || (s.rows.count == 1 && s.rows.stride[0] == 0);
    s.sameColumns = s.columns.count == 0 || (s.columns.count == 1 && s.columns.stride[0] == 0);
    s.unit = s.columns.count == 0 || (s.columns.count == 1 && s.columns.stride[0] == 1);
    s.flat = s.unit && (s.rows.count == 0 || (s.rows.count == 1 && s.rows.stride[0] == columnTotal_));
  };
  for (Stream& s : operands) {
    split(s);
    if (!s.constant() && !(s.words() && s.flat)) allFlat_ = false;
  }
  for (Stream& s : targets) {
    split(s);
    if (!s.flat) allFlat_ = false;
  }
}

void Tiles::apply(int thread, int64_t row, int64_t rows, int64_t column, int64_t columns, const float* core0, int64_t ld0,
                  const int32_t* core1, int64_t ld1) {
  if (rows <= 0 || columns <= 0) return;
  Cursor cursor(*this, thread);
  if (rows > 1 && allFlat_ && columns == columnTotal_ && (!core0 || ld0 == columns) && (!core1 || ld1 == columns)) {
    columns *= rows;
    column = row * columnTotal_;
    row = 0;
    rows = 1;
  }
  if (rows > 1 && columns < kTile / 4) {
    // Whole vectors, where there are so many rows: the last instruction can then write its target.
    const int64_t all = kTile / columns, most = all < kSplat ? all : all / kSplat * kSplat;
    for (int64_t r = 0; r < rows; r += most) {
      cursor.store(row + r, static_cast<int>(std::min(most, rows - r)), column, static_cast<int>(columns),
                   core0 ? core0 + r * ld0 : nullptr, ld0, core1 ? core1 + r * ld1 : nullptr, ld1);
    }
    return;
  }
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t c = 0; c < columns; c += kTile) {
      cursor.store(row + r, 1, column + c, static_cast<int>(std::min<int64_t>(kTile, columns - c)),
                   core0 ? core0 + r * ld0 + c : nullptr, ld0, core1 ? core1 + r * ld1 + c : nullptr, ld1);
    }
  }
}

Cursor::Cursor(Tiles& tiles, int thread)
    : tiles_(tiles), lanes_(lanes()), base_(tiles.scratch_[thread] + tiles.offset_) {
  const int operands = static_cast<int>(tiles.operands.size()), tileSlots = tiles.registers + operands + 2;
  sources_ = reinterpret_cast<Argument*>(base_ + tileSlots * kTileBytes);
  const int64_t step = lanes_.width * 4;
  for (int i = 0; i < tileSlots; i++) sources_[i] = {base_ + i * kTileBytes, step};
  const char* splats = reinterpret_cast<const char*>(tiles.splats_.data());
  for (int e = 0; e < operands; e++) {
    const Stream& s = tiles.operands[e];
    const int slot = tiles.registers + e;
    if (s.kind == Kind::scalar) {
      sources_[slot] = {splats + e * kSplat * 4, 0};
    } else if (s.constant()) {
      fill(s, 0, 1, 0, 1, buffer(slot));
      repeat(slot);
    }
  }
  for (size_t k = 0; k < tiles.constants.size(); k++) sources_[tileSlots + k] = {splats + (operands + k) * kSplat * 4, 0};
}

int32_t* Cursor::buffer(int slot) const { return reinterpret_cast<int32_t*>(base_ + slot * kTileBytes); }

// The first lane of a slot's buffer stands for all.
void Cursor::repeat(int slot) {
  std::fill_n(buffer(slot) + 1, kSplat - 1, *buffer(slot));
  sources_[slot] = {reinterpret_cast<char*>(buffer(slot)), 0};
}

void Cursor::load(int64_t row, int rows, int64_t column, int columns) {
  const bool same = column == column_ && columns == columns_ && rows <= rows_;
  const int64_t step = lanes_.width * 4;
  // Targets may lie on operands: of several targets, one that is an operand unchanged must be read before.
  const bool several = tiles_.targets.size() > 1;
  for (size_t e = 0; e < tiles_.operands.size(); e++) {
    const Stream& s = tiles_.operands[e];
    const int slot = tiles_.registers + static_cast<int>(e);
    if (s.constant() || (same && s.sameRows)) continue;
    const bool inPlace = s.words() && s.unit && (rows == 1 || (s.flat && columns == tiles_.columnTotal_)) &&
                         !(several && std::find(tiles_.results.begin(), tiles_.results.end(), slot) != tiles_.results.end());
    if (inPlace) {
      sources_[slot] = {s.data + (s.rows.at(row) + column) * 4, step};
    } else if (rows == 1 && s.sameColumns) {
      fill(s, row, 1, column, 1, buffer(slot));
      repeat(slot);
    } else {
      const int different = s.sameRows ? 1 : rows;
      fill(s, row, different, column, columns, buffer(slot));
      for (int done = different * columns, all = rows * columns, n; done < all; done += n) {
        n = std::min(done, all - done);
        std::memcpy(buffer(slot) + done, buffer(slot), static_cast<size_t>(n) * 4);
      }
      sources_[slot] = {reinterpret_cast<char*>(buffer(slot)), step};
    }
  }
  if (!same) {
    column_ = column;
    columns_ = columns;
    rows_ = rows;
  }
}

void Cursor::loadCore(int which, const void* core, int64_t ld, int rows, int columns) {
  if (!core) return;
  const int slot = tiles_.registers + static_cast<int>(tiles_.operands.size()) + which;
  if (rows == 1 || ld == columns) {
    sources_[slot].at = static_cast<const char*>(core);
    return;
  }
  const int32_t* from = static_cast<const int32_t*>(core);
  int32_t* to = buffer(slot);
  for (int r = 0; r < rows; r++, from += ld, to += columns)
    for (int i = 0; i < columns; i++) to[i] = from[i];
  sources_[slot].at = reinterpret_cast<char*>(buffer(slot));
}

void Cursor::run(const Instruction& op, char* to, int lanes) {
  lanes_.bodies[op.opcode](to, sources_[op.from[0]], sources_[op.from[1]], sources_[op.from[2]], sources_[op.from[3]], lanes);
}

const int32_t* Cursor::evaluate(int64_t row, int rows, int64_t column, int columns) {
  load(row, rows, column, columns);
  const int lanes = rows * columns;
  for (const Instruction& op : tiles_.code) run(op, base_ + op.to * kTileBytes, lanes);
  const Argument& result = sources_[tiles_.results[0]];
  if (result.step) return reinterpret_cast<const int32_t*>(result.at);
  // The same number in every lane: the first core's tile is free in an expression without cores.
  int32_t* all = buffer(tiles_.registers + static_cast<int>(tiles_.operands.size()));
  std::fill_n(all, lanes, *reinterpret_cast<const int32_t*>(result.at));
  return all;
}

void Cursor::store(int64_t row, int rows, int64_t column, int columns, const float* core0, int64_t ld0, const int32_t* core1,
                   int64_t ld1) {
  load(row, rows, column, columns);
  loadCore(0, core0, ld0, rows, columns);
  loadCore(1, core1, ld1, rows, columns);
  const int lanes = rows * columns;
  int direct = tiles_.direct_;
  if (direct >= 0) {
    const Stream& s = tiles_.targets[direct];
    if (!s.unit || (rows > 1 && !(s.flat && columns == tiles_.columnTotal_)) || lanes % lanes_.width) direct = -1;
  }
  const size_t count = tiles_.code.size() - (direct >= 0 ? 1 : 0);
  for (size_t i = 0; i < count; i++) run(tiles_.code[i], base_ + tiles_.code[i].to * kTileBytes, lanes);
  if (direct >= 0) {
    const Stream& s = tiles_.targets[direct];
    run(tiles_.code.back(), s.data + (s.rows.at(row) + column) * 4, lanes);
  }
  for (int t = 0; t < static_cast<int>(tiles_.targets.size()); t++) {
    if (t == direct) continue;
    const Stream& s = tiles_.targets[t];
    const Argument& from = sources_[tiles_.results[t]];
    const int32_t* at = reinterpret_cast<const int32_t*>(from.at);
    // Rows next to each other are one.
    if (s.flat && columns == tiles_.columnTotal_) spill(s, 0, 1, row * columns + column, lanes, at, from.step ? 1 : 0);
    else spill(s, row, rows, column, columns, at, from.step ? 1 : 0);
  }
}

void Values::read(int thread, int64_t row, int64_t rows, int64_t column, int64_t columns, void* out, int64_t ld) {
  Cursor cursor(tiles, thread);
  int32_t* to = static_cast<int32_t*>(out);
  const int64_t most = columns < kTile / 4 ? kTile / std::max<int64_t>(1, columns) : 1;
  for (int64_t r = 0; r < rows; r += most) {
    const int high = static_cast<int>(std::min(most, rows - r));
    for (int64_t c = 0; c < columns; c += kTile) {
      const int wide = static_cast<int>(std::min<int64_t>(kTile, columns - c));
      const int32_t* from = cursor.evaluate(row + r, high, column + c, wide);
      for (int i = 0; i < high; i++) std::memcpy(to + (r + i) * ld + c, from + i * wide, static_cast<size_t>(wide) * 4);
    }
  }
}

void Values::resolved(const int32_t* scalars) {
  tiles.resolved(scalars);
  plain_.data = nullptr;
  const int operand = tiles.results[0] - tiles.registers;
  if (!tiles.code.empty() || operand < 0 || operand >= static_cast<int>(tiles.operands.size())) return;
  const Stream& s = tiles.operands[operand];
  if (s.kind == Kind::value && s.dtype == DType::f32) plain_ = s.view();
}

void pointwise(Pool& pool, Tiles& tiles) {
  // The first target's memory order, so that writes stream; columns are as many trailing axes as act as one
  // for everybody.
  int order[kMaxRank];
  const int rank = tiles.rank;
  int64_t elements = 1;
  for (int i = 0; i < rank; i++) {
    order[i] = i;
    elements *= tiles.shape[i];
  }
  const Stream& first = tiles.targets[0];
  // Insertion: stable, and no allocation.
  const auto before = [&](int a, int b) {
    if ((tiles.shape[a] == 1) != (tiles.shape[b] == 1)) return tiles.shape[a] == 1;
    return tiles.shape[a] != 1 && std::abs(first.strides[a]) > std::abs(first.strides[b]);
  };
  for (int i = 1; i < rank; i++)
    for (int k = i; k > 0 && before(order[k], order[k - 1]); k--) std::swap(order[k], order[k - 1]);
  int start = std::max(0, rank - 1);
  for (; start > 0; start--) {
    const auto splits = [&](const Stream& s) {
      OperandAxes axes;
      for (int i = start - 1; i < rank; i++) axes.add(tiles.shape[order[i]], s.strides[order[i]]);
      return axes.count > 1;
    };
    if (std::any_of(tiles.operands.begin(), tiles.operands.end(), splits) ||
        std::any_of(tiles.targets.begin(), tiles.targets.end(), splits))
      break;
  }
  tiles.matrix(order, start, order + start, rank - start);

  constexpr int64_t kChunk = 32 * kTile;
  const int64_t rows = tiles.rowTotal(), columns = tiles.columnTotal();
  if (elements <= kChunk) return tiles.apply(0, 0, rows, 0, columns, nullptr, 0);
  const int64_t pieces = std::max<int64_t>(1, columns / kChunk);
  const int64_t wide = pieces == 1 ? columns : ((columns + pieces - 1) / pieces + kTile - 1) / kTile * kTile;
  const int64_t high = std::max<int64_t>(1, kChunk / columns);
  const int64_t across = (columns + wide - 1) / wide;
  const auto body = [&](int64_t task, int thread) {
    const int64_t row = task / across * high, column = task % across * wide;
    tiles.apply(thread, row, std::min(high, rows - row), column, std::min(wide, columns - column), nullptr, 0);
  };
  pool.parallel((rows + high - 1) / high * across, std::ref(body));
}

}  // namespace flybrick
