// Makes glibc keep memory instead of returning every large block to the kernel.
//
// Mapping and unmapping a tensor at every layer causes page faults, a quarter of a
// detector's time. With these settings large blocks come from the heap, which is
// not trimmed, grows in large steps and may use huge pages. The price: the process
// keeps its peak memory until it ends, except for what ReturnFreedMemory returns.
//
// The environment variables are glibc's own (mallopt(3)); values set by the user
// are respected.

#ifndef RCNN_BASE_HEAP_H_
#define RCNN_BASE_HEAP_H_

#include <string>
#include <vector>

namespace rcnn {

// One setting of the heap, as an environment variable that glibc reads when a
// program starts.
struct HeapVariable {
  const char* name;
  const char* value;
};

// The environment needed for the full effect: thresholds for mapping (4 GiB) and
// trimming (8 GiB), the growth step (64 MiB), and huge pages.
const std::vector<HeapVariable>& HeapEnvironment();

// Applies the settings that a running process can change, which excludes huge
// pages. Skips settings whose variable is in the environment. Does nothing with a C
// library other than glibc.
void KeepHeap();

// Returns freed memory to the kernel: whole pages between blocks in use, and the end of the heap.
// For the moment when a large part of the heap is freed for good, such as weights that have been
// packed; blocks that are allocated in these pages later cause page faults again. Does nothing with
// a C library other than glibc. Thread-safe.
void ReturnFreedMemory();

// The settings in force, each as "name=value", e.g. "mmap_threshold=4294967296".
std::vector<std::string> DescribeHeap();

}  // namespace rcnn

#endif  // RCNN_BASE_HEAP_H_
