// Prints the float32 multiply-add rate of this processor, in GFLOP/s over all given threads: what the benchmark's
// shares are shares of. Built by the benchmark: g++ -O3 -march=native -pthread.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#if defined(__AVX512F__)
constexpr int lanes = 16, chainCount = 20;
#elif defined(__AVX__)
constexpr int lanes = 8, chainCount = 10;
#else
constexpr int lanes = 4, chainCount = 10;
#endif
typedef float Vector __attribute__((vector_size(lanes * 4)));

// Independent chains hide the latency of each; floating-point rules forbid folding them.
static float chains(long rounds) {
    constexpr int n = chainCount;
  Vector sums[n];
  Vector a, b;
  for (int i = 0; i < lanes; i++) a[i] = 0.999f, b[i] = 1e-3f;
  for (int k = 0; k < n; k++) sums[k] = a * float(k);
  for (long r = 0; r < rounds; r++) {
#pragma GCC unroll 20
    for (int k = 0; k < n; k++) {
      sums[k] = sums[k] * a + b;
    }
  }
  float total = 0;
  for (int k = 0; k < n; k++) total += sums[k][0];
  return total;
}

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  const long rounds = 10'000'000;
  volatile float sink = chains(1'000'000);
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::thread> workers;
  for (int t = 0; t < threads; t++) workers.emplace_back([&] { sink = chains(rounds); });
  for (auto& worker : workers) worker.join();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf("%.1f\n", 2.0 * chainCount * lanes * rounds * threads / seconds / 1e9);
}
