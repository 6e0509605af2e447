// How much memory this process can still get, for a notice before a large allocation.
//
// Example:
//   if (needed > AvailableMemoryBytes()) std::cerr << HumanBytes(needed) << " are needed\n";

#ifndef RCNN_BASE_AVAILABLE_MEMORY_H_
#define RCNN_BASE_AVAILABLE_MEMORY_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace rcnn {

// The bytes that the kernel estimates it can give without swapping (MemAvailable of
// /proc/meminfo), or what the limit of the control group leaves, if that is less. 0 if neither
// is known. Changes from moment to moment.
int64_t AvailableMemoryBytes();

// "850 MB", "12.3 GB"; decimal units.
std::string HumanBytes(int64_t bytes);

// Returns N * 1024 from the line "MemAvailable: N kB" of /proc/meminfo; 0 without that line.
// Public for its test.
int64_t ParseMemAvailable(absl::string_view meminfo);

}  // namespace rcnn

#endif  // RCNN_BASE_AVAILABLE_MEMORY_H_
