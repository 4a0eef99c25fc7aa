// The Pool of native/step.h for programs that stand alone: as plain as can be, its scratch full of NaN, so that
// anything read before it was written shows in a result.
#pragma once
#include <sys/mman.h>

#include <cmath>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <thread>
#include <vector>

#include "../native/isa.h"
#include "../native/step.h"

namespace flybrick {

static float* hugePages(size_t floats) {
  const size_t bytes = (floats * sizeof(float) + (2u << 20)) & ~size_t((2u << 20) - 1);
  void* memory = std::aligned_alloc(2u << 20, bytes);
  madvise(memory, bytes, MADV_HUGEPAGE);
  std::memset(memory, 0, bytes);
  return static_cast<float*>(memory);
}

struct Block {
  float* data = nullptr;
  size_t size = 0;
  float* grow(size_t floats) {
    if (floats > size) {
      std::free(data);
      data = hugePages(floats);
      size = floats;
      // Stale scratch must never reach a result.
      for (size_t i = 0; i < floats; i++) data[i] = NAN;
    }
    return data;
  }
};

struct Pool::State {
  std::vector<std::thread> workers;
  std::mutex mutex;
  std::condition_variable wake, done;
  const std::function<void(int64_t, int)>* body = nullptr;
  int64_t tasks = 0, next = 0, generation = 0;
  int busy = 0;
  Isa set = Isa::portable;
  bool stop = false;
  Block shared, locals[64];

  void drain(int thread) {
    for (int64_t task; (task = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED)) < tasks;) (*body)(task, thread);
  }
  void work(int thread) {
    for (int64_t seen = 0;;) {
      {
        std::unique_lock<std::mutex> lock(mutex);
        wake.wait(lock, [&] { return stop || generation != seen; });
        if (stop) return;
        seen = generation;
      }
      pinIsa(set);
      drain(thread);
      std::lock_guard<std::mutex> lock(mutex);
      if (--busy == 0) done.notify_one();
    }
  }
};
Pool::Pool(int threads) : state_(new State) {
  for (int i = 1; i < threads; i++) state_->workers.emplace_back([this, i] { state_->work(i); });
}
Pool::~Pool() {
  {
    std::lock_guard<std::mutex> lock(state_->mutex);
    state_->stop = true;
  }
  state_->wake.notify_all();
  for (auto& worker : state_->workers) worker.join();
  std::free(state_->shared.data);
  for (auto& block : state_->locals) std::free(block.data);
  delete state_;
}
int Pool::threads() const { return int(state_->workers.size()) + 1; }
void Pool::parallel(int64_t tasks, const std::function<void(int64_t, int)>& body) {
  State& s = *state_;
  {
    std::lock_guard<std::mutex> lock(s.mutex);
    s.set = isa();
    s.body = &body, s.tasks = tasks, s.next = 0, s.busy = int(s.workers.size());
    s.generation++;
  }
  s.wake.notify_all();
  s.drain(0);
  std::unique_lock<std::mutex> lock(s.mutex);
  s.done.wait(lock, [&] { return s.busy == 0; });
}
float* Pool::shared(size_t floats) { return state_->shared.grow(floats); }
float* Pool::local(int thread, size_t floats) { return state_->locals[thread].grow(floats); }

}  // namespace flybrick
