// What JavaScript sees. Jobs (runs, writes, reads, frees) go through one queue to one thread, in order, so the
// event loop never waits; promises are settled through a threadsafe function.
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "addon.h"
#include "generated/table_hash.h"
#include "lanes.h"
#include "memory.h"
#include "program.h"
#include "step.h"
#include "workspace.h"

namespace flybrick {
namespace {

struct Buffer {
  char* memory;
  size_t bytes;
};

struct Job {
  enum Type { run, write, read, release, call } type = run;
  std::shared_ptr<Program> program;
  std::vector<char*> bindings;
  std::vector<double> scalars;
  char* memory = nullptr;    // write's target, read's source, release's block
  char* staging = nullptr;   // write: a copy of the host's bytes; read: the result's bytes
  size_t bytes = 0;
  napi_deferred deferred = nullptr;
  napi_ref result = nullptr;  // keeps a read's array alive, or those of a call in a list
  Call work;
  std::string error;
};

// One open device. JavaScript's thread queues, the dispatcher runs, JavaScript's thread settles. It lives until its
// handle is collected or the environment ends, and no longer than its dispatcher.
struct Device {
  napi_env env;
  const Isa isa;
  Pool pool;
  Workspace workspace;

  std::mutex mutex;
  std::condition_variable wake;
  std::deque<Job*> queue;
  bool stop = false;
  std::thread dispatcher;
  std::atomic<int> unfinished{0};  // queued or running
  std::atomic<int> awaited{0};     // of them those that JavaScript waits for

  napi_threadsafe_function settle = nullptr;
  int promises = 0;  // JavaScript's thread only

  Device(napi_env e, int threads, Isa isa) : env(e), isa(isa), pool(threads), workspace(threads) {
    dispatcher = std::thread([this] {
      pinIsa(this->isa);
      dispatch();
    });
  }

  void close() {
    if (!dispatcher.joinable()) return;
    {
      std::lock_guard<std::mutex> lock(mutex);
      stop = true;
    }
    wake.notify_one();
    dispatcher.join();
  }

  ~Device() { close(); }

  void enqueue(Job* job) {
    unfinished++;
    if (job->deferred) awaited++, pool.stepAside(false);
    {
      std::lock_guard<std::mutex> lock(mutex);
      queue.push_back(job);
    }
    wake.notify_one();
  }

  void dispatch() {
    while (true) {
      Job* job;
      {
        std::unique_lock<std::mutex> lock(mutex);
        wake.wait(lock, [this] { return stop || !queue.empty(); });
        // Frees still have to happen; nobody waits for the rest any more.
        if (stop && queue.empty()) return;
        job = queue.front();
        queue.pop_front();
        if (stop && job->type != Job::release) {
          std::free(job->type == Job::write ? job->staging : nullptr);
          delete job;
          unfinished--;
          continue;
        }
      }
      execute(*job);
      unfinished--;
      if (!job->deferred) {
        delete job;
        continue;
      }
      // With one more plan to run, JavaScript now records the next: it needs a core.
      if (--awaited == 1) pool.stepAside(true);
      napi_call_threadsafe_function(settle, job, napi_tsfn_nonblocking);
    }
  }

  void execute(Job& job) {
    switch (job.type) {
      case Job::run:
        if (workspace.reserve(*job.program, &job.error))
          job.program->run(pool, workspace.arena(), job.bindings.data(), job.scalars.data());
        return;
      case Job::write:
        std::memcpy(job.memory, job.staging, job.bytes);
        std::free(job.staging);
        return;
      case Job::read:
        std::memcpy(job.staging, job.memory, job.bytes);
        return;
      case Job::release:
        flybrick::release(job.memory, job.bytes);
        return;
      case Job::call:
        job.work.body(pool);
        return;
    }
  }
};

using DeviceHandle = std::shared_ptr<Device>;

struct BufferHandle {
  DeviceHandle device;
  Buffer buffer;
};

struct ProgramHandle {
  DeviceHandle device;
  std::shared_ptr<Program> program;
};

template <typename T>
T* external(napi_env env, napi_value value) {
  void* data = nullptr;
  if (napi_get_value_external(env, value, &data) != napi_ok) return nullptr;
  return static_cast<T*>(data);
}

template <typename T>
napi_value wrap(napi_env env, T* handle, napi_finalize finalize) {
  napi_value out;
  napi_create_external(env, handle, finalize, nullptr, &out);
  return out;
}

double number(napi_env env, napi_value value) {
  double out = -1;
  napi_get_value_double(env, value, &out);
  return out;
}

std::string text(napi_env env, napi_value value) {
  char buffer[64] = "";
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, buffer, sizeof buffer, &length) != napi_ok) return "";
  return std::string(buffer, length);
}

int defaultThreads() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

