// Memory for tensors and scratch: 64-byte aligned, readable for kSlack bytes past its end, on huge pages where
// it is large.
#pragma once
#include <cstddef>

namespace flybrick {

// Zeroed memory, or null.
void* allocate(size_t bytes);
// Keeps the memory for the next allocation of that size (up to a limit), since fresh pages cost more than a copy.
void release(void* memory, size_t bytes);

}  // namespace flybrick
