// What JavaScript sees of the WebAssembly module: exports only. One thread calls all of them but `live`, which is a
// helper's whole life. Sizes and addresses are 32 bits wide.
#include <cstdlib>
#include <new>
#include <string>

#include "generated/table_hash.h"
#include "memory.h"
#include "program.h"
#include "step.h"
#include "threads.h"
#include "workspace.h"

#define FB_EXPORT(name) extern "C" __attribute__((export_name(#name)))

namespace flybrick {
namespace {

struct Device {
  Pool pool;
  Workspace workspace;

  explicit Device(int threads) : pool(threads), workspace(threads) {}
};

std::string reason;  // why the last call failed

}  // namespace

FB_EXPORT(table) int32_t table() { return kTableHash; }

FB_EXPORT(open) Device* open(int threads) { return new Device(threads); }

FB_EXPORT(live) void live(Device* device, int thread) { device->pool.live(thread); }

// Zeroed, or null.
FB_EXPORT(reserve) void* reserve(size_t bytes) { return allocate(bytes); }

FB_EXPORT(release) void giveBack(void* memory, size_t bytes) { release(memory, bytes); }

// Null where the words are no program; `reason` says why.
FB_EXPORT(prepare) Program* prepare(Device* device, const int32_t* words, size_t count) {
  return Program::decode(words, count, device->workspace.scratch(), &reason).release();
}

FB_EXPORT(drop) void drop(Program* program) { delete program; }

// False where memory is short; `reason` says what for.
FB_EXPORT(run) bool run(Device* device, Program* program, char* const* bindings, const double* scalars) {
  if (!device->workspace.reserve(*program, &reason)) return false;
  program->run(device->pool, device->workspace.arena(), bindings, scalars);
  return true;
}

FB_EXPORT(reason) const char* reasonText() { return reason.c_str(); }
FB_EXPORT(reasonLength) size_t reasonLength() { return reason.size(); }

}  // namespace flybrick

// The C library's heap, made safe for threads: the linker puts these in front of it (--wrap).
namespace {
flybrick::Mutex heap;
}
extern "C" {
void* __real_malloc(size_t);
void* __real_aligned_alloc(size_t, size_t);
void __real_free(void*);
void* __wrap_malloc(size_t bytes) {
  flybrick::Lock lock(heap);
  return __real_malloc(bytes);
}
void* __wrap_aligned_alloc(size_t alignment, size_t bytes) {
  flybrick::Lock lock(heap);
  return __real_aligned_alloc(alignment, bytes);
}
void __wrap_free(void* memory) {
  flybrick::Lock lock(heap);
  __real_free(memory);
}
}

void* operator new(size_t bytes) {
  void* memory = std::malloc(bytes);
  if (!memory) flybrick::outOfMemory(bytes);
  return memory;
}
void* operator new(size_t bytes, std::align_val_t alignment) {
  const size_t unit = static_cast<size_t>(alignment);
  void* memory = std::aligned_alloc(unit, (bytes + unit - 1) / unit * unit);
  if (!memory) flybrick::outOfMemory(bytes);
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { std::free(memory); }

// Without the library's own, which prints and so would need a system to print to.
_LIBCPP_BEGIN_NAMESPACE_STD
[[noreturn]] void __libcpp_verbose_abort(const char*, ...) { __builtin_trap(); }
_LIBCPP_END_NAMESPACE_STD
