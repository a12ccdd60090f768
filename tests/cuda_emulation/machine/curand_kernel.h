// CUDA's words in generated code, for a C++ compiler. GeNN includes this header by the name of one of CUDA's; the
// types and the declarations of the runtime are CUDA's own (cuda_runtime_api.h).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>

#include <cuda_runtime_api.h>

#undef __global__
#undef __device__
#undef __constant__
#undef __shared__
#define __global__
#define __device__
#define __constant__
// A section of its own, so that it can be spoiled before each block: on a processor it holds whatever was there
#define __shared__ static __attribute__((section("shared_memory")))
extern "C" char __start_shared_memory[] __attribute__((weak, visibility("hidden")));
extern "C" char __stop_shared_memory[] __attribute__((weak, visibility("hidden")));

// GeNN declares the types of CUDA's random numbers, and gridsearch draws its own
struct curandState;
struct curandStatePhilox4_32_10_t;

using std::max;
using std::min;

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

namespace emulation {
void run_kernel(dim3 grid, dim3 block, const std::function<void()> &thread, char *shared, char *shared_end);
void wait_for_all(const char *file, int line);
float add(float *sum, float value, bool atomic);

// `kernel<<<grid, block>>>(arguments)`
template <typename Thread> void launch(dim3 grid, dim3 block, const Thread &thread) {
    run_kernel(grid, block, thread, __start_shared_memory, __stop_shared_memory);
}

// `sum += value` in shared memory, which is three operations: other threads may come between them
inline void add_in_shared(float &sum, float value) { add(&sum, value, false); }
}  // namespace emulation

#define __syncthreads() ::emulation::wait_for_all(__FILE__, __LINE__)

template <typename T, typename U> T atomicAdd(T *sum, U value) {
    const T before = *sum;
    *sum = before + (T)value;
    return before;
}
inline float atomicAdd(float *sum, float value) { return ::emulation::add(sum, value, true); }
template <typename T, typename U> T atomicOr(T *word, U bits) {
    const T before = *word;
    *word = before | (T)bits;
    return before;
}
inline int __clz(unsigned int word) { return word == 0 ? 32 : __builtin_clz(word); }