// The named instruction set, or the best one where the name is empty; false where this processor lacks it.
bool choose(const std::string& name, Isa* set) {
  *set = bestIsa();
  if (name.empty()) return true;
  for (Isa one : {Isa::avx512, Isa::avx2, Isa::portable})
    if (name == isaName(one)) *set = one;
  return name == isaName(*set) && *set <= bestIsa();
}

// ---- promises

napi_value promise(napi_env env, Device& device, Job* job) {
  napi_value out;
  napi_create_promise(env, &job->deferred, &out);
  if (device.promises++ == 0) napi_ref_threadsafe_function(env, device.settle);
  return out;
}

void settled(napi_env env, napi_value, void* context, void* data) {
  Job* job = static_cast<Job*>(data);
  Device& device = *static_cast<Device*>(context);
  if (!env) {
    delete job;
    return;
  }
  napi_value result;
  if (!job->error.empty()) {
    napi_value message;
    napi_create_string_utf8(env, job->error.c_str(), job->error.size(), &message);
    napi_create_error(env, nullptr, message, &result);
    napi_reject_deferred(env, job->deferred, result);
  } else {
    if (job->work.result) result = job->work.result(env);
    else if (job->type == Job::read) napi_get_reference_value(env, job->result, &result);
    else napi_get_undefined(env, &result);
    napi_resolve_deferred(env, job->deferred, result);
  }
  if (job->result) napi_delete_reference(env, job->result);
  // Idle: Node may exit.
  if (--device.promises == 0) napi_unref_threadsafe_function(env, device.settle);
  delete job;
}

// ---- exports

// The environment frees the threadsafe function itself: a finalizer that runs later must not release it again.
void closeAtExit(void* data) {
  Device* device = static_cast<Device*>(data);
  device->close();
  device->settle = nullptr;
}

napi_value open(napi_env env, napi_callback_info info) {
  napi_value args[2];
  if (!arguments(env, info, args)) return fail(env, "open(threads, instructionSet) takes two arguments");
  const int threads = static_cast<int>(number(env, args[0]));
  const std::string name = text(env, args[1]);
  Isa isa;
  if (!choose(name, &isa)) return fail(env, "this processor cannot run the instruction set " + name);
  DeviceHandle device = std::make_shared<Device>(env, threads > 0 ? threads : defaultThreads(), isa);
  napi_value label;
  napi_create_string_utf8(env, "flybrick", NAPI_AUTO_LENGTH, &label);
  napi_create_threadsafe_function(env, nullptr, nullptr, label, 0, 1, nullptr, nullptr, device.get(), settled, &device->settle);
  napi_unref_threadsafe_function(env, device->settle);
  napi_add_env_cleanup_hook(env, closeAtExit, device.get());
  return wrap(env, new DeviceHandle(device), [](napi_env e, void* data, void*) {
    DeviceHandle* handle = static_cast<DeviceHandle*>(data);
    if ((*handle)->settle) {
      napi_remove_env_cleanup_hook(e, closeAtExit, handle->get());
      (*handle)->close();
      napi_release_threadsafe_function((*handle)->settle, napi_tsfn_release);
    }
    delete handle;
  });
}

// { instructionSet, threads, table }
napi_value info(napi_env env, napi_callback_info callback) {
  napi_value args[1], out, value;
  if (!arguments(env, callback, args)) return fail(env, "info(device) takes one argument");
  DeviceHandle* device = external<DeviceHandle>(env, args[0]);
  if (!device) return fail(env, "info: not a device");
  napi_create_object(env, &out);
  napi_create_string_utf8(env, isaName((*device)->isa), NAPI_AUTO_LENGTH, &value);
  napi_set_named_property(env, out, "instructionSet", value);
  napi_create_int32(env, (*device)->pool.threads(), &value);
  napi_set_named_property(env, out, "threads", value);
  napi_create_int32(env, kTableHash, &value);
  napi_set_named_property(env, out, "table", value);
  return out;
}

void queueFree(napi_env env, BufferHandle& handle) {
  if (!handle.buffer.memory) return;
  Job* job = new Job;
  job->type = Job::release;
  job->memory = handle.buffer.memory;
  job->bytes = handle.buffer.bytes;
  handle.buffer.memory = nullptr;
  if (handle.device->dispatcher.joinable()) {
    handle.device->enqueue(job);
  } else {
    flybrick::release(job->memory, job->bytes);
    delete job;
  }
  int64_t total;
  napi_adjust_external_memory(env, -static_cast<int64_t>(handle.buffer.bytes), &total);
}

