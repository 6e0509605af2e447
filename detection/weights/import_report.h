// A readable table of what happened to each tensor of an import.
//
// Example:
//   std::cout << report.ToString();      // a few lines: counts per part, what was not loaded
//   std::cout << report.ToString(true);  // every tensor

#ifndef RCNN_DETECTION_WEIGHTS_IMPORT_REPORT_H_
#define RCNN_DETECTION_WEIGHTS_IMPORT_REPORT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace rcnn::detection::weights {

enum class ImportOutcome {
  kLoaded,         // copied as it is, or after a change of type
  kReshaped,       // copied; same elements in the same order, other shape
  kSkipped,        // in the file, not in the model or left out by the name map
  kLeftAtInitial,  // in the model, not in the file or named as re-initialised
};

struct ImportRow {
  ImportOutcome outcome = ImportOutcome::kLoaded;
  std::string name;    // ours; theirs for a skipped tensor
  std::string theirs;  // the name in the file; "" if missing
  std::string shape;   // the model's; the file's for a skipped tensor
  std::string note;    // "from [4096, 512, 7, 7]", "from Half", "left out by the map"
};

struct ImportReport {
  std::string source;  // what was imported, for the first line
  std::string map;     // the name map
  std::vector<ImportRow> rows;

  int64_t Count(ImportOutcome outcome) const;

  // A line on source and map; a table of counts with a row per part of the model
  // (the first word of the name); then, one per line, the tensors that were not
  // loaded as they were, or, if `every_tensor`, all. Long runs of one
  // outcome are cut at 12 lines unless `every_tensor`.
  std::string ToString(bool every_tensor = false) const;
};

// "loaded", "reshaped", "skipped", "left at initial value".
absl::string_view OutcomeName(ImportOutcome outcome);

}  // namespace rcnn::detection::weights

#endif  // RCNN_DETECTION_WEIGHTS_IMPORT_REPORT_H_
