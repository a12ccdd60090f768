// CUDA's runtime and driver on a machine that has no graphics processor. Memory of the device is memory of the host,
// apart from what the host sees of it; a kernel's blocks run one after another, the threads of a block as fibers that
// switch where they wait for each other.
#include "curand_kernel.h"

#include <chrono>
#include <csetjmp>

#include <cuda.h>
#include <ucontext.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <numeric>
#include <random>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

extern "C" {
unsigned int emulation_order = 0;            // 0: blocks and threads in order; else the seed they are shuffled with
unsigned int emulation_exact = 0;            // sums of numbers do not depend on their order
unsigned int emulation_deferred = 0;         // kernels run when the host waits for them, not when they are launched
}

namespace emulation {
namespace {
enum class State { READY, WAITING, DONE };
struct Fiber {
    ucontext_t context;
    jmp_buf place;  // where it goes on, once it has begun: a jump is quicker than a switch of contexts
    bool begun;
    std::unique_ptr<char[]> stack;
    State state;
    int line;
};
constexpr size_t STACK = 256 * 1024;
std::vector<std::unique_ptr<Fiber>> fibers;
jmp_buf scheduler;
Fiber *current = nullptr;
const std::function<void()> *body = nullptr;
std::mt19937 shuffling;
unsigned int shuffled_with = 0;
std::unordered_map<float *, long double> sums;
std::vector<std::function<void()>> launched;  // and not run yet

void to_scheduler() {
    if(_setjmp(current->place) == 0) {
        _longjmp(scheduler, 1);
    }
}

void to_fiber(Fiber *fiber) {
    current = fiber;
    if(_setjmp(scheduler) == 0) {
        if(current->begun) {
            _longjmp(current->place, 1);
        }
        current->begun = true;
        setcontext(&current->context);
    }
}

void run_fibers() {
    for(;;) {
        (*body)();
        current->state = State::DONE;
        to_scheduler();
    }
}

Fiber &fiber(size_t index) {
    while(fibers.size() <= index) {
        auto made = std::make_unique<Fiber>();
        made->stack.reset(new char[STACK]);
        getcontext(&made->context);
        made->context.uc_stack.ss_sp = made->stack.get();
        made->context.uc_stack.ss_size = STACK;
        made->context.uc_link = nullptr;
        made->begun = false;
        makecontext(&made->context, run_fibers, 0);
        fibers.push_back(std::move(made));
    }
    return *fibers[index];
}

std::vector<unsigned int> in_some_order(size_t n) {
    std::vector<unsigned int> order(n);
    std::iota(order.begin(), order.end(), 0);
    if(emulation_order != 0) {
        if(emulation_order != shuffled_with) {
            shuffling.seed(shuffled_with = emulation_order);
        }
        std::shuffle(order.begin(), order.end(), shuffling);
    }
    return order;
}

void run_block(size_t n_threads) {
    for(size_t thread = 0; thread < n_threads; thread++) {
        fiber(thread).state = State::READY;
    }
    size_t n_ready = n_threads;
    while(n_ready > 0) {
        // until each waits, or is done: threads that let others run are taken up again
        while(n_ready > 0) {
            for(const unsigned int thread : in_some_order(n_threads)) {
                if(fibers[thread]->state == State::READY) {
                    threadIdx = {thread % blockDim.x, thread / blockDim.x, 0};
                    to_fiber(fibers[thread].get());
                    n_ready -= (fibers[thread]->state != State::READY);
                }
            }
        }
        int line = 0;
        for(size_t thread = 0; thread < n_threads; thread++) {
            if(fibers[thread]->state == State::WAITING) {
                if(line != 0 && fibers[thread]->line != line) {
                    std::fprintf(stderr, "threads of a block wait at lines %d and %d\n", line, fibers[thread]->line);
                    std::abort();
                }
                line = fibers[thread]->line;
                fibers[thread]->state = State::READY;
                n_ready++;
            }
        }
    }
}

void run_now(dim3 grid, dim3 block, const std::function<void()> &thread, char *shared, char *shared_end) {
    body = &thread;
    gridDim = grid;
    blockDim = block;
    sums.clear();
    for(const unsigned int index : in_some_order((size_t)grid.x * grid.y * grid.z)) {
        blockIdx = {index % grid.x, index / grid.x % grid.y, index / grid.x / grid.y};
        std::memset(shared, 0xFF, shared_end - shared);
        run_block((size_t)block.x * block.y * block.z);
    }
}

// A processor runs what was launched, in that order, while the host goes on until it waits for it
void run_launched() {
    std::vector<std::function<void()>> now;
    now.swap(launched);
    for(const auto &kernel : now) {
        kernel();
    }
}
}  // namespace

void run_kernel(dim3 grid, dim3 block, const std::function<void()> &thread, char *shared, char *shared_end) {
    launched.push_back([=]() { run_now(grid, block, thread, shared, shared_end); });
    if(!emulation_deferred) {
        run_launched();
    }
}

void wait_for_all(const char *, int line) {
    current->state = State::WAITING;
    current->line = line;
    to_scheduler();
}

float add(float *sum, float value, bool atomic) {
    const float before = *sum;
    long double precise = before;
    if(emulation_exact) {
        const auto known = sums.find(sum);
        if(known != sums.end() && (float)known->second == before) {
            precise = known->second;
        }
    }
    if(!atomic) {
        to_scheduler();
    }
    if(emulation_exact) {
        precise += value;
        sums[sum] = precise;
        *sum = (float)precise;
    }
    else {
        *sum = before + value;
    }
    return before;
}
}  // namespace emulation

