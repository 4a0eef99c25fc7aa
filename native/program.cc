#include "program.h"

#include <algorithm>
#include <cstring>

#include "generated/table_hash.h"

namespace flybrick {
namespace {

constexpr int32_t kMagic = 0x464c5942, kVersion = 2;

int32_t bitsOf(int32_t type, double value) {
  if (type == 0) {
    const float f = static_cast<float>(value);
    int32_t bits;
    std::memcpy(&bits, &f, 4);
    return bits;
  }
  return static_cast<int32_t>(static_cast<uint32_t>(static_cast<int64_t>(value)));
}

}  // namespace

// Reads words in the order plan_words.ts writes them; past the end it reads zeros and remembers.
class Reader {
 public:
  Reader(const int32_t* words, size_t count) : at_(words), end_(words + count) {}
  bool failed = false;

  int32_t word() {
    if (at_ < end_) return *at_++;
    failed = true;
    return 0;
  }
  int count(int most) {
    const int32_t n = word();
    if (n >= 0 && n <= most) return n;
    failed = true;
    return 0;
  }
  int64_t wide() {
    const uint32_t low = static_cast<uint32_t>(word());
    return static_cast<int64_t>(static_cast<uint64_t>(static_cast<uint32_t>(word())) << 32 | low);
  }
  Stream stream() {
    Stream s{};
    s.kind = static_cast<Kind>(word());
    s.index = word();
    s.dtype = static_cast<DType>(word());
    s.offset = wide();
    s.rank = count(kMaxRank);
    for (int i = 0; i < s.rank; i++) s.shape[i] = word();
    for (int i = 0; i < s.rank; i++) s.strides[i] = word();
    return s;
  }
  void streams(std::vector<Stream>* list) {
    list->resize(count(4096));
    for (Stream& s : *list) s = stream();
  }
  void code(Tiles* tiles) {
    tiles->registers = count(4096);
    if (word() != static_cast<int32_t>(tiles->operands.size())) failed = true;
    tiles->constants.resize(count(4096));
    for (int32_t& bits : tiles->constants) bits = word();
    tiles->code.resize(count(4096));
    for (Instruction& op : tiles->code) {
      op.opcode = word();
      op.to = count(tiles->registers - 1);
      for (int& from : op.from) from = count(tiles->slots() - 1);
    }
    tiles->results.resize(count(4096));
    for (int& slot : tiles->results) slot = count(tiles->slots() - 1);
  }

