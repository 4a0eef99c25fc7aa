// The addon's own form of a plan's step, pointers resolved: what every kernel file works on.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>

namespace flybrick {

constexpr int kMaxRank = 8;

enum class DType : int32_t { f32, i32, u8 };

// A strided view of memory; `data` already points at the first element (the offset is folded in).
struct View {
  void* data;
  DType dtype;
  int rank;
  int64_t shape[kMaxRank];
  int64_t strides[kMaxRank];  // in elements
};

// How a convolution is computed; automatic chooses by shapes alone. Precise: Winograd on smaller tiles.
enum class Convolution : int32_t { automatic, direct, winograd, winogradPrecise };

struct ConvGeometry {
  int strideY, strideX, padTop, padBottom, padLeft, padRight, dilationY, dilationX, groups;
  Convolution algorithm;
};

struct WindowGeometry {
  int kernelY, kernelX, strideY, strideX, padTop, padBottom, padLeft, padRight;
};

static inline int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
// Sizes of scratch memory in floats: whole cache lines.
static inline int64_t padded(int64_t floats) { return ceilDiv(floats, 16) * 16; }

// Threads that live as long as the addon. parallel() runs task 0..tasks-1, each once, on any thread, and
// returns when all are done. How work is cut into tasks must depend on shapes alone, never on the number of
// threads, and each output element belongs to one task: that makes results the same for any thread count.
class Pool {
 public:
  explicit Pool(int threads);
  ~Pool();
  int threads() const;
  // What a thread but the caller's does until the pool ends. The pool starts its threads; in WebAssembly the host does.
  void live(int thread);
  void parallel(int64_t tasks, const std::function<void(int64_t task, int thread)>& body);
  // Whether the last thread leaves its core to somebody who asks for the next plan (2 ms at most). Where there is no core
  // for him, a thread is stopped in the middle of a task, and all the others wait for it.
  void stepAside(bool on);
  // Grow-only scratch memory on huge pages, 64-byte aligned (plus a per-thread one). Valid until the step ends.
  float* shared(size_t floats);
  float* local(int thread, size_t floats);

 private:
  struct State;
  State* state_;
};

// What happens to a kernel's result on its way to memory: bias, activation, dropout, the optimizer's update...
// The step's index space is read as a matrix: some axes make the rows (row-major), one or more the columns.
class Epilogue {
 public:
  virtual ~Epilogue() = default;
  // Splits the step's axes; called once a step, before apply. rowAxes and columnAxes together are all axes of
  // the step's shape, each list outermost first.
  virtual void matrix(const int* rowAxes, int rowCount, const int* columnAxes, int columnCount) = 0;
  // Runs the outputs' expressions for the block [row, row + rows) x [column, column + columns). core0[i * ld + j]
  // is the kernel's float result for block element (i, j); core1 the second result (tap numbers) or null.
  virtual void apply(int thread, int64_t row, int64_t rows, int64_t column, int64_t columns, const float* core0,
                     int64_t ld0, const int32_t* core1 = nullptr, int64_t ld1 = 0) = 0;
};

// The values that a reduce reduces: its `pre` expression, evaluated by the tile interpreter.
class Source {
 public:
  virtual ~Source() = default;
  virtual DType type() const = 0;  // f32 or i32
  // Splits the input's axes as Epilogue::matrix does; called once a step, before read.
  virtual void matrix(const int* rowAxes, int rowCount, const int* columnAxes, int columnCount) = 0;
  // Fills out[i * ld + j] (32-bit values) for the block [row, row + rows) x [column, column + columns).
  virtual void read(int thread, int64_t row, int64_t rows, int64_t column, int64_t columns, void* out, int64_t ld) = 0;
  // If `pre` is one f32 input unchanged, that input (else null): a kernel may then read memory directly.
  virtual const View* plain() const = 0;
};

enum class ReduceOp : int32_t { sum, max, min, argmax, logSumExp };
enum class WindowOp : int32_t { max, sum };

// Each in a file of its own: matmul.cc, convolution.cc, reduce.cc, window.cc, gather.cc, resize.cc. `rank` and
// `shape` are the step's; semantics as in src/core/kernel.ts and src/devices/reference/kernels.ts. A core result
// that is i32 (argmax, an i32 sum, gathered integers) goes to the epilogue as int32 bits in core0.
void matmul(Pool& pool, int rank, const int64_t* shape, const View& a, const View& b, Epilogue& epilogue);
void conv2d(Pool& pool, const int64_t* shape, const View& x, const View& weight, const ConvGeometry& g, Epilogue& epilogue);
void conv2dInputGrad(Pool& pool, const int64_t* shape, const View& dy, const View& weight, const ConvGeometry& g, Epilogue& epilogue);
void conv2dWeightGrad(Pool& pool, const int64_t* shape, const View& x, const View& dy, const ConvGeometry& g, Epilogue& epilogue);
void reduce(Pool& pool, ReduceOp op, int rank, const int64_t* inputShape, const bool* reduced, Source& source, Epilogue& epilogue);
void window(Pool& pool, WindowOp op, const int64_t* shape, const View& x, const WindowGeometry& g, Epilogue& epilogue);
void windowGrad(Pool& pool, WindowOp op, const int64_t* shape, const View& dy, const View* taps, const WindowGeometry& g, Epilogue& epilogue);
void gather(Pool& pool, int rank, const int64_t* shape, const View& table, const View& index, Epilogue& epilogue);
void scatterAdd(Pool& pool, int rank, const int64_t* shape, const View& dy, const View& index, Epilogue& epilogue);
void resize(Pool& pool, const int64_t* shape, const View& x, Epilogue& epilogue);
void resizeGrad(Pool& pool, const int64_t* shape, const View& dy, Epilogue& epilogue);

}  // namespace flybrick
