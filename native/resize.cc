// Bilinear resize and its adjoint, one output row at a time: blend two input rows, then blend along the row. A row is
// pixels of `group` adjacent values: all channels when channels are adjacent in memory, else one.
#include <cmath>
#include <cstring>

#include "strips.h"

namespace flybrick {

namespace {

constexpr int64_t kApply = 4096;  // results an epilogue call
constexpr int64_t kTask = 32768;  // results a task

// Where each of `to` positions reads of `from`: low and low + 1 (clamped), and the weight of the second. Half-pixel
// centres in float32, step by step as the reference device computes them.
struct Taps {
  int64_t from, to;
  int32_t* low;
  float* weight;

  static int64_t room(int64_t to) { return 2 * (to + kSlack64); }
  Taps(int64_t from, int64_t to, float* memory) : from(from), to(to) {
    low = reinterpret_cast<int32_t*>(memory);
    weight = memory + to + kSlack64;
    const float scale = static_cast<float>(static_cast<double>(from) / static_cast<double>(to));
    for (int64_t i = 0; i < to; i++) {
      const float centre = static_cast<float>((static_cast<double>(i) + 0.5) * scale);
      const float moved = static_cast<float>(static_cast<double>(centre) - 0.5), source = moved > 0 ? moved : 0;
      low[i] = static_cast<int32_t>(clamp(static_cast<int64_t>(source), 0, from - 1));
      weight[i] = source - static_cast<float>(low[i]);
    }
    for (int64_t i = to; i < to + kSlack64; i++) low[i] = to ? low[to - 1] : 0, weight[i] = 0;
  }
  int64_t high(int64_t i) const { return low[i] + 1 < from ? low[i] + 1 : from - 1; }
  // The first position that reads `source` at all; those after the last one read later ones only.
  int64_t begin(int64_t source) const {
    int64_t a = 0, b = to;
    while (a < b) {
      const int64_t middle = (a + b) / 2;
      if (high(middle) >= source) b = middle;
      else a = middle + 1;
    }
    return a;
  }
  float share(int64_t i, int64_t source) const {
    return (low[i] == source ? 1 - weight[i] : 0) + (high(i) == source ? weight[i] : 0);
  }
};

// How a tensor is cut into planes of rows of pixels, and where its memory has them.
struct Planes {
  bool last;  // channels last
  int64_t planes, group, height, width;
  const float* data;
  int64_t strideN, strideC, strideY, strideX;

  explicit Planes(const View& v)
      : last(v.shape[1] > 1 && v.strides[1] == 1 && v.strides[3] != 1),
        planes(last ? v.shape[0] : v.shape[0] * v.shape[1]),
        group(last ? v.shape[1] : 1),
        height(v.shape[2]),
        width(v.shape[3]),
        data(static_cast<const float*>(v.data)),
        strideN(v.strides[0]),
        strideC(v.strides[1]),
        strideY(v.strides[2]),
        strideX(v.strides[3]),
        channels(v.shape[1]) {}

  void matrix(Epilogue& epilogue) const {
    static constexpr int pixels[] = {0, 2, 3, 1}, rows[] = {0, 1, 2, 3};
    epilogue.matrix(last ? pixels : rows, 3, (last ? pixels : rows) + 3, 1);
  }
  // Row y of a plane; packed into `room` where its values are not adjacent.
  const float* row(int64_t plane, int64_t y, float* room) const {
    const float* x = data + (last ? plane * strideN : plane / channels * strideN + plane % channels * strideC) +
                     y * strideY;
    if (strideX == group || width == 1) return x;
    for (int64_t i = 0; i < width; i++)
      for (int64_t c = 0; c < group; c++) room[i * group + c] = x[i * strideX + c];
    return room;
  }

 private:
  int64_t channels;
};

// Makes the rows of `height` x `width` pixels with row(plane, y, out), in blocks for the epilogue.
template <class Row>
void eachRow(Pool& pool, Epilogue& epilogue, const Planes& in, int64_t height, int64_t width, int64_t room, Row row) {
  in.matrix(epilogue);
  const int64_t values = width * in.group;
  if (in.planes * height * values == 0) return;
  const int64_t lines = clamp(kApply / values, 1, height);
  const int64_t tall = clamp(kTask / (lines * values), 1, height) * lines, blocks = ceilDiv(height, tall);
  const int64_t tile = lines * values + kSlack64;
  pool.parallel(in.planes * blocks, [&](int64_t task, int thread) {
    const int64_t plane = task / blocks, y0 = task % blocks * tall, y1 = clamp(y0 + tall, 0, height);
    float* core = pool.local(thread, tile + room);
    for (int64_t y = y0; y < y1; y += lines) {
      const int64_t n = clamp(y1 - y, 0, lines);
      for (int64_t i = 0; i < n; i++) row(plane, y + i, core + i * values, core + tile);
      const int64_t line = plane * height + y;
      if (in.last) epilogue.apply(thread, line * width, n * width, 0, in.group, core, in.group);
      else epilogue.apply(thread, line, n, 0, width, core, width);
    }
  });
}

}  // namespace

void resize(Pool& pool, const int64_t* shape, const View& x, Epilogue& epilogue) {
  const Planes in(x);
  const int64_t width = in.width * in.group, room = width + 2 * kSlack64;
  float* memory = pool.shared(Taps::room(shape[2]) + Taps::room(shape[3]));
  const Taps down(in.height, shape[2], memory), right(in.width, shape[3], memory + Taps::room(shape[2]));
  const Strips& s = strips();
  eachRow(pool, epilogue, in, shape[2], shape[3], 3 * room, [&](int64_t plane, int64_t y, float* out, float* scratch) {
    const float* a = in.row(plane, down.low[y], scratch);
    const float* b = in.row(plane, down.high(y), scratch + room);
    float* row = scratch + 2 * room;
    s.blend(a, b, down.weight[y], width, row);
    if (in.group == 1) {
      row[width] = row[width - 1];  // low + 1 needs no clamp
      s.spread(row, right.low, right.weight, shape[3], out);
    } else {
      for (int64_t i = 0; i < shape[3]; i++)
        s.blend(row + right.low[i] * in.group, row + right.high(i) * in.group, right.weight[i], in.group,
                out + i * in.group);
    }
  });
}

void resizeGrad(Pool& pool, const int64_t* shape, const View& dy, Epilogue& epilogue) {
  const Planes in(dy);
  const int64_t width = in.width * in.group, room = width + kSlack64;
  float* memory = pool.shared(Taps::room(in.height) + Taps::room(in.width));
  const Taps down(shape[2], in.height, memory), right(shape[3], in.width, memory + Taps::room(in.height));
  const Strips& s = strips();
  eachRow(pool, epilogue, in, shape[2], shape[3], 2 * room, [&](int64_t plane, int64_t y, float* out, float* scratch) {
    float* total = scratch + room;
    std::memset(total, 0, 4 * width);
    for (int64_t i = down.begin(y); i < in.height && down.low[i] <= y; i++)
      s.addScaled(in.row(plane, i, scratch), down.share(i, y), width, total);
    std::memset(out, 0, 4 * shape[3] * in.group);
    for (int64_t i = 0; i < in.width; i++) {
      const int64_t low = right.low[i], high = right.high(i);
      const float weight = right.weight[i];
      if (in.group == 1) {
        out[low] += (1 - weight) * total[i];
        out[high] += weight * total[i];
      } else {
        s.addScaled(total + i * in.group, 1 - weight, in.group, out + low * in.group);
        s.addScaled(total + i * in.group, weight, in.group, out + high * in.group);
      }
    }
  });
}

}  // namespace flybrick
