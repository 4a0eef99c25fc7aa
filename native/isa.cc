#include "isa.h"

namespace flybrick {

static Isa best() {
#if defined(__x86_64__)
  __builtin_cpu_init();  // looks at XCR0 too: a set that the operating system does not save counts as absent
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma"))
    return Isa::avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Isa::avx2;
#endif
  return Isa::portable;
}

static Isa& chosen() {
  static Isa set = best();
  return set;
}

Isa isa() { return chosen(); }
void pinIsa(Isa set) {
  if (set <= best()) chosen() = set;
}

}  // namespace flybrick