 private:
  const int32_t *at_, *end_;
};

std::unique_ptr<Program> Program::decode(const int32_t* words, size_t count, char* const* scratch, std::string* reason) {
  Reader in(words, count);
  std::unique_ptr<Program> program(new Program);
  if (in.word() != kMagic || in.word() != kVersion || in.word() != kTableHash) {
    *reason = "the program was made for another version of the addon; run npm run build";
    return nullptr;
  }
  program->bindings = in.count(1 << 20);
  program->arenaBytes = in.wide();
  program->values_.resize(in.count(1 << 20));
  for (Value& value : program->values_) {
    value.dtype = static_cast<DType>(in.word());
    value.buffer = in.count(static_cast<int>(program->bindings));
    value.byteOffset = in.wide();
  }
  program->scalars = in.count(1 << 20);
  program->scalarTypes_.resize(program->scalars);
  for (int32_t& type : program->scalarTypes_) type = in.word();
  program->scalarBits_.resize(program->scalars);
  program->steps_.resize(in.count(1 << 20));
  for (std::unique_ptr<Step>& owner : program->steps_) {
    owner.reset(new Step);
    Step& step = *owner;
    step.kind = static_cast<KernelKind>(in.count(static_cast<int>(KernelKind::resizeGrad)));
    step.tiles.rank = in.count(kMaxRank);
    for (int i = 0; i < step.tiles.rank; i++) step.tiles.shape[i] = in.word();
    for (int& attribute : step.attributes) attribute = in.word();
    in.streams(&step.inputs);
    size_t bytes = 0;
    if (in.word()) {
      step.pre.reset(new Values);
      Tiles& pre = step.pre->tiles;
      step.pre->valueType = static_cast<DType>(in.word());
      pre.rank = in.count(kMaxRank);
      for (int i = 0; i < pre.rank; i++) pre.shape[i] = in.word();
      pre.operands.swap(step.inputs);
      in.code(&pre);
      pre.finish(scratch, 0);
      bytes = pre.scratchBytes();
    }
    in.streams(&step.tiles.operands);
    in.streams(&step.tiles.targets);
    in.code(&step.tiles);
    if (step.tiles.results.size() != step.tiles.targets.size()) in.failed = true;
    if (in.failed) break;
    step.tiles.finish(scratch, bytes);
    program->scratchBytes = std::max(program->scratchBytes, bytes + step.tiles.scratchBytes());
  }
  if (in.failed) {
    *reason = "the program is damaged";
    return nullptr;
  }
  return program;
}

void Program::resolve(Stream& s, char* arena, char* const* bindings) const {
  if (s.kind != Kind::value) return;
  const Value& value = values_[s.index];
  char* base = value.buffer == 0 ? arena : bindings[value.buffer - 1];
  s.data = base + value.byteOffset + s.offset * s.size();
}

void Program::run(Pool& pool, char* arena, char* const* bindings, const double* scalars) {
  for (size_t i = 0; i < scalarBits_.size(); i++) scalarBits_[i] = bitsOf(scalarTypes_[i], scalars[i]);
  for (const std::unique_ptr<Step>& owner : steps_) {
    Step& step = *owner;
    Tiles& tiles = step.tiles;
    const auto prepare = [&](Tiles& one) {
      for (Stream& s : one.operands) resolve(s, arena, bindings);
      for (Stream& s : one.targets) resolve(s, arena, bindings);
    };
    prepare(tiles);
    tiles.resolved(scalarBits_.data());
    if (step.pre) {
      prepare(step.pre->tiles);
      step.pre->resolved(scalarBits_.data());
    }
    for (size_t i = 0; i < step.inputs.size() && i < 2; i++) {
      resolve(step.inputs[i], arena, bindings);
      step.views[i] = step.inputs[i].view();
    }
    const int* a = step.attributes;
    const int64_t* shape = tiles.shape;
    const View &x = step.views[0], &y = step.views[1];
    const ConvGeometry conv = {a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], static_cast<Convolution>(a[9])};
    const WindowGeometry geometry = {a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8]};
    switch (step.kind) {
      case KernelKind::pointwise:
        pointwise(pool, tiles);
        break;
      case KernelKind::reduce: {
        bool reduced[kMaxRank];
        for (int i = 0; i < kMaxRank; i++) reduced[i] = a[1] >> i & 1;
        const Tiles& pre = step.pre->tiles;
        reduce(pool, static_cast<ReduceOp>(a[0]), pre.rank, pre.shape, reduced, *step.pre, tiles);
        break;
      }
      case KernelKind::matmul:
        matmul(pool, tiles.rank, shape, x, y, tiles);
        break;
      case KernelKind::conv2d:
        conv2d(pool, shape, x, y, conv, tiles);
        break;
      case KernelKind::conv2dInputGrad:
        conv2dInputGrad(pool, shape, x, y, conv, tiles);
        break;
      case KernelKind::conv2dWeightGrad:
        conv2dWeightGrad(pool, shape, x, y, conv, tiles);
        break;
      case KernelKind::window:
        window(pool, static_cast<WindowOp>(a[0]), shape, x, geometry, tiles);
        break;
      case KernelKind::windowGrad:
        windowGrad(pool, static_cast<WindowOp>(a[0]), shape, x, step.inputs.size() > 1 ? &y : nullptr, geometry, tiles);
        break;
      case KernelKind::gather:
        gather(pool, tiles.rank, shape, x, y, tiles);
        break;
      case KernelKind::scatterAdd:
        scatterAdd(pool, tiles.rank, shape, x, y, tiles);
        break;
      case KernelKind::resize:
        resize(pool, shape, x, tiles);
        break;
      case KernelKind::resizeGrad:
        resizeGrad(pool, shape, x, tiles);
        break;
    }
  }
}

}  // namespace flybrick
