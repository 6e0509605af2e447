// The record of a rehearsal: the keys of the stages that were rehearsed, and how long a unit of
// each took.
//
//   4f3c…                       a line for each key
//   rpn1 0.25                   a line for each stage: seconds per iteration or image
//   checksum 89abcdef           CRC-32C of the lines before
//
// A record that is damaged or of other keys counts as none: the stages are rehearsed again.
//
// Example:
//   const std::string text = RehearsalRecordText(keys, seconds);
//   const auto known = ParseRehearsalRecord(text, keys);   // seconds again

#ifndef RCNN_TRAINING_SCHEDULER_REHEARSAL_RECORD_H_
#define RCNN_TRAINING_SCHEDULER_REHEARSAL_RECORD_H_

#include <map>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace rcnn::training {

// `keys`: the first lines. Seconds keep six digits.
std::string RehearsalRecordText(absl::string_view keys,
                                const std::map<std::string, double>& seconds);

// The seconds of a record that begins with `keys`; those that are negative or not finite are left
// out. nullopt for a record of other keys, or a damaged one. Records of earlier versions have no
// checksum.
std::optional<std::map<std::string, double>> ParseRehearsalRecord(absl::string_view text,
                                                                  absl::string_view keys);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_REHEARSAL_RECORD_H_
