// The threads that live as long as a device, and their scratch memory.
#include <atomic>
#include <vector>

#include "isa.h"
#include "memory.h"
#include "step.h"
#include "threads.h"
#if !defined(__wasm__)
#include <thread>
#endif

namespace flybrick {
namespace {

struct Scratch {
  float* memory = nullptr;
  size_t floats = 0;

  float* get(size_t wanted) {
    if (wanted <= floats) return memory;
    release(memory, floats * sizeof(float));
    floats = wanted + wanted / 8;
    memory = static_cast<float*>(allocate(floats * sizeof(float)));
    if (!memory) outOfMemory(floats * sizeof(float));  // kernels have no way to fail half way
    return memory;
  }
  ~Scratch() { release(memory, floats * sizeof(float)); }
};

// The caller's part of JavaScript is done by then, or it does something else.
constexpr int64_t kAsideNanoseconds = 2000000;

struct alignas(64) Share {
  std::atomic<int64_t> taken{0};
};

}  // namespace

struct Pool::State {
  // A job's number times 65536, plus kOpen while it may be joined, plus the workers inside it.
  static constexpr uint64_t kOpen = 32768, kInside = 32767, kJob = 65536;
  alignas(64) std::atomic<uint64_t> gate{0};
  int64_t tasks = 0;
  bool backwards = false;
  Isa set = Isa::portable;  // the caller's
  const std::function<void(int64_t, int)>* body = nullptr;

  Parking parking, rest;
  std::atomic<bool> stop{false}, aside{false};
  Scratch shared;
  std::vector<Scratch> local;
  std::vector<Share> shares;  // a thread's own
#if !defined(__wasm__)
  std::vector<std::thread> workers;
#endif

  int64_t firstOf(int thread) const { return tasks * thread / static_cast<int64_t>(shares.size()); }

  // A thread's own share first, so that a step finds what the last one left in that core's cache, and every other step
  // from its end, since the cache holds what was touched last; then what others have not begun.
  void work(int thread) {
    const int threads = static_cast<int>(shares.size());
    for (int i = 0; i < threads; i++) {
      const int owner = (thread + i) % threads;
      const int64_t first = firstOf(owner), end = firstOf(owner + 1);
      for (int64_t n; (n = shares[owner].taken.fetch_add(1, std::memory_order_relaxed)) < end - first;)
        (*body)(backwards ? end - 1 - n : first + n, thread);
    }
  }

  bool join(uint64_t seen) {
    while (seen & kOpen) {
      if (gate.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel)) return true;
    }
    return false;
  }

  void live(int thread) {
    uint64_t done = 0;
    const bool isLast = thread == static_cast<int>(shares.size()) - 1;
    const auto isNew = [&](uint64_t seen) { return (seen & kOpen) && seen / kJob != done; };
    const auto leaves = [&] { return isLast && aside.load(std::memory_order_relaxed); };
    while (true) {
      uint64_t seen = gate.load(std::memory_order_acquire);
      for (int spin = 0; spin < kSpins && !isNew(seen) && !leaves(); spin++) {
        relax();
        seen = gate.load(std::memory_order_acquire);
      }
      if (stop) return;
      if (leaves()) {
        rest.wait(gate, [&] { return stop || !aside; }, kAsideNanoseconds);
        aside = false;
      } else if (isNew(seen)) {
        done = seen / kJob;
        // The gate's job cannot change while a worker is inside, so what it joined is what it saw or newer.
        if (join(seen)) {
          done = gate.load(std::memory_order_relaxed) / kJob;
          pinIsa(set);
          work(thread);
          gate.fetch_sub(1, std::memory_order_release);
        }
      } else {
        parking.wait(gate, [&] { return stop || leaves() || isNew(gate.load()); });
      }
    }
  }
};

Pool::Pool(int threads) : state_(new State) {
  state_->local.resize(threads);
  state_->shares = std::vector<Share>(threads);
#if !defined(__wasm__)
  for (int i = 1; i < threads; i++) state_->workers.emplace_back([this, i] { live(i); });
#endif
}

Pool::~Pool() {
  state_->stop = true;
  state_->parking.wakeAll(state_->gate);
  state_->rest.wakeAll(state_->gate);
#if !defined(__wasm__)
  for (std::thread& worker : state_->workers) worker.join();
#endif
  delete state_;
}

void Pool::live(int thread) { state_->live(thread); }

void Pool::stepAside(bool on) {
  if (state_->aside.exchange(on) && !on) state_->rest.wakeAll(state_->gate);
}

int Pool::threads() const { return static_cast<int>(state_->local.size()); }

void Pool::parallel(int64_t tasks, const std::function<void(int64_t task, int thread)>& body) {
  State& s = *state_;
  if (tasks > 1) s.backwards = !s.backwards;
  if (tasks <= 1 || s.shares.size() == 1) {
    for (int64_t n = 0; n < tasks; n++) body(s.backwards ? tasks - 1 - n : n, 0);
    return;
  }
  s.tasks = tasks;
  s.set = isa();
  s.body = &body;
  for (Share& share : s.shares) share.taken.store(0, std::memory_order_relaxed);
  uint64_t job = (s.gate.load(std::memory_order_relaxed) / State::kJob + 1) * State::kJob;
  s.gate.store(job + State::kOpen);
  s.parking.wakeAll(s.gate);
  s.work(0);
  s.gate.fetch_and(~State::kOpen, std::memory_order_acq_rel);
  for (int spin = 0; s.gate.load(std::memory_order_acquire) & State::kInside; spin++) {
    if (spin < 20000) relax();
    else yieldThread();
  }
}

float* Pool::shared(size_t floats) { return state_->shared.get(floats); }
float* Pool::local(int thread, size_t floats) { return state_->local[thread].get(floats); }

}  // namespace flybrick
