// The largest number of records that CheckNumRecords (data/core/record_limit.h) allows in files
// that consist of them.
//
// Example:
//   const size_t most =
//       MostRecords([](size_t records) { return absl::StrCat("[", records, "]").size(); });

#ifndef RCNN_DATA_TESTING_MOST_RECORDS_H_
#define RCNN_DATA_TESTING_MOST_RECORDS_H_

#include <cstddef>

#include "absl/functional/function_ref.h"
#include "rcnn/data/core/record_limit.h"

namespace rcnn::data::testing {

// `file_bytes`: the size of a file of so many records, of fewer than `least_bytes` each.
inline size_t MostRecords(absl::FunctionRef<size_t(size_t records)> file_bytes,
                          size_t least_bytes = 16) {
  size_t records = kFewRecords;
  while (records < kFewRecords + file_bytes(records + 1) / least_bytes) ++records;
  return records;
}

}  // namespace rcnn::data::testing

#endif  // RCNN_DATA_TESTING_MOST_RECORDS_H_
