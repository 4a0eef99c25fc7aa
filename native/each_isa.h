// Includes FB_KERNELS once per instruction set, inside a namespace that has set kLanes and FB_MASKS. No include guard
// on purpose. Pragmas rather than flags per file: no inline function of the standard library can then be compiled for
// AVX-512 and picked by the linker for everybody. FB_OF_ISA(name) is the thing of that name for the calling thread.
#undef FB_MASKS
#define FB_MASKS 0
namespace portable {
constexpr int kLanes = 4;
#include FB_KERNELS
}  // namespace portable

#if defined(__x86_64__)
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#undef FB_MASKS
#define FB_MASKS 256
namespace avx2 {
constexpr int kLanes = 8;
#include FB_KERNELS
}  // namespace avx2
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")
#undef FB_MASKS
#define FB_MASKS 512
namespace avx512 {
constexpr int kLanes = 16;
#include FB_KERNELS
}  // namespace avx512
#pragma GCC pop_options
#define FB_OF_ISA(name) (isa() == Isa::avx512 ? avx512::name : isa() == Isa::avx2 ? avx2::name : portable::name)
#else
#define FB_OF_ISA(name) portable::name
#endif
