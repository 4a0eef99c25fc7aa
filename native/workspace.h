// What plans of a device share while they run, since they never run at once: the arena, and each thread's tiles.
#pragma once
#include <string>
#include <vector>

#include "program.h"

namespace flybrick {

class Workspace {
 public:
  explicit Workspace(int threads) : scratch_(threads, nullptr) {}
  ~Workspace();
  // Stays where it is; its pointers change as memory grows.
  char* const* scratch() const { return scratch_.data(); }
  char* arena() const { return arena_; }
  // Grows to what the program needs; false and a reason where memory is short.
  bool reserve(const Program& program, std::string* reason);

 private:
  std::vector<char*> scratch_;
  size_t scratchBytes_ = 0;
  char* arena_ = nullptr;
  size_t arenaBytes_ = 0;
};

}  // namespace flybrick
