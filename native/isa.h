// The instruction sets that vector code is compiled for.
#pragma once

namespace flybrick {

enum class Isa { portable, avx2, avx512 };

Isa isa();          // the best one this processor and its operating system offer, unless pinned
void pinIsa(Isa);   // for tests; an instruction set the machine lacks is ignored

}  // namespace flybrick
