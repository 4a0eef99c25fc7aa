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
  napi_value args[8];
  if (!arguments(env, info, args)) return fail(env, "fitSvm takes eight arguments");
  const Elements<float> x(env, args[1]);
  const Elements<double> s(env, args[2]);
  const Elements<int32_t> rows(env, args[3]);
  const Elements<int32_t> words(env, args[4]);
  const Elements<double> betas(env, args[5]);
  const Elements<double> results(env, args[6]);
  const Elements<int32_t> control(env, args[7]);
  if (!x || !s || !rows || !words || !betas || !results || !control || s.count != 9 || control.count != 2 ||
      words.count % 2 || results.count != words.count * 3 || betas.count != rows.count || !(s[0] >= 1))
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
  Call call;
  call.kept.assign(args + 1, args + 8);
  call.body = [=](Pool& pool) { svmFit(pool, x.at, settings, problems->data(), int64_t(problems->size()), Control{control.at}); };
  return queueCall(env, args[0], std::move(call));
}

// fitLinearSvm(device, x: Float32Array, labels: Int32Array, classes: Int32Array, settings: Float64Array, weights:
// Float64Array, results: Float64Array, control: Int32Array) -> promise. For each class, weights has one number a column
// and the intercept, results three.
napi_value fitLinearSvm(napi_env env, napi_callback_info info) {
  napi_value args[8];
  if (!arguments(env, info, args)) return fail(env, "fitLinearSvm takes eight arguments");
  const Elements<float> x(env, args[1]);
  const Elements<int32_t> labels(env, args[2]);
  const Elements<int32_t> classes(env, args[3]);
  const Elements<double> s(env, args[4]);
  const Elements<double> weights(env, args[5]);
  const Elements<double> results(env, args[6]);
  const Elements<int32_t> control(env, args[7]);
  if (!x || !labels || !classes || !s || !weights || !results || !control || s.count != 6 || control.count != 2 || labels.count < 1 ||
      !(s[0] >= 1) || x.count != labels.count * size_t(s[0]) || weights.count != classes.count * (size_t(s[0]) + 1) || results.count != 3 * classes.count)
    return fail(env, "fitLinearSvm: the arrays are not of the right types and lengths");
  const LinearSvmSettings settings = {int64_t(labels.count), int64_t(s[0]), s[1], s[2], int64_t(s[3]), s[4] != 0, uint64_t(s[5])};
  Call call;
  call.kept.assign(args + 1, args + 8);
  call.body = [=](Pool& pool) { linearSvmFit(pool, x.at, labels.at, classes.at, int64_t(classes.count), settings, weights.at, results.at, Control{control.at}); };
  return queueCall(env, args[0], std::move(call));
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
  napi_value args[7];
  if (!arguments(env, info, args)) return fail(env, "growForest takes seven arguments");
  const Elements<uint8_t> codes(env, args[1]);
  const Elements<int32_t> labels(env, args[2]);
  const Elements<float> lows(env, args[3]);
  const Elements<float> highs(env, args[4]);
  const Elements<double> s(env, args[5]);
  const Elements<int32_t> control(env, args[6]);
  if (!codes || !labels || !lows || !highs || !s || !control || s.count != 9 || control.count != 2 || labels.count < 1 ||
      !(s[0] >= 1) || codes.count != labels.count * size_t(s[0]) || lows.count != 256 * size_t(s[0]) || highs.count != lows.count || !(s[1] >= 1 && s[1] <= 65535))
    return fail(env, "growForest: the arrays are not of the right types and lengths");
  for (size_t i = 0; i < labels.count; i++)
    if (labels[i] < 0 || labels[i] >= s[1]) return fail(env, "growForest: there is no class " + std::to_string(labels[i]));
  const ForestSettings settings = {int64_t(labels.count), int64_t(s[0]), int64_t(s[1]), int64_t(s[2]), int64_t(s[3]), int64_t(s[4]),
                                   int64_t(s[5]), int64_t(s[6]), int(s[7]) % 2 == 1, int(s[7]) >= 2, uint64_t(s[8])};
  auto trees = std::make_shared<std::vector<Tree>>();
  Call call;
  call.kept.assign(args + 1, args + 7);
  call.body = [=](Pool& pool) { growForest(pool, Bins{codes.at, lows.at, highs.at}, labels.at, settings, *trees, control.at); };
  call.result = [=](napi_env env) {
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
  return queueCall(env, args[0], std::move(call));
}

}  // namespace

const std::pair<const char*, napi_callback> kLearners[] = {{"svmLeastBytes", leastBytes}, {"fitSvm", fitSvm}, {"fitLinearSvm", fitLinearSvm}, {"growForest", growForest}};
const size_t kLearnerCount = sizeof kLearners / sizeof *kLearners;

}  // namespace flybrick
