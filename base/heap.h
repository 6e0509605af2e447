// Tells glibc to keep memory instead of giving every large block back.
//
// A tensor that is mapped and unmapped at every layer costs page faults: a
// quarter of a detector's time. Large blocks then come from the heap, which is
// not trimmed, grows in large steps and may use huge pages. The price is that
// the process keeps its peak memory until it ends.
//
// The variables of the environment are glibc's own (mallopt(3)); each is
// respected when the user has set it.

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

// What the environment must hold for the whole effect: thresholds for mapping
// (4 GiB) and trimming (8 GiB), the step of growth (64 MiB), and huge pages.
const std::vector<HeapVariable>& HeapEnvironment();

// Sets what can be set in a running process; huge pages cannot be. Does nothing
// for a setting whose variable is in the environment, and nothing with a C
// library other than glibc.
void KeepHeap();

// The settings in force, each as "name=value", e.g. "mmap_threshold=4294967296".
std::vector<std::string> DescribeHeap();

}  // namespace rcnn

#endif  // RCNN_BASE_HEAP_H_
