// Limits the number of records in an annotation file by the size of the file.
//
// A record of a few bytes, such as "{}" or "<box/>", takes some 200 bytes of memory once it is
// read. Useful records are longer, so shorter ones are refused beyond a number that does no harm.
//
// Example:
//   RCNN_RETURN_IF_ERROR(CheckNumRecords(shapes.size() + 1, "shapes", bytes.size()));
//   shapes.push_back(shape);

#ifndef RCNN_DATA_CORE_RECORD_LIMIT_H_
#define RCNN_DATA_CORE_RECORD_LIMIT_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rcnn::data {

// Any file may have this many.
inline constexpr size_t kFewRecords = 1000;

// kInvalidArgument, "too many shapes for a file of 9000 bytes", if `records` is more than
// kFewRecords + file_bytes / least_bytes. `what` names the records in the message. `least_bytes` is
// positive and at most the length of the format's shortest useful record. Call it before each
// record is kept, with the number that there are with it.
absl::Status CheckNumRecords(size_t records, absl::string_view what, size_t file_bytes,
                             size_t least_bytes = 16);

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_RECORD_LIMIT_H_
