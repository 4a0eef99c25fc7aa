// splitmix64 (Steele, Lea and Flood, 2014).
#pragma once
#include <cstdint>

namespace flybrick {

struct Random {
  uint64_t state;
  // The numbers of one task among many under a seed.
  static Random of(uint64_t seed, uint64_t task) {
    Random random{seed};
    random.state = random.next() ^ (task + 1) * 0xd1342543de82ef95u;
    return random;
  }
  uint64_t next() {
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  }
  int64_t below(int64_t n) { return int64_t((next() >> 32) * uint64_t(n) >> 32); }
  double unit() { return double(next() >> 11) * 0x1p-53; }
};

}  // namespace flybrick