namespace {
// What a test asks of the device, in the environment: bytes that can be had of its memory, of which more seem free; an
// error with which it answers
constexpr size_t MEMORY = (size_t)16 << 30;
std::unordered_map<void *, size_t> taken;  // by the device's arrays
size_t n_taken = 0;

size_t limit() {
    const char *given = std::getenv("CUDA_EMULATION_LIMIT");
    return given == nullptr ? MEMORY : std::strtoull(given, nullptr, 10);
}

cudaError_t trouble() {
    const char *given = std::getenv("CUDA_EMULATION_ERROR");
    return given == nullptr ? cudaSuccess : (cudaError_t)std::atoi(given);
}

// Nothing may depend on what memory holds before it is written
void *spoiled(size_t size) {
    void *memory = std::aligned_alloc(256, (size + 255) / 256 * 256 + 256);
    return memory == nullptr ? nullptr : std::memset(memory, 0xA5, size);
}
}  // namespace

extern "C" {
// The runtime
cudaError_t cudaGetDeviceCount(int *count) { return *count = 1, trouble(); }
cudaError_t cudaSetDevice(int) { return cudaSuccess; }
cudaError_t cudaSetDeviceFlags(unsigned int) { return cudaSuccess; }
cudaError_t cudaRuntimeGetVersion(int *version) { return *version = CUDART_VERSION, cudaSuccess; }
const char *cudaGetErrorString(cudaError_t error) {
    return error == cudaErrorMemoryAllocation ? "out of memory" : "an error of the emulation";
}
cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int) {
    return *value = attribute == cudaDevAttrComputeCapabilityMajor ? 9 : 0, trouble();
}
cudaError_t cudaMemGetInfo(size_t *free, size_t *total) {
    return *total = MEMORY, *free = MEMORY - n_taken, trouble();
}
cudaError_t cudaPeekAtLastError() { return cudaSuccess; }
cudaError_t cudaDeviceSynchronize() { return emulation::run_launched(), cudaSuccess; }
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int) {
    std::memset(properties, 0, sizeof *properties);
    std::strcpy(properties->name, "emulation of CUDA");
    properties->major = 9;
    properties->warpSize = 32;
    properties->maxThreadsPerBlock = 1024;
    properties->maxThreadsPerMultiProcessor = 2048;
    properties->multiProcessorCount = 132;
    properties->regsPerBlock = properties->regsPerMultiprocessor = 65536;
    properties->sharedMemPerBlock = 49152;
    properties->sharedMemPerMultiprocessor = 233472;
    properties->totalConstMem = 65536;
    properties->totalGlobalMem = MEMORY;
    properties->canMapHostMemory = 1;
    for(int axis = 0; axis < 3; axis++) {
        properties->maxThreadsDim[axis] = axis < 2 ? 1024 : 64;
        properties->maxGridSize[axis] = axis < 1 ? 2147483647 : 65535;
    }
    return trouble();
}
cudaError_t cudaHostAlloc(void **memory, size_t size, unsigned int) {
    return (*memory = spoiled(size)) == nullptr ? cudaErrorMemoryAllocation : cudaSuccess;
}
cudaError_t cudaMalloc(void **memory, size_t size) {
    if(n_taken + size > limit() || cudaHostAlloc(memory, size, 0) != cudaSuccess) {
        return cudaErrorMemoryAllocation;
    }
    n_taken += taken[*memory] = size;
    return cudaSuccess;
}
cudaError_t cudaHostGetDevicePointer(void **device, void *host, unsigned int) { return *device = host, cudaSuccess; }
cudaError_t cudaFree(void *memory) {
    emulation::run_launched();
    if(taken.count(memory)) {
        n_taken -= taken[memory];
        taken.erase(memory);
    }
    return std::free(memory), cudaSuccess;
}
cudaError_t cudaFreeHost(void *memory) { return cudaFree(memory); }
cudaError_t cudaMemset(void *memory, int value, size_t size) {
    return emulation::run_launched(), std::memset(memory, value, size), cudaSuccess;
}
cudaError_t cudaMemcpy(void *to, const void *from, size_t size, cudaMemcpyKind) {
    return emulation::run_launched(), std::memcpy(to, from, size), cudaSuccess;
}
cudaError_t cudaMemcpyToSymbolAsync(
    const void *symbol, const void *from, size_t size, size_t offset, cudaMemcpyKind, cudaStream_t) {
    return emulation::run_launched(), std::memcpy((char *)symbol + offset, from, size), cudaSuccess;
}

