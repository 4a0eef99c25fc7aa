// The tile interpreter: runs a step's expressions over tiles of up to kTile lanes. It is the pointwise kernel,
// what every other kernel's results go through, and what a reduction reads.
#pragma once
#include <vector>

#include "lanes.h"
#include "step.h"

namespace flybrick {

// Some axes of a step as one operand sees them, merged where its strides allow; outermost first.
struct OperandAxes {
  int count = 0;
  int64_t size[kMaxRank], stride[kMaxRank];

  void add(int64_t n, int64_t s);
  int64_t at(int64_t index) const;
};

enum class Kind : int32_t { value, scalar, iota };

// An operand or a target: where its element for a step's index lies.
struct Stream {
  Kind kind;
  DType dtype;
  int index;  // value or scalar slot
  int64_t offset;
  int rank;
  int64_t shape[kMaxRank], strides[kMaxRank];
  char* data = nullptr;  // resolved each run, offset folded in

  // Set by matrix(): columns one after the other in memory; rows too; the same for all rows, all columns.
  OperandAxes rows, columns;
  bool unit, flat, sameRows, sameColumns;

  bool constant() const { return sameRows && sameColumns; }
  bool words() const { return kind == Kind::value && dtype != DType::u8; }
  int size() const { return dtype == DType::u8 ? 1 : 4; }
  View view() const;
};

struct Instruction {
  int opcode, to, from[4];
};

class Tiles : public Epilogue {
 public:
  int rank = 0;
  int64_t shape[kMaxRank];
  std::vector<Stream> operands, targets;
  int registers = 0;
  std::vector<Instruction> code;
  std::vector<int> results;  // slots, one a target (or one for a reduction's operand)
  std::vector<int32_t> constants;

  // Once, after the fields above are set. `offset` is where this one's part of each thread's scratch begins.
  void finish(char* const* scratch, size_t offset);
  size_t scratchBytes() const;
  // Each run, once streams have their data. `scalars` are bits.
  void resolved(const int32_t* scalars);

  void matrix(const int* rowAxes, int rowCount, const int* columnAxes, int columnCount) override;
  void apply(int thread, int64_t row, int64_t rows, int64_t column, int64_t columns, const float* core0, int64_t ld0,
             const int32_t* core1 = nullptr, int64_t ld1 = 0) override;

  int slots() const { return registers + static_cast<int>(operands.size()) + 2 + static_cast<int>(constants.size()); }
  int64_t rowTotal() const { return rowTotal_; }
  int64_t columnTotal() const { return columnTotal_; }

 private:
  friend class Cursor;
  char* const* scratch_ = nullptr;
  size_t offset_ = 0;
  std::vector<int32_t> splats_;  // a vector's worth of each scalar operand and constant
  int direct_ = -1;              // the target that the last instruction may write itself
  int axes_[2 * kMaxRank];
  int rowCount_ = -1, columnCount_ = -1;
  int64_t rowTotal_ = 1, columnTotal_ = 1;
  bool allFlat_ = false;
};

// One thread's walk over tiles: rows x columns lanes, columns of a row next to each other.
class Cursor {
 public:
  Cursor(Tiles& tiles, int thread);
  // rows * columns <= kTile. Computes the tile; returns result 0's lanes (valid until the next tile).
  const int32_t* evaluate(int64_t row, int rows, int64_t column, int columns);
  // Computes the tile and stores every target.
  void store(int64_t row, int rows, int64_t column, int columns, const float* core0, int64_t ld0, const int32_t* core1,
             int64_t ld1);

 private:
  void load(int64_t row, int rows, int64_t column, int columns);
  void loadCore(int which, const void* core, int64_t ld, int rows, int columns);
  void run(const Instruction& op, char* to, int lanes);
  int32_t* buffer(int slot) const;
  void repeat(int slot);

  Tiles& tiles_;
  const Lanes& lanes_;
  char* base_;
  Argument* sources_;
  int64_t column_ = -1;
  int rows_ = 0, columns_ = 0;
};

// What a reduction reads, for its kernel.
class Values : public Source {
 public:
  Tiles tiles;  // one result, no targets
  DType valueType = DType::f32;

  DType type() const override { return valueType; }
  void matrix(const int* rowAxes, int rowCount, const int* columnAxes, int columnCount) override {
    tiles.matrix(rowAxes, rowCount, columnAxes, columnCount);
  }
  void read(int thread, int64_t row, int64_t rows, int64_t column, int64_t columns, void* out, int64_t ld) override;
  const View* plain() const override { return plain_.data ? &plain_ : nullptr; }
  void resolved(const int32_t* scalars);

 private:
  View plain_{};
};

// The pointwise kernel: every element once, in the order of the first target's memory.
void pointwise(Pool& pool, Tiles& tiles);

}  // namespace flybrick
