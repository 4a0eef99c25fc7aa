// The matrix product of any strides and batches, cut into packed products.
#include <algorithm>
#include <utility>

#include "gemm.h"

namespace flybrick {
namespace {

// The last two axes as rows x columns; the axes before are batches, broadcast by stride 0.
struct Matrices {
  const float* data;
  int64_t rowStride, columnStride, batchStrides[kMaxRank];

  Matrices(const View& view, int rank, const int64_t* shape) {
    data = static_cast<const float*>(view.data);
    rowStride = view.strides[view.rank - 2];
    columnStride = view.strides[view.rank - 1];
    for (int i = 0; i < rank - 2; i++) {
      const int axis = i - (rank - view.rank);
      batchStrides[i] = axis >= 0 && (view.shape[axis] == shape[i]) ? view.strides[axis] : 0;
    }
  }
  int64_t offset(int64_t batch, int rank, const int64_t* shape) const {
    int64_t sum = 0;
    for (int i = rank - 3; i >= 0; i--) {
      sum += batch % shape[i] * batchStrides[i];
      batch /= shape[i];
    }
    return sum;
  }
};

}  // namespace

void matmul(Pool& pool, int rank, const int64_t* shape, const View& aView, const View& bView, Epilogue& epilogue) {
  const int64_t m = shape[rank - 2], n = shape[rank - 1], k = aView.shape[aView.rank - 1];
  int64_t batches = 1;
  int axes[kMaxRank];
  for (int i = 0; i < rank; i++) axes[i] = i;
  for (int i = 0; i < rank - 2; i++) batches *= shape[i];
  epilogue.matrix(axes, rank - 1, axes + rank - 1, 1);
  if (!m || !n || !batches) return;

  Matrices a(aView, rank, shape), b(bView, rank, shape);
  // One unit stride is what the packers need. Anything else is copied first, every batch of it.
  const bool copyA = a.columnStride != 1 && a.rowStride != 1 && k > 1 && m > 1;
  const bool copyB = b.columnStride != 1 && b.rowStride != 1 && k > 1 && n > 1;
  const bool turned = isTurnedCheaper(m, n, k);
  Tiling t = turned ? tiling(batches, n, m, k, false) : tiling(batches, m, n, k, true);
  t.turned = turned;
  const int64_t sizeA = copyA ? padded(batches * m * k) : 0, sizeB = copyB ? padded(batches * k * n) : 0;
  float* scratch = pool.shared(sizeA + sizeB + t.packedB() + (t.splits > 1 ? t.partials() : 0));
  const auto compact = [&](Matrices& x, int64_t rows, int64_t columns, float* to) {
    for (int64_t i = 0; i < batches; i++) {
      const int64_t sizes[4] = {1, 1, rows, columns}, strides[4] = {0, 0, x.rowStride, x.columnStride};
      reorder(pool, x.data + x.offset(i, rank, shape), sizes, strides, to + i * rows * columns);
    }
    x.data = to;
    x.rowStride = columns;
    x.columnStride = 1;
    for (int64_t i = rank - 3, stride = rows * columns; i >= 0; stride *= shape[i--]) x.batchStrides[i] = stride;
  };
  if (copyA) compact(a, m, k, scratch);
  if (copyB) compact(b, k, n, scratch + sizeA);

  // A single row or column may come with any stride.
  const bool aByRow = a.columnStride == 1 || k == 1, bByRow = b.columnStride == 1 || n == 1;
  Operand left = {a.data, aByRow ? a.rowStride : a.columnStride, !aByRow, nullptr};
  Operand right = {b.data, bByRow ? b.rowStride : b.columnStride, bByRow, nullptr};
  if (turned) std::swap(left, right);
  float *packedB = scratch + sizeA + sizeB, *partials = t.splits > 1 ? packedB + t.packedB() : nullptr;
  gemm(pool, t, left, right,
       [&](int64_t batch) {
         const int64_t first = a.offset(batch, rank, shape), second = b.offset(batch, rank, shape);
         return turned ? Offsets{second, first} : Offsets{first, second};
       },
       packedB, partials,
       [&](int thread, int64_t batch, int64_t row, int64_t rows, int64_t column, int64_t columns, const float* c,
           int64_t ld) { epilogue.apply(thread, batch * m + row, rows, column, columns, c, ld); });
  if (!partials) return;
  pool.parallel(batches * m, [&](int64_t row, int thread) {
    float* sum = pool.local(thread, t.ld);
    sumSplits(partials + (row / m * t.splits * m + row % m) * t.ld, t.splits, m * t.ld, n, sum);
    epilogue.apply(thread, row, 1, 0, n, sum, t.ld);
  });
}

}  // namespace flybrick