napi_value allocateBuffer(napi_env env, napi_callback_info info) {
  napi_value args[2];
  if (!arguments(env, info, args)) return fail(env, "allocate(device, bytes) takes two arguments");
  DeviceHandle* device = external<DeviceHandle>(env, args[0]);
  const double bytes = number(env, args[1]);
  if (!device || !(bytes >= 0)) return fail(env, "allocate: not a device, or not a size");
  char* memory = bytes < 0x1p53 ? static_cast<char*>(allocate(static_cast<size_t>(bytes))) : nullptr;
  if (!memory) return fail(env, "no memory for a buffer of " + std::to_string(static_cast<int64_t>(bytes)) + " bytes");
  int64_t total;
  napi_adjust_external_memory(env, static_cast<int64_t>(bytes), &total);
  return wrap(env, new BufferHandle{*device, {memory, static_cast<size_t>(bytes)}}, [](napi_env e, void* data, void*) {
    BufferHandle* handle = static_cast<BufferHandle*>(data);
    queueFree(e, *handle);
    delete handle;
  });
}

napi_value freeBuffer(napi_env env, napi_callback_info info) {
  napi_value args[1];
  BufferHandle* handle = arguments(env, info, args) ? external<BufferHandle>(env, args[0]) : nullptr;
  if (!handle) return fail(env, "free: not a buffer");
  queueFree(env, *handle);
  return nullptr;
}

napi_value addressOf(napi_env env, napi_callback_info info) {
  napi_value args[1], out;
  BufferHandle* handle = arguments(env, info, args) ? external<BufferHandle>(env, args[0]) : nullptr;
  if (!handle || !handle->buffer.memory) return fail(env, "address: the buffer was freed, or is none");
  napi_create_bigint_uint64(env, reinterpret_cast<uint64_t>(handle->buffer.memory), &out);
  return out;
}

// The place of a buffer's bytes, or null with an exception pending.
char* place(napi_env env, BufferHandle* handle, double offset, double bytes, const char* what) {
  if (!handle || !handle->buffer.memory) fail(env, std::string(what) + ": the buffer was freed, or is none");
  else if (!(offset >= 0) || !(bytes >= 0) || offset + bytes > static_cast<double>(handle->buffer.bytes))
    fail(env, std::string(what) + ": " + std::to_string(static_cast<int64_t>(bytes)) + " bytes at " +
                  std::to_string(static_cast<int64_t>(offset)) + " are outside a buffer of " +
                  std::to_string(handle->buffer.bytes) + " bytes");
  else return handle->buffer.memory + static_cast<size_t>(offset);
  return nullptr;
}

napi_value write(napi_env env, napi_callback_info info) {
  napi_value args[3];
  if (!arguments(env, info, args)) return fail(env, "write(buffer, byteOffset, bytes) takes three arguments");
  BufferHandle* handle = external<BufferHandle>(env, args[0]);
  napi_typedarray_type type;
  size_t length = 0;
  void* bytes = nullptr;
  if (napi_get_typedarray_info(env, args[2], &type, &length, &bytes, nullptr, nullptr) != napi_ok || type != napi_uint8_array)
    return fail(env, "write: bytes must be a Uint8Array");
  char* to = place(env, handle, number(env, args[1]), static_cast<double>(length), "write");
  if (!to || length == 0) return nullptr;
  Device& device = *handle->device;
  if (device.unfinished == 0) {
    std::memcpy(to, bytes, length);
    return nullptr;
  }
  Job* job = new Job;
  job->type = Job::write;
  job->memory = to;
  job->bytes = length;
  job->staging = static_cast<char*>(std::malloc(length));
  if (!job->staging) {
    delete job;
    return fail(env, "no memory for a copy of " + std::to_string(length) + " bytes");
  }
  std::memcpy(job->staging, bytes, length);
  device.enqueue(job);
  return nullptr;
}

napi_value read(napi_env env, napi_callback_info info) {
  napi_value args[3];
  if (!arguments(env, info, args)) return fail(env, "read(buffer, byteOffset, byteLength) takes three arguments");
  BufferHandle* handle = external<BufferHandle>(env, args[0]);
  const double length = number(env, args[2]);
  char* from = place(env, handle, number(env, args[1]), length, "read");
  if (!from) return nullptr;
  napi_value array, bytes;
  void* to = nullptr;
  if (napi_create_arraybuffer(env, static_cast<size_t>(length), &to, &array) != napi_ok)
    return fail(env, "no memory for a copy of " + std::to_string(static_cast<int64_t>(length)) + " bytes");
  napi_create_typedarray(env, napi_uint8_array, static_cast<size_t>(length), array, 0, &bytes);
  Device& device = *handle->device;
  if (device.unfinished == 0) {
    if (length > 0) std::memcpy(to, from, static_cast<size_t>(length));
    napi_deferred deferred;
    napi_value out;
    napi_create_promise(env, &deferred, &out);
    napi_resolve_deferred(env, deferred, bytes);
    return out;
  }
  Job* job = new Job;
  job->type = Job::read;
  job->memory = from;
  job->staging = static_cast<char*>(to);
  job->bytes = static_cast<size_t>(length);
  napi_create_reference(env, bytes, 1, &job->result);
  napi_value out = promise(env, device, job);
  device.enqueue(job);
  return out;
}