// Events, with which GeNN times its kernels where it is asked to
cudaError_t cudaEventCreate(cudaEvent_t *event) { return *event = (cudaEvent_t) new double(0.0), cudaSuccess; }
cudaError_t cudaEventDestroy(cudaEvent_t event) { return delete(double *)event, cudaSuccess; }
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t) {
    emulation::run_launched();
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return *(double *)event = std::chrono::duration<double, std::milli>(now).count(), cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t begin, cudaEvent_t end) {
    return *milliseconds = (float)(*(double *)end - *(double *)begin), cudaSuccess;
}

// The driver, of which a "module" is a list of its kernels' names
CUresult cuInit(unsigned int) { return CUDA_SUCCESS; }
CUresult cuDeviceGet(CUdevice *device, int index) { return *device = index, CUDA_SUCCESS; }
#if CUDA_VERSION < 13000
CUresult cuCtxCreate(CUcontext *context, unsigned int, CUdevice) { return *context = nullptr, CUDA_SUCCESS; }
#else
CUresult cuCtxCreate(CUcontext *context, CUctxCreateParams *, unsigned int, CUdevice) {
    return *context = nullptr, CUDA_SUCCESS;
}
#endif
CUresult cuCtxSetCurrent(CUcontext) { return CUDA_SUCCESS; }
CUresult cuCtxDestroy(CUcontext) { return CUDA_SUCCESS; }
CUresult cuGetErrorName(CUresult, const char **name) { return *name = "emulated", CUDA_SUCCESS; }
CUresult cuModuleLoad(CUmodule *module, const char *path) {
    std::ifstream file(path);
    std::ostringstream names;
    names << file.rdbuf();
    *module = (CUmodule) new std::string(names.str());
    return file ? CUDA_SUCCESS : CUDA_ERROR_FILE_NOT_FOUND;
}
CUresult cuModuleUnload(CUmodule module) { return delete(std::string *)module, CUDA_SUCCESS; }
CUresult cuModuleGetFunction(CUfunction *, CUmodule module, const char *name) {
    const bool found = ((std::string *)module)->find("\n" + std::string(name) + "\n") != std::string::npos;
    return found ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}
CUresult cuFuncGetAttribute(int *value, CUfunction_attribute attribute, CUfunction) {
    *value = attribute == CU_FUNC_ATTRIBUTE_NUM_REGS ? 40 : 0;
    return CUDA_SUCCESS;
}
}
