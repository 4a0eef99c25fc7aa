// The loops that need vectors, as a table of functions: one table for each instruction set, chosen once.
#pragma once
#include <cstdint>

#include "isa.h"

namespace flybrick {

// Lanes of a tile at most; four registers of it fill a third of a 48 KiB first-level cache's way group.
constexpr int kTile = 512;
// Readable bytes behind every buffer: vectors may read past the last element.
constexpr int kSlack = 256;

// Where an argument's lanes lie; `step` is the bytes from one vector to the next, 0 for a repeated vector.
struct Argument {
  const char* at;
  int64_t step;
};

using Body = void (*)(char* to, const Argument& a, const Argument& b, const Argument& c, const Argument& d, int lanes);

struct Lanes {
  int width;
  const Body* bodies;
  double (*sumExp)(const float* x, int n, float top);  // the sum of exp(x - top)
};

extern const Lanes kLanesPortable, kLanesAvx2, kLanesAvx512;

// The table of the instruction set in use.
inline const Lanes& lanes() {
#if defined(__x86_64__)
  if (isa() == Isa::avx512) return kLanesAvx512;
  if (isa() == Isa::avx2) return kLanesAvx2;
#endif
  return kLanesPortable;
}

}  // namespace flybrick
