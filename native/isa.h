// The instruction sets that vector code is compiled for.
#pragma once

namespace flybrick {

enum class Isa { portable, avx2, avx512 };

Isa bestIsa();      // of this processor and its operating system
Isa isa();          // the calling thread's: the best one, unless pinned. Threads of a pool take over their caller's
bool pinIsa(Isa);   // for the calling thread; false, and nothing done, where the machine lacks it
const char* isaName(Isa);

}  // namespace flybrick
