// Pooling windows and their gradients, over the channels of one pixel at a time: the list of places a pixel takes
// from is made once and then runs over all its channels. Other layouts are turned to channels-last on the way in.
#include <limits>

#include "strips.h"

namespace flybrick {

namespace {

constexpr int64_t kApply = 2048;  // results an epilogue call
constexpr int64_t kTask = 32768;  // results a task

// Rows [first, first + rows) of one image, channels adjacent: in place, or packed into `room`.
template <class T>
struct Rows {
  const T* data;  // row `first`
  int64_t row, pixel;
};

template <class To, class From>
void pack(const View& view, int64_t image, int64_t first, int64_t rows, To* room) {
  const int64_t channels = view.shape[1], width = view.shape[3];
  const From* from = static_cast<const From*>(view.data) + image * view.strides[0] + first * view.strides[2];
  // Channels in the outer loop of a row: planar layouts are read in runs.
  for (int64_t y = 0; y < rows; y++)
    for (int64_t c = 0; c < channels; c++) {
      const From* x = from + y * view.strides[2] + c * view.strides[1];
      To* to = room + y * width * channels + c;
      for (int64_t i = 0; i < width; i++) to[i * channels] = static_cast<To>(x[i * view.strides[3]]);
    }
}

bool channelsLast(const View& view) { return view.shape[1] == 1 || view.strides[1] == 1; }

template <class T>
Rows<T> rowsOf(const View& view, int64_t image, int64_t first, int64_t rows, T* room) {
  if (!channelsLast(view)) {
    pack<T, T>(view, image, first, rows, room);
    return {room, view.shape[3] * view.shape[1], view.shape[1]};
  }
  const T* data = static_cast<const T*>(view.data) + image * view.strides[0] + first * view.strides[2];
  return {data, view.strides[2], view.strides[3]};
}

// Whether windows lie side by side over exactly [height, width], and so do the pixels of a row of `view`, packed or not.
bool sideBySide(const WindowGeometry& g, int64_t outH, int64_t outW, int64_t height, int64_t width, const View& view) {
  return g.kernelY == g.strideY && g.kernelX == g.strideX && height == outH * g.kernelY && width == outW * g.kernelX &&
         (view.strides[3] == view.shape[1] || !channelsLast(view)) && !g.padTop && !g.padLeft;
}

// Room for the packed rows that `rows` rows of the other side need at most.
int64_t roomFor(const View& view, int64_t rows) {
  const int64_t height = view.shape[2];
  return channelsLast(view) ? 0 : (rows < height ? rows : height) * view.shape[3] * view.shape[1];
}

// Calls pixel(x, y, core0, core1) for each pixel of a task and hands blocks of them to the epilogue.
constexpr int kRowAxes[] = {0, 2, 3}, kColumnAxes[] = {1};

template <class Pixel>
void eachPixel(Epilogue& epilogue, int thread, int64_t firstRow, int64_t width, int64_t y0, int64_t y1,
               int64_t channels, float* core0, int32_t* core1, Pixel pixel) {
  const int64_t most = clamp(kApply / channels, 1, kApply), end = y1 * width;
  int64_t x = 0, y = y0;
  for (int64_t p = y0 * width; p < end; p += most) {
    const int64_t n = clamp(end - p, 0, most);
    for (int64_t i = 0; i < n; i++) {
      pixel(y, x, core0 + i * channels, core1 ? core1 + i * channels : nullptr);
      if (++x == width) x = 0, y++;
    }
    epilogue.apply(thread, firstRow + p, n, 0, channels, core0, channels, core1, core1 ? channels : 0);
  }
}

}  // namespace

void window(Pool& pool, WindowOp op, const int64_t* shape, const View& x, const WindowGeometry& g,
            Epilogue& epilogue) {
  const int64_t channels = shape[1], outH = shape[2], outW = shape[3], height = x.shape[2], width = x.shape[3];
  epilogue.matrix(kRowAxes, 3, kColumnAxes, 1);
  if (shape[0] * channels * outH * outW == 0) return;
  const Strips& s = strips();
  const int64_t area = int64_t(g.kernelY) * g.kernelX;
  const int64_t tall = clamp(kTask / (outW * channels), 1, outH), blocks = ceilDiv(outH, tall);
  // Windows side by side: no pixel has a list of places of its own.
  const bool apart = op == WindowOp::sum && sideBySide(g, outH, outW, height, width, x);
  const int64_t least = apart ? outW * channels : channels, tile = (least > kApply ? least : kApply) + kSlack64;
  const int64_t room = roomFor(x, (tall - 1) * g.strideY + g.kernelY);

  pool.parallel(shape[0] * blocks, [&](int64_t task, int thread) {
    const int64_t image = task / blocks, y0 = task % blocks * tall, y1 = clamp(y0 + tall, 0, outH);
    float* core0 = pool.local(thread, 2 * tile + 3 * area + 2 * kSlack64 + room);
    int32_t* core1 = reinterpret_cast<int32_t*>(core0 + tile);
    int64_t* at = reinterpret_cast<int64_t*>(core0 + 2 * tile);
    int32_t* number = reinterpret_cast<int32_t*>(at + area);
    const int64_t first = clamp(y0 * g.strideY - g.padTop, 0, height);
    const int64_t last = clamp((y1 - 1) * g.strideY - g.padTop + g.kernelY, first, height);
    const Rows<float> in = rowsOf<float>(x, image, first, last - first, core0 + 2 * tile + 3 * area + kSlack64);

    if (apart) {
      const int64_t most = clamp(kApply / (outW * channels), 1, tall);
      for (int64_t y = y0, n; y < y1; y += n) {
        n = clamp(y1 - y, 0, most);
        s.collect(in.data + (y * g.kernelY - first) * in.row, in.row, g.kernelY, n, outW, channels, g.kernelX, core0);
        epilogue.apply(thread, (image * outH + y) * outW, n * outW, 0, channels, core0, channels);
      }
      return;
    }
    eachPixel(epilogue, thread, image * outH * outW, outW, y0, y1, channels, core0,
              op == WindowOp::max ? core1 : nullptr, [&](int64_t py, int64_t px, float* out, int32_t* tap) {
      const int64_t top = py * g.strideY - g.padTop, left = px * g.strideX - g.padLeft;
      const int64_t kx0 = left < 0 ? -left : 0, kx1 = clamp(width - left, 0, g.kernelX);
      const int64_t ky0 = top < 0 ? -top : 0, ky1 = clamp(height - top, 0, g.kernelY);
      int count = 0;
      for (int64_t ky = ky0; ky < ky1; ky++)
        for (int64_t kx = kx0; kx < kx1; kx++) {
          at[count] = (top + ky - first) * in.row + (left + kx) * in.pixel;
          number[count++] = static_cast<int32_t>(ky * g.kernelX + kx);
        }
      if (op == WindowOp::sum) s.sum(in.data, at, count, channels, out);
      else if (count) s.largest(in.data, at, number, count, channels, out, tap);
      else
        for (int64_t c = 0; c < channels; c++) out[c] = -std::numeric_limits<float>::infinity(), tap[c] = -1;
    });
  });
}

void windowGrad(Pool& pool, WindowOp op, const int64_t* shape, const View& dy, const View* taps,
                const WindowGeometry& g, Epilogue& epilogue) {
  const int64_t channels = shape[1], height = shape[2], width = shape[3], outH = dy.shape[2], outW = dy.shape[3];
  epilogue.matrix(kRowAxes, 3, kColumnAxes, 1);
  if (shape[0] * channels * height * width == 0) return;
  const Strips& s = strips();
  const int64_t area = ceilDiv(g.kernelY, g.strideY) * ceilDiv(g.kernelX, g.strideX);
  const int64_t tall = clamp(kTask / (width * channels), 1, height), blocks = ceilDiv(height, tall);
  // Windows side by side that only sum: each row is dy's, every pixel repeated.
  const bool apart = op == WindowOp::sum && sideBySide(g, outH, outW, height, width, dy);
  const int64_t least = apart ? width * channels : channels, tile = (least > kApply ? least : kApply) + kSlack64;
  const int64_t windowRows = (tall + g.kernelY) / g.strideY + 2;
  const bool max = op == WindowOp::max, bytes = max && taps->dtype == DType::u8;
  const int64_t room = roomFor(dy, windowRows), tapRoom = max ? roomFor(*taps, windowRows) : 0;
  // The windows [from, to) over each position of an axis, worked out once.
  struct Cover { int32_t from, to; };
  Cover* rows = reinterpret_cast<Cover*>(pool.shared(2 * (height + width)));
  Cover* columns = rows + height;
  const auto cover = [](Cover* out, int64_t positions, int64_t windows, int pad, int kernel, int stride) {
    for (int64_t i = 0; i < positions; i++) {
      const int64_t past = i + pad - kernel + 1, from = past > 0 ? ceilDiv(past, stride) : 0;
      out[i] = {static_cast<int32_t>(clamp(from, 0, windows)), static_cast<int32_t>(clamp((i + pad) / stride + 1, 0, windows))};
    }
  };
  cover(rows, height, outH, g.padTop, g.kernelY, g.strideY);
  cover(columns, width, outW, g.padLeft, g.kernelX, g.strideX);

  pool.parallel(shape[0] * blocks, [&](int64_t task, int thread) {
    const int64_t image = task / blocks, y0 = task % blocks * tall, y1 = clamp(y0 + tall, 0, height);
    float* core0 = pool.local(thread, tile + 5 * area + 2 * kSlack64 + room + tapRoom);
    int64_t* at = reinterpret_cast<int64_t*>(core0 + tile);
    int64_t* tapAt = at + area;
    int32_t* number = reinterpret_cast<int32_t*>(tapAt + area);
    float* packed = core0 + tile + 5 * area + kSlack64;
    const int64_t first = rows[y0].from, last = rows[y1 - 1].to > first ? rows[y1 - 1].to : first;
    const Rows<float> up = rowsOf<float>(dy, image, first, last - first, packed);
    Rows<int32_t> wide{};
    Rows<uint8_t> narrow{};
    if (bytes) narrow = rowsOf<uint8_t>(*taps, image, first, last - first, reinterpret_cast<uint8_t*>(packed + room));
    else if (max) wide = rowsOf<int32_t>(*taps, image, first, last - first, reinterpret_cast<int32_t*>(packed + room));
    const int64_t tapRow = bytes ? narrow.row : wide.row, tapPixel = bytes ? narrow.pixel : wide.pixel;

    if (apart) {
      const int64_t most = clamp(kApply / (width * channels), 1, tall);
      for (int64_t y = y0, n; y < y1; y += n) {
        n = clamp(y1 - y, 0, most);
        s.repeat(up.data - first * up.row, up.row, g.kernelY, y, n, outW, channels, g.kernelX, core0);
        epilogue.apply(thread, (image * height + y) * width, n * width, 0, channels, core0, channels);
      }
      return;
    }
    eachPixel(epilogue, thread, image * height * width, width, y0, y1, channels, core0, nullptr,
              [&](int64_t py, int64_t px, float* out, int32_t*) {
      int count = 0;
      for (int64_t oy = rows[py].from; oy < rows[py].to; oy++)
        for (int64_t ox = columns[px].from; ox < columns[px].to; ox++) {
          at[count] = (oy - first) * up.row + ox * up.pixel;
          tapAt[count] = (oy - first) * tapRow + ox * tapPixel;
          number[count++] = static_cast<int32_t>((py + g.padTop - oy * g.strideY) * g.kernelX + px + g.padLeft -
                                                 ox * g.strideX);
        }
      if (!max) s.sum(up.data, at, count, channels, out);
      else if (bytes) s.sumWhere8(up.data, at, narrow.data, tapAt, number, count, channels, out);
      else s.sumWhere32(up.data, at, wide.data, tapAt, number, count, channels, out);
    });
  });
}

}  // namespace flybrick
