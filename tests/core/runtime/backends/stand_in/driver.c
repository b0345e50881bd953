/* Copyright 2026 The elepose authors
 * SPDX-License-Identifier: Apache-2.0
 *
 * A stand-in for libcuda.so.1 on machines without a GPU: memory that is not the host's, a stream
 * that does nothing until somebody waits for it, recordings. It refuses what the driver refuses:
 * calls from a thread in which no context is current, waiting while recording.
 */
#include <stdlib.h>
#include <string.h>

#if __has_include(<cuda.h>)
#include <cuda.h> /* then the compiler compares the signatures below with the real ones */
#else
#include <stddef.h>
#define CUDAAPI
typedef int CUresult, CUdevice, CUdevice_attribute, CUstreamCaptureMode;
typedef unsigned long long CUdeviceptr;
typedef struct CUctx_st *CUcontext;
typedef struct CUstream_st *CUstream;
typedef struct CUgraph_st *CUgraph;
typedef struct CUgraphExec_st *CUgraphExec;
#endif

#define NO_CONTEXT 201
#define RECORDING 900
#define LOST 719
#define NEED_CONTEXT                  \
    if (lost) return LOST;            \
    if (!is_current) return NO_CONTEXT

typedef struct {
    void *to;
    const void *from;
    size_t size;
    void (*call)(int);
    int argument;
} Step;
typedef struct {
    Step steps[4096];
    int count;
} Steps;
struct CUstream_st {
    Steps queue, recorded;
    int is_recording;
};

static _Thread_local int is_current;
static int alive, lost;
static int context;

int stand_in_alive(void) { return alive; }
void stand_in_lose(int is_lost) { lost = is_lost; }

static void push(CUstream stream, Step step) {
    Steps *steps = stream->is_recording ? &stream->recorded : &stream->queue;
    steps->steps[steps->count++] = step;
}

void stand_in_launch(CUstream stream, void (*call)(int), int argument) {
    push(stream, (Step){.call = call, .argument = argument});
}

CUresult CUDAAPI cuInit(unsigned int flags) { return lost ? LOST : flags ? 1 : 0; }
CUresult CUDAAPI cuDeviceGet(CUdevice *device, int ordinal) {
    *device = ordinal;
    return 0;
}
CUresult CUDAAPI cuDeviceGetName(char *name, int length, CUdevice device) {
    strncpy(name, device ? "?" : "Stand-in", (size_t)length);
    return 0;
}
CUresult CUDAAPI cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device) {
    *value = device ? 0 : (int)attribute == 75 ? 8 : (int)attribute == 76 ? 7 : -1;
    return 0;
}
CUresult CUDAAPI cuDevicePrimaryCtxRetain(CUcontext *made, CUdevice device) {
    (void)device;
    *made = (CUcontext)(void *)&context;
    return 0;
}
CUresult CUDAAPI cuCtxSetCurrent(CUcontext given) {
    is_current = (void *)given == (void *)&context;
    return is_current ? 0 : NO_CONTEXT;
}
CUresult CUDAAPI cuMemAlloc_v2(CUdeviceptr *address, size_t size) {
    NEED_CONTEXT;
    *address = (CUdeviceptr)malloc(size);
    alive++;
    return 0;
}
CUresult CUDAAPI cuMemFree_v2(CUdeviceptr address) {
    NEED_CONTEXT;
    free((void *)address);
    alive--;
    return 0;
}
CUresult CUDAAPI cuMemAllocHost_v2(void **place, size_t size) {
    NEED_CONTEXT;
    *place = malloc(size);
    alive++;
    return 0;
}
CUresult CUDAAPI cuMemFreeHost(void *place) {
    NEED_CONTEXT;
    free(place);
    alive--;
    return 0;
}
CUresult CUDAAPI cuMemcpyHtoDAsync_v2(
    CUdeviceptr to, const void *from, size_t size, CUstream stream) {
    NEED_CONTEXT;
    push(stream, (Step){.to = (void *)to, .from = from, .size = size});
    return 0;
}
CUresult CUDAAPI cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t size, CUstream stream) {
    NEED_CONTEXT;
    push(stream, (Step){.to = to, .from = (void *)from, .size = size});
    return 0;
}
CUresult CUDAAPI cuStreamCreate(CUstream *stream, unsigned int flags) {
    NEED_CONTEXT;
    *stream = calloc(1, sizeof **stream);
    alive++;
    return flags == 1 ? 0 : 1;
}
CUresult CUDAAPI cuStreamDestroy_v2(CUstream stream) {
    NEED_CONTEXT;
    free(stream);
    alive--;
    return 0;
}
CUresult CUDAAPI cuStreamSynchronize(CUstream stream) {
    NEED_CONTEXT;
    if (stream->is_recording) return RECORDING;
    for (int i = 0; i < stream->queue.count; i++) {
        Step *step = &stream->queue.steps[i];
        if (step->call)
            step->call(step->argument);
        else
            memcpy(step->to, step->from, step->size);
    }
    stream->queue.count = 0;
    return 0;
}
CUresult CUDAAPI cuStreamBeginCapture_v2(CUstream stream, CUstreamCaptureMode mode) {
    NEED_CONTEXT;
    stream->is_recording = 1;
    stream->recorded.count = 0;
    return (int)mode == 1 ? 0 : 1;
}
CUresult CUDAAPI cuStreamEndCapture(CUstream stream, CUgraph *graph) {
    NEED_CONTEXT;
    stream->is_recording = 0;
    *graph = malloc(sizeof(Steps));
    memcpy(*graph, &stream->recorded, sizeof(Steps));
    alive++;
    return 0;
}
CUresult CUDAAPI cuGraphInstantiateWithFlags(
    CUgraphExec *made, CUgraph graph, unsigned long long flags) {
    NEED_CONTEXT;
    *made = malloc(sizeof(Steps));
    memcpy(*made, graph, sizeof(Steps));
    alive++;
    return flags ? 1 : 0;
}
CUresult CUDAAPI cuGraphLaunch(CUgraphExec made, CUstream stream) {
    NEED_CONTEXT;
    Steps *steps = (Steps *)made;
    for (int i = 0; i < steps->count; i++) push(stream, steps->steps[i]);
    return 0;
}
CUresult CUDAAPI cuGraphExecDestroy(CUgraphExec made) {
    NEED_CONTEXT;
    free(made);
    alive--;
    return 0;
}
CUresult CUDAAPI cuGraphDestroy(CUgraph graph) {
    NEED_CONTEXT;
    free(graph);
    alive--;
    return 0;
}
CUresult CUDAAPI cuGetErrorName(CUresult error, const char **name) {
    *name = error == LOST ? "CUDA_ERROR_LAUNCH_FAILED" : NULL;
    return *name ? 0 : 1;
}
