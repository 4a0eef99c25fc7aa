// What JavaScript sees of the learners: arguments checked and turned into calls.
#include <cstring>
#include <memory>
#include <utility>

#include "addon.h"
#include "forest.h"
#include "linear_svm.h"
#include "svm.h"

namespace flybrick {
namespace {

// What every call of a learner is given: the device, then typed arrays, the last of them its control.
struct Given {
  napi_value device = nullptr;
  Call call;
  Elements<int32_t> control;

  // Reads the arrays, which the call keeps alive; false where one is none of its type.
  template <typename... T>
  bool read(napi_env env, napi_callback_info info, Elements<T>&... arrays) {
    constexpr int count = 2 + sizeof...(T);
    napi_value args[count];
    if (!arguments(env, info, args)) return false;
    device = args[0];
    call.kept.assign(args + 1, args + count);
    const napi_value* next = args + 1;
    ((arrays = Elements<T>(env, *next++)), ...);
    control = Elements<int32_t>(env, *next);
    return (bool(arrays) && ...) && control && control.count == 2;
  }
};

// svmLeastBytes(rows) -> number
napi_value leastBytes(napi_env env, napi_callback_info info) {
  napi_value args[1], out;
  double rows = 0;
  if (!arguments(env, info, args) || napi_get_value_double(env, args[0], &rows) != napi_ok)
    return fail(env, "svmLeastBytes(rows) takes a number");
  napi_create_double(env, double(svmLeastBytes(int64_t(rows))), &out);
  return out;
}

// fitSvm(device, x: Float32Array, settings: Float64Array, rows: Int32Array, problems: Int32Array, betas: Float64Array,
// results: Float64Array, control: Int32Array) -> promise. A problem is its count and its positives, its rows follow
// those of the problem before; results has six numbers for each.
napi_value fitSvm(napi_env env, napi_callback_info info) {
  Given given;
  Elements<float> x;
  Elements<double> s, betas, results;
  Elements<int32_t> rows, words;
  if (!given.read(env, info, x, s, rows, words, betas, results) || s.count != 9 || words.count % 2 || results.count != words.count * 3 || betas.count != rows.count || !(s[0] >= 1))
    return fail(env, "fitSvm: the arrays are not of the right types and lengths");
  const SvmSettings settings = {{SvmKernelKind(int32_t(s[1])), float(s[2]), float(s[3]), float(s[4])}, int64_t(s[0]), s[5], s[6], s[7], s[8]};
  auto problems = std::make_shared<std::vector<SvmProblem>>();
  size_t at = 0;
  for (size_t i = 0; i < words.count / 2; i++) {
    const int64_t count = words[2 * i], positives = words[2 * i + 1];
    if (count < 1 || positives < 0 || positives > count || at + count > rows.count) return fail(env, "fitSvm: a problem has no such rows");
    problems->push_back({rows.at + at, count, positives, betas.at + at, results.at + 6 * i});
    at += count;
  }
  const int64_t examples = int64_t(x.count) / settings.columns;
  for (size_t i = 0; i < rows.count; i++)
    if (rows[i] < 0 || rows[i] >= examples) return fail(env, "fitSvm: there is no row " + std::to_string(rows[i]));
  given.call.body = [=, control = given.control](Pool& pool) { svmFit(pool, x.at, settings, problems->data(), int64_t(problems->size()), Control{control.at}); };
  return queueCall(env, given.device, std::move(given.call));
}

// fitLinearSvm(device, x: Float32Array, labels: Int32Array, classes: Int32Array, settings: Float64Array, weights:
// Float64Array, results: Float64Array, control: Int32Array) -> promise. For each class, weights has one number a column
// and the intercept, results three.
napi_value fitLinearSvm(napi_env env, napi_callback_info info) {
  Given given;
  Elements<float> x;
  Elements<double> s, weights, results;
  Elements<int32_t> labels, classes;
  if (!given.read(env, info, x, labels, classes, s, weights, results) || s.count != 6 || labels.count < 1 ||
      !(s[0] >= 1) || x.count != labels.count * size_t(s[0]) || weights.count != classes.count * (size_t(s[0]) + 1) || results.count != 3 * classes.count)
    return fail(env, "fitLinearSvm: the arrays are not of the right types and lengths");
  const LinearSvmSettings settings = {int64_t(labels.count), int64_t(s[0]), s[1], s[2], int64_t(s[3]), s[4] != 0, uint64_t(s[5])};
  given.call.body = [=, control = given.control](Pool& pool) { linearSvmFit(pool, x.at, labels.at, classes.at, int64_t(classes.count), settings, weights.at, results.at, Control{control.at}); };
  return queueCall(env, given.device, std::move(given.call));
}

template <typename T>
napi_value typedArray(napi_env env, napi_typedarray_type type, const std::vector<T>& values) {
  napi_value buffer, out;
  void* to = nullptr;
  napi_create_arraybuffer(env, values.size() * sizeof(T), &to, &buffer);
  if (!values.empty()) std::memcpy(to, values.data(), values.size() * sizeof(T));
  napi_create_typedarray(env, type, values.size(), buffer, 0, &out);
  return out;
}

// growForest(device, codes: Uint8Array, labels: Int32Array, lows: Float32Array, highs: Float32Array, settings:
// Float64Array, control: Int32Array) -> promise of [nodes: Int32Array, thresholds: Float32Array, values: Float32Array] of
// each tree in a flat list.
napi_value growForest(napi_env env, napi_callback_info info) {
  Given given;
  Elements<uint8_t> codes;
  Elements<int32_t> labels;
  Elements<float> lows, highs;
  Elements<double> s;
  if (!given.read(env, info, codes, labels, lows, highs, s) || s.count != 9 || labels.count < 1 ||
      !(s[0] >= 1) || codes.count != labels.count * size_t(s[0]) || lows.count != 256 * size_t(s[0]) || highs.count != lows.count || !(s[1] >= 1 && s[1] <= 65535))
    return fail(env, "growForest: the arrays are not of the right types and lengths");
  for (size_t i = 0; i < labels.count; i++)
    if (labels[i] < 0 || labels[i] >= s[1]) return fail(env, "growForest: there is no class " + std::to_string(labels[i]));
  const ForestSettings settings = {int64_t(labels.count), int64_t(s[0]), int64_t(s[1]), int64_t(s[2]), int64_t(s[3]), int64_t(s[4]),
                                   int64_t(s[5]), int64_t(s[6]), int(s[7]) % 2 == 1, int(s[7]) >= 2, uint64_t(s[8])};
  auto trees = std::make_shared<std::vector<Tree>>();
  given.call.body = [=, control = given.control](Pool& pool) { growForest(pool, Bins{codes.at, lows.at, highs.at}, labels.at, settings, *trees, control.at); };
  given.call.result = [=](napi_env env) {
    napi_value out;
    napi_create_array(env, &out);
    uint32_t at = 0;
    for (const Tree& tree : *trees) {
      napi_set_element(env, out, at++, typedArray(env, napi_int32_array, tree.nodes));
      napi_set_element(env, out, at++, typedArray(env, napi_float32_array, tree.thresholds));
      napi_set_element(env, out, at++, typedArray(env, napi_float32_array, tree.values));
    }
    return out;
  };
  return queueCall(env, given.device, std::move(given.call));
}

// walkForest(device, x: Float32Array, nodes: Int32Array, thresholds: Float32Array, values: Float32Array, roots: Int32Array,
// settings: Float64Array, shares: Float32Array, control: Int32Array) -> promise. That nodes lead to leaves is for the model to know.
napi_value walkForest(napi_env env, napi_callback_info info) {
  Given given;
  Elements<float> x, thresholds, values, shares;
  Elements<int32_t> nodes, roots;
  Elements<double> s;
  if (!given.read(env, info, x, nodes, thresholds, values, roots, s, shares) || s.count != 2 || !(s[0] >= 1 && s[1] >= 1) ||
      x.count % size_t(s[0]) || shares.count != x.count / size_t(s[0]) * size_t(s[1]) || nodes.count != 2 * thresholds.count || roots.count < 1)
    return fail(env, "walkForest: the arrays are not of the right types and lengths");
  const int64_t columns = int64_t(s[0]), rows = int64_t(x.count) / columns;
  const Forest forest = {nodes.at, thresholds.at, values.at, roots.at, int64_t(roots.count), int64_t(s[1])};
  given.call.body = [=, control = given.control](Pool& pool) { walkForest(pool, forest, x.at, rows, columns, shares.at, control.at); };
  return queueCall(env, given.device, std::move(given.call));
}

}  // namespace

const std::pair<const char*, napi_callback> kLearners[] = {{"svmLeastBytes", leastBytes}, {"fitSvm", fitSvm}, {"fitLinearSvm", fitLinearSvm}, {"growForest", growForest}, {"walkForest", walkForest}};
const size_t kLearnerCount = sizeof kLearners / sizeof *kLearners;

}  // namespace flybrick
