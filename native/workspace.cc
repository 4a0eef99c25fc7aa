#include "workspace.h"

#include <utility>

#include "memory.h"

namespace flybrick {

Workspace::~Workspace() {
  for (char* one : scratch_) release(one, scratchBytes_);
  release(arena_, arenaBytes_);
}

bool Workspace::reserve(const Program& program, std::string* reason) {
  if (program.arenaBytes > arenaBytes_) {
    release(arena_, arenaBytes_);
    arenaBytes_ = 0;
    const bool addressable = program.arenaBytes <= SIZE_MAX;
    arena_ = addressable ? static_cast<char*>(allocate(static_cast<size_t>(program.arenaBytes))) : nullptr;
    if (!arena_) {
      *reason = "no memory for a plan's intermediate results: " + std::to_string(program.arenaBytes) + " bytes";
      return false;
    }
    arenaBytes_ = static_cast<size_t>(program.arenaBytes);
  }
  if (program.scratchBytes > scratchBytes_) {
    for (char*& one : scratch_) {
      release(one, scratchBytes_);
      one = nullptr;
    }
    // Only once every thread has its part: after a failure the next run tries again.
    scratchBytes_ = 0;
    for (char*& one : scratch_) {
      one = static_cast<char*>(allocate(program.scratchBytes));
      if (one) continue;
      for (char*& other : scratch_) release(std::exchange(other, nullptr), program.scratchBytes);
      *reason = "no memory for a thread's tiles: " + std::to_string(program.scratchBytes) + " bytes";
      return false;
    }
    scratchBytes_ = program.scratchBytes;
  }
  return true;
}

}  // namespace flybrick
