// Sums, maxima, minima and argmax over any axes. Rows of the source are the kept axes and columns the reduced ones
// ("across"), or the other way round ("down"), whichever reads memory in long runs.
#include <cmath>
#include <limits>

#include "lanes.h"
#include "strips.h"

namespace flybrick {

namespace {

constexpr int64_t kBlock = 8192;      // values read at once: a tile that stays in the first-level cache
constexpr int64_t kTask = 65536;      // values worth a task of their own
constexpr int64_t kParts = 64;        // pieces of a long reduction at most
constexpr int64_t kEnoughTasks = 16;  // with as many blocks of results no reduction needs cutting

struct Split {
  int kept[kMaxRank], folded[kMaxRank], keptCount = 0, foldedCount = 0;
  bool across = false;
};

// Orders axes as they lie in memory. An expression does not tell; images are then taken as channels-last.
Split splitAxes(int rank, const int64_t* shape, const bool* reduced, const View* plain) {
  int order[kMaxRank];
  for (int i = 0; i < rank; i++) order[i] = i;
  if (plain) {
    for (int i = 1; i < rank; i++)
      for (int j = i; j > 0; j--) {
        if (std::abs(plain->strides[order[j - 1]]) >= std::abs(plain->strides[order[j]])) break;
        std::swap(order[j - 1], order[j]);
      }
  } else if (rank == 4) {
    order[1] = 2, order[2] = 3, order[3] = 1;
  }
  Split split;
  for (int i = 0; i < rank; i++) {
    const int axis = order[i];
    if (reduced[axis]) split.folded[split.foldedCount++] = axis;
    else split.kept[split.keptCount++] = axis;
    if (shape[axis] > 1) split.across = reduced[axis];
  }
  if (!split.keptCount) split.across = true;
  if (!split.foldedCount) split.across = false;
  return split;
}

Axes axesOf(const View& view, const int* axes, int count) {
  Axes out;
  for (int i = 0; i < count; i++) out.add(view.shape[axes[i]], view.strides[axes[i]]);
  return out;
}

int64_t product(const int64_t* shape, const int* axes, int count) {
  int64_t n = 1;
  for (int i = 0; i < count; i++) n *= shape[axes[i]];
  return n;
}

// A task has whole rows: the largest value and its index first, then the sum of exponentials. Rows that fit in a block are
// read once.
void logSumExp(Pool& pool, int rank, const int64_t* shape, const bool* reduced, Source& source, Epilogue& epilogue) {
  Split s;
  for (int i = 0; i < rank; i++) (reduced[i] ? s.folded[s.foldedCount++] : s.kept[s.keptCount++]) = i;
  const int64_t results = product(shape, s.kept, s.keptCount), length = product(shape, s.folded, s.foldedCount);
  if (s.keptCount) epilogue.matrix(s.folded, s.foldedCount, s.kept, s.keptCount);
  else epilogue.matrix(s.folded, 0, s.folded, s.foldedCount);
  source.matrix(s.kept, s.keptCount, s.folded, s.foldedCount);
  if (!results) return;
  const Fold largest = strips().across[0][static_cast<int>(ReduceOp::argmax)];
  const auto sumExp = lanes().sumExp;
  const int64_t chunk = clamp(length, 1, kBlock), lines = clamp(kBlock / chunk, 1, 1024);
  pool.parallel(ceilDiv(results, lines), [&](int64_t task, int thread) {
    const int64_t at = task * lines, n = clamp(results - at, 0, lines);
    float* memory = pool.local(thread, 6 * lines + kBlock + kSlack64);
    double *top = reinterpret_cast<double*>(memory), *sum = top + lines;
    int32_t* index = reinterpret_cast<int32_t*>(sum + lines);
    float *core = memory + 5 * lines, *tile = core + lines;
    for (int64_t i = 0; i < n; i++) top[i] = -std::numeric_limits<double>::infinity(), sum[i] = 0, index[i] = 0;
    const auto read = [&](int64_t k) {
      const int64_t columns = clamp(length - k, 0, chunk);
      source.read(thread, at, n, k, columns, tile, columns);
      return columns;
    };
    for (int64_t k = 0; k < length; k += chunk) {
      const int64_t columns = read(k);
      largest(tile, columns, n, columns, k, top, index);
    }
    for (int64_t k = 0; k < length; k += chunk) {
      const int64_t columns = chunk < length ? read(k) : length;
      for (int64_t i = 0; i < n; i++)
        sum[i] += sumExp(tile + i * columns, static_cast<int>(columns), static_cast<float>(top[i]));
    }
    for (int64_t i = 0; i < n; i++) core[i] = static_cast<float>(top[i] + std::log(sum[i]));
    epilogue.apply(thread, 0, 1, at, n, core, n, index, n);
  });
}

}  // namespace

void reduce(Pool& pool, ReduceOp op, int rank, const int64_t* inputShape, const bool* reduced, Source& source,
            Epilogue& epilogue) {
  if (op == ReduceOp::logSumExp) return logSumExp(pool, rank, inputShape, reduced, source, epilogue);
  const View* plain = source.plain();
  const Split s = splitAxes(rank, inputShape, reduced, plain);
  int64_t results = product(inputShape, s.kept, s.keptCount), length = product(inputShape, s.folded, s.foldedCount);
  // All results are one row; the reduced axes, of size 1 here, go wherever one is wanted.
  if (s.keptCount) epilogue.matrix(s.folded, s.foldedCount, s.kept, s.keptCount);
  else epilogue.matrix(s.folded, rank ? rank - 1 : 0, s.folded + (rank ? rank - 1 : 0), rank ? 1 : 0);
  if (s.across) source.matrix(s.kept, s.keptCount, s.folded, s.foldedCount);
  else source.matrix(s.folded, s.foldedCount, s.kept, s.keptCount);
  if (!results) return;

  // Plain memory is read in place where columns come in long runs.
  const float* direct = nullptr;
  int64_t directLd = 0;
  Axes columnAxes;
  if (plain) {
    const Axes kept = axesOf(*plain, s.kept, s.keptCount), folded = axesOf(*plain, s.folded, s.foldedCount);
    const Axes& rows = s.across ? kept : folded;
    columnAxes = s.across ? folded : kept;
    const bool runs = columnAxes.rank > 1 && columnAxes.step() == 1 && columnAxes.size[columnAxes.rank - 1] >= 64;
    if (rows.rank <= 1 && (columnAxes.adjacent() || runs)) {
      direct = static_cast<const float*>(plain->data);
      directLd = rows.rank ? rows.stride[0] : 0;
    }
  }

  // A few adjacent columns leave vectors half empty: sums then take several rows for one, and the row's copies of a
  // result are added at the end.
  int64_t copies = 1;
  const int64_t sums = results;
  if (op == ReduceOp::sum && direct && !s.across && columnAxes.adjacent() && directLd == results && length > 1) {
    while (length % 2 == 0 && results <= 128) copies *= 2, results *= 2, length /= 2;
    columnAxes = Axes{};
    columnAxes.add(results, 1);
    directLd = results;
  }

  // `outs` results a task, `part` values of each; a block is `lines` rows of `chunk` columns.
  int64_t outs, lines, chunk, part = length;
  if (s.across) {
    chunk = clamp(length, 1, 2048);
    lines = kBlock / chunk;
    outs = clamp(kTask / clamp(length, 1, kTask), lines < 2048 ? lines : 2048, 2048);
  } else {
    outs = chunk = clamp(results, 1, 512);
    lines = clamp(kBlock / chunk, 1, 128);
  }
  if (outs > results) outs = results;
  const int64_t blocks = ceilDiv(results, outs);
  if (blocks < kEnoughTasks) {
    const int64_t least = s.across ? kTask : kTask / outs, even = ceilDiv(length, kParts);
    part = least > even ? least : even;
  }
  const int64_t parts = length > part ? ceilDiv(length, part) : 1;

  const bool integer = source.type() == DType::i32, wantsIndex = op == ReduceOp::argmax;
  const int which = static_cast<int>(op);
  const Fold fold = s.across ? strips().across[integer][which] : strips().down[integer][which];
  const double infinity = std::numeric_limits<double>::infinity();
  const double start = op == ReduceOp::sum ? 0 : op == ReduceOp::min ? infinity : -infinity;

  const auto finish = [&](int thread, int64_t at, int64_t n, const double* value, const int32_t* index, float* core) {
    int32_t* bits = reinterpret_cast<int32_t*>(core);
    for (int64_t i = 0; i < n; i++) {
      if (wantsIndex) bits[i] = index[i];
      else if (!length && op != ReduceOp::sum) core[i] = integer ? 0 : std::nanf("");
      else if (integer) bits[i] = static_cast<int32_t>(static_cast<int64_t>(value[i]));
      else core[i] = static_cast<float>(value[i]);
    }
    epilogue.apply(thread, 0, 1, at, n, core, n);
  };

  double* partValue = nullptr;
  int32_t* partIndex = nullptr;
  const bool apart = parts > 1 || copies > 1;
  if (apart) {
    float* memory = pool.shared(3 * parts * results);
    partValue = reinterpret_cast<double*>(memory);
    partIndex = reinterpret_cast<int32_t*>(memory + 2 * parts * results);
  }
  constexpr int64_t kMost = 2048;  // results a task
  const size_t scratch = 4 * kMost + kBlock + 2 * kSlack64;

  pool.parallel(blocks * parts, [&](int64_t task, int thread) {
    const int64_t at = task / parts * outs, n = clamp(results - at, 0, outs), p = task % parts;
    const int64_t from = p * part, to = clamp(length, 0, from + part);
    float* memory = pool.local(thread, scratch);
    double* value = reinterpret_cast<double*>(memory);
    int32_t* index = reinterpret_cast<int32_t*>(memory + 2 * kMost);
    float* core = memory + 3 * kMost;
    float* tile = memory + 4 * kMost + kSlack64;
    if (apart) value = partValue + p * results + at, index = partIndex + p * results + at;
    for (int64_t i = 0; i < n; i++) value[i] = start, index[i] = 0;
    const auto block = [&](int64_t row, int64_t rows, int64_t column, int64_t columns, int64_t first, int64_t out) {
      if (direct) {
        columnAxes.runs(column, columns, [&](int64_t at, int64_t offset, int64_t run) {
          const int64_t result = s.across ? out : out + at;
          fold(direct + row * directLd + offset, directLd, rows, run, s.across ? first + at : first, value + result,
               index + result);
        });
      } else {
        source.read(thread, row, rows, column, columns, tile, columns);
        fold(tile, columns, rows, columns, first, value + out, index + out);
      }
    };
    if (s.across) {
      for (int64_t i = 0; i < n; i += lines)
        for (int64_t k = from; k < to; k += chunk)
          block(at + i, clamp(n - i, 0, lines), k, clamp(to - k, 0, chunk), k, i);
    } else {
      for (int64_t k = from; k < to; k += lines) block(k, clamp(to - k, 0, lines), at, n, k, 0);
    }
    if (!apart) finish(thread, at, n, value, index, core);
  });
  if (!apart) return;

  pool.parallel(ceilDiv(sums, kMost), [&](int64_t task, int thread) {
    const int64_t at = task * kMost, n = clamp(sums - at, 0, kMost);
    // Parts and copies lie one after the other.
    for (int64_t p = 1; p < parts * copies; p++) {
      const double* value = partValue + p * sums;
      for (int64_t i = at; i < at + n; i++) {
        double& total = partValue[i];
        const double v = value[i];
        if (op == ReduceOp::sum) total += v;
        else if ((op == ReduceOp::min ? v < total : v > total) || (v != v && total == total)) {
          total = v;
          partIndex[i] = partIndex[p * sums + i];
        }
      }
    }
    finish(thread, at, n, partValue + at, partIndex + at, pool.local(thread, scratch));
  });
}

}  // namespace flybrick
