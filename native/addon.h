// How files beside addon.cc add work that is no plan to a device's queue.
#pragma once
#include <node_api.h>

#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "step.h"

namespace flybrick {

struct Call {
  std::function<void(Pool&)> body;             // on the dispatcher's thread
  std::function<napi_value(napi_env)> result;  // on JavaScript's thread, what the promise resolves to; may be empty
  std::vector<napi_value> kept;                // arrays that must live until then
};

// The promise of a call, queued behind the device's other work; null with an exception pending where `device` is none.
napi_value queueCall(napi_env env, napi_value device, Call call);

napi_value fail(napi_env env, const std::string& message);

// A typed array's elements; null where the value is none of that type.
template <typename T>
struct Elements {
  T* at = nullptr;
  size_t count = 0;

  Elements() = default;
  Elements(napi_env env, napi_value value) {
    constexpr napi_typedarray_type expected = std::is_same_v<T, float>    ? napi_float32_array
                                              : std::is_same_v<T, double> ? napi_float64_array
                                              : std::is_same_v<T, int32_t> ? napi_int32_array
                                                                          : napi_uint8_array;
    static_assert(expected != napi_uint8_array || std::is_same_v<T, uint8_t>);
    napi_typedarray_type type;
    void* data = nullptr;
    if (napi_get_typedarray_info(env, value, &type, &count, &data, nullptr, nullptr) != napi_ok || type != expected) return;
    static T none;
    at = count ? static_cast<T*>(data) : &none;  // an empty array has no memory
  }
  explicit operator bool() const { return at; }
  T& operator[](size_t i) const { return at[i]; }
};

template <int N>
bool arguments(napi_env env, napi_callback_info info, napi_value (&out)[N]) {
  size_t count = N;
  return napi_get_cb_info(env, info, &count, out, nullptr, nullptr) == napi_ok && count >= N;
}

// learners.cc
extern const std::pair<const char*, napi_callback> kLearners[];
extern const size_t kLearnerCount;

}  // namespace flybrick
