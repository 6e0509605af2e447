// The memory that work needs, as the system counts it.
//
// For tests of readers whose memory is bounded by the size of their file. Memory that is reserved
// and never touched does not count.

#ifndef RCNN_BASE_TESTING_PEAK_MEMORY_H_
#define RCNN_BASE_TESTING_PEAK_MEMORY_H_

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>

#include "absl/functional/function_ref.h"

namespace rcnn {

// Sanitizers keep memory of their own for each byte.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kMeasuresMemory = false;
#else
inline constexpr bool kMeasuresMemory = true;
#endif

// The most that this process has had in memory so far, in MiB.
inline int64_t PeakMegabytes() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} / 1024;
}

// The largest resident memory of a child process that does the work, in bytes; -1 if it did not end
// well. For a process of one thread; what the work changes in memory is lost.
inline int64_t MeasureResidentBytes(absl::FunctionRef<void()> work) {
  const pid_t child = fork();
  if (child < 0) return -1;
  if (child == 0) {
    work();
    _exit(0);
  }
  int status = 0;
  rusage usage = {};
  if (wait4(child, &status, 0, &usage) != child || status != 0) return -1;
  return int64_t{usage.ru_maxrss} * 1024;
}

// How much more that is than without the work; -1 if it did not end well.
inline int64_t MeasurePeakBytes(absl::FunctionRef<void()> work) {
  const int64_t before = MeasureResidentBytes([] {});
  const int64_t peak = MeasureResidentBytes(work);
  return before < 0 || peak < 0 ? -1 : peak - before;
}

}  // namespace rcnn

#endif  // RCNN_BASE_TESTING_PEAK_MEMORY_H_
