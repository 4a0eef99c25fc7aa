#include "memory.h"

#include <cstdlib>
#include <cstring>
#include <vector>

#include "lanes.h"
#include "threads.h"
#if !defined(__wasm__)
#include <sys/mman.h>
#endif

namespace flybrick {
namespace {

constexpr size_t kHuge = size_t{2} << 20;
constexpr size_t kKept = size_t{256} << 20;

struct Block {
  void* memory;
  size_t bytes;
};

Mutex mutex;
std::vector<Block> kept;
size_t keptBytes = 0;

size_t rounded(size_t bytes) {
  bytes += kSlack;
  size_t unit = bytes >= kHuge ? kHuge : bytes >= 65536 ? 4096 : 64;
  return (bytes + unit - 1) / unit * unit;
}

void* fromHeap(size_t size) {
  void* memory = std::aligned_alloc(64, size);
  if (memory) std::memset(memory, 0, size);
  return memory;
}

#if defined(__wasm__)
void* fresh(size_t size) { return fromHeap(size); }
void discard(Block block) { std::free(block.memory); }
#else
void* fresh(size_t size) {
  if (size < kHuge) return fromHeap(size);
  // Over-allocates by one huge page to start on its boundary, then gives the ends back.
  char* raw = static_cast<char*>(mmap(nullptr, size + kHuge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (raw == MAP_FAILED) return nullptr;
  size_t head = (kHuge - reinterpret_cast<size_t>(raw) % kHuge) % kHuge;
  if (head) munmap(raw, head);
  munmap(raw + head + size, kHuge - head);
  madvise(raw + head, size, MADV_HUGEPAGE);
  return raw + head;
}

void discard(Block block) {
  if (block.bytes < kHuge) std::free(block.memory);
  else munmap(block.memory, block.bytes);
}
#endif

}  // namespace

void* allocate(size_t bytes) {
  size_t size = rounded(bytes);
  if (size < bytes) return nullptr;
  {
    Lock lock(mutex);
    for (size_t i = kept.size(); i-- > 0;) {
      if (kept[i].bytes != size) continue;
      void* memory = kept[i].memory;
      kept.erase(kept.begin() + i);
      keptBytes -= size;
      std::memset(memory, 0, size);
      return memory;
    }
  }
  return fresh(size);
}

void release(void* memory, size_t bytes) {
  if (!memory) return;
  Block block{memory, rounded(bytes)};
  if (block.bytes < 4096 || block.bytes > kKept) return discard(block);
  Lock lock(mutex);
  kept.push_back(block);
  keptBytes += block.bytes;
  while (keptBytes > kKept || kept.size() > 64) {
    keptBytes -= kept.front().bytes;
    discard(kept.front());
    kept.erase(kept.begin());
  }
}

}  // namespace flybrick