napi_value prepare(napi_env env, napi_callback_info info) {
  napi_value args[2];
  if (!arguments(env, info, args)) return fail(env, "prepare(device, program) takes two arguments");
  DeviceHandle* device = external<DeviceHandle>(env, args[0]);
  napi_typedarray_type type;
  size_t length = 0;
  void* words = nullptr;
  if (!device || napi_get_typedarray_info(env, args[1], &type, &length, &words, nullptr, nullptr) != napi_ok ||
      type != napi_int32_array)
    return fail(env, "prepare: needs a device and an Int32Array");
  std::string reason;
  std::shared_ptr<Program> program =
      Program::decode(static_cast<const int32_t*>(words), length, (*device)->workspace.scratch(), &reason);
  if (!program) return fail(env, "prepare: " + reason);
  return wrap(env, new ProgramHandle{*device, program},
              [](napi_env, void* data, void*) { delete static_cast<ProgramHandle*>(data); });
}

// run(program, buffers, byteOffsets: Float64Array, scalars: Float64Array) -> promise
napi_value run(napi_env env, napi_callback_info info) {
  napi_value args[4];
  if (!arguments(env, info, args)) return fail(env, "run(program, buffers, byteOffsets, scalars) takes four arguments");
  ProgramHandle* handle = external<ProgramHandle>(env, args[0]);
  napi_typedarray_type type;
  size_t offsetCount = 0, scalarCount = 0;
  void *offsets = nullptr, *scalars = nullptr;
  if (!handle || napi_get_typedarray_info(env, args[2], &type, &offsetCount, &offsets, nullptr, nullptr) != napi_ok ||
      type != napi_float64_array ||
      napi_get_typedarray_info(env, args[3], &type, &scalarCount, &scalars, nullptr, nullptr) != napi_ok ||
      type != napi_float64_array)
    return fail(env, "run: needs a program, an array and two Float64Arrays");
  const Program& program = *handle->program;
  if (offsetCount != program.bindings || scalarCount != program.scalars)
    return fail(env, "run: the plan takes " + std::to_string(program.bindings) + " bindings and " +
                         std::to_string(program.scalars) + " scalars, got " + std::to_string(offsetCount) + " and " +
                         std::to_string(scalarCount));
  std::unique_ptr<Job> job(new Job);
  job->program = handle->program;
  for (size_t i = 0; i < offsetCount; i++) {
    napi_value element;
    if (napi_get_element(env, args[1], static_cast<uint32_t>(i), &element) != napi_ok) return nullptr;
    char* at = place(env, external<BufferHandle>(env, element), static_cast<const double*>(offsets)[i], 0, "run");
    if (!at) return nullptr;
    job->bindings.push_back(at);
  }
  job->scalars.assign(static_cast<const double*>(scalars), static_cast<const double*>(scalars) + scalarCount);
  Device& device = *handle->device;
  napi_value out = promise(env, device, job.get());
  device.enqueue(job.release());
  return out;
}

}  // namespace

napi_value fail(napi_env env, const std::string& message) {
  napi_throw_error(env, nullptr, message.c_str());
  return nullptr;
}

napi_value queueCall(napi_env env, napi_value value, Call call) {
  DeviceHandle* handle = external<DeviceHandle>(env, value);
  if (!handle) return fail(env, "the first argument must be a device");
  Device& device = **handle;
  Job* job = new Job;
  job->type = Job::call;
  napi_value list;
  napi_create_array(env, &list);
  for (size_t i = 0; i < call.kept.size(); i++) napi_set_element(env, list, static_cast<uint32_t>(i), call.kept[i]);
  napi_create_reference(env, list, 1, &job->result);
  call.kept.clear();
  job->work = std::move(call);
  napi_value out = promise(env, device, job);
  device.enqueue(job);
  return out;
}

}  // namespace flybrick

NAPI_MODULE_INIT() {
  std::vector<std::pair<const char*, napi_callback>> functions = {
      {"open", flybrick::open},       {"info", flybrick::info}, {"allocate", flybrick::allocateBuffer},
      {"free", flybrick::freeBuffer}, {"write", flybrick::write}, {"read", flybrick::read},
      {"prepare", flybrick::prepare}, {"run", flybrick::run},      {"address", flybrick::addressOf},
  };
  functions.insert(functions.end(), flybrick::kLearners, flybrick::kLearners + flybrick::kLearnerCount);
  for (const auto& [name, function] : functions) {
    napi_value value;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &value);
    napi_set_named_property(env, exports, name, value);
  }
  return exports;
}
