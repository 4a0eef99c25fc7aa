// A plan decoded from the flat program that src/devices/plan_words.ts writes.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "epilogue.h"

namespace flybrick {

// Numbered as in plan_words.ts.
enum class KernelKind : int32_t {
  pointwise, reduce, matmul, conv2d, conv2dInputGrad, conv2dWeightGrad, window, windowGrad, gather, scatterAdd, resize,
  resizeGrad
};

struct Step {
  KernelKind kind;
  int attributes[12];
  std::vector<Stream> inputs;
  std::unique_ptr<Values> pre;
  Tiles tiles;
  View views[2];
};

class Program {
 public:
  // Null and a reason where the words are not a program of this version.
  static std::unique_ptr<Program> decode(const int32_t* words, size_t count, char* const* scratch, std::string* reason);

  size_t bindings = 0, scalars = 0;
  uint64_t arenaBytes = 0;
  size_t scratchBytes = 0;  // a thread's

  // `scalars` are converted to their slots' types.
  void run(Pool& pool, char* arena, char* const* bindings, const double* scalars);

 private:
  struct Value {
    DType dtype;
    int buffer;
    int64_t byteOffset;
  };
  friend class Reader;
  void resolve(Stream& stream, char* arena, char* const* bindings) const;

  std::vector<Value> values_;
  std::vector<int32_t> scalarTypes_, scalarBits_;
  std::vector<std::unique_ptr<Step>> steps_;
};

}  // namespace flybrick
