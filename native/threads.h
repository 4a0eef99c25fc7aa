// What threads need of the machine: a lock, a place to sleep, a breath while spinning. In WebAssembly the host starts the
// threads, and memory itself is what they wait on.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

#if defined(__wasm__)
#include <cstdlib>
#else
#include <sched.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace flybrick {

// For whoever runs out of memory where nothing can be undone.
[[noreturn]] inline void outOfMemory(size_t bytes) {
#if defined(__wasm__)
  (void)bytes;
  __builtin_trap();
#else
  std::fprintf(stderr, "flybrick: no memory for %zu bytes of scratch; close other programs or take smaller batches\n", bytes);
  std::abort();
#endif
}

inline void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("isb");
#endif
}

#if defined(__wasm__)

// Spins about 30 us, without an instruction that rests.
constexpr int kSpins = 30000;

inline void yieldThread() {
  static int32_t never = 0;
  __builtin_wasm_memory_atomic_wait32(&never, 0, 50000);
}

class Mutex {
 public:
  void lock() {
    while (held_.exchange(true, std::memory_order_acquire)) {}
  }
  void unlock() { held_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> held_{false};
};

struct Lock {
  Mutex& mutex;
  explicit Lock(Mutex& m) : mutex(m) { mutex.lock(); }
  ~Lock() { mutex.unlock(); }
};

// Threads that sleep until `word`, and with it what `ready` looks at, has changed, or for `nanoseconds`.
class Parking {
 public:
  template <class Ready>
  void wait(std::atomic<uint64_t>& word, Ready ready, int64_t nanoseconds = -1) {
    sleepers_++;
    for (uint64_t seen = word.load(); !ready(); seen = word.load())
      if (__builtin_wasm_memory_atomic_wait64(reinterpret_cast<int64_t*>(&word), static_cast<int64_t>(seen), nanoseconds) == 2) break;
    sleepers_--;
  }
  void wakeAll(std::atomic<uint64_t>& word) {
    if (sleepers_.load() > 0) __builtin_wasm_memory_atomic_notify(reinterpret_cast<int32_t*>(&word), ~0u);
  }

 private:
  std::atomic<int> sleepers_{0};
};

#else

// About 30 us: kernels of one plan follow each other faster, and Node's own thread gets the core back soon after.
constexpr int kSpins = 1500;

inline void yieldThread() { sched_yield(); }

using Mutex = std::mutex;
using Lock = std::lock_guard<std::mutex>;

class Parking {
 public:
  template <class Ready>
  void wait(std::atomic<uint64_t>&, Ready ready, int64_t nanoseconds = -1) {
    std::unique_lock<std::mutex> lock(mutex_);
    sleepers_++;
    if (nanoseconds < 0) wake_.wait(lock, ready);
    else wake_.wait_for(lock, std::chrono::nanoseconds(nanoseconds), ready);
    sleepers_--;
  }
  void wakeAll(std::atomic<uint64_t>&) {
    if (sleepers_.load() == 0) return;
    std::lock_guard<std::mutex> lock(mutex_);
    wake_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<int> sleepers_{0};
};

#endif

}  // namespace flybrick
