#include "isa.h"

namespace flybrick {

static Isa detect() {
#if defined(__x86_64__)
  __builtin_cpu_init();  // looks at XCR0 too: a set that the operating system does not save counts as absent
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma"))
    return Isa::avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Isa::avx2;
#endif
  return Isa::portable;
}

Isa bestIsa() {
  static const Isa best = detect();
  return best;
}

#if defined(__x86_64__)
static thread_local Isa chosen = bestIsa();

Isa isa() { return chosen; }

bool pinIsa(Isa set) {
  if (set > bestIsa()) return false;
  chosen = set;
  return true;
}
#else
Isa isa() { return Isa::portable; }

bool pinIsa(Isa set) { return set == Isa::portable; }
#endif

const char* isaName(Isa set) { return set == Isa::avx512 ? "avx512" : set == Isa::avx2 ? "avx2" : "portable"; }

}  // namespace flybrick
