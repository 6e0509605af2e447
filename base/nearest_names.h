// Names that were perhaps meant by one that does not exist.
//
// Names are near if few letters differ, are missing or are too many: by their Levenshtein distance.
//
// Example:
//   const std::string all = NearestFirst("abd", {"xyz", "abc"});  // "abc, xyz"
//   const std::vector<std::string> near = NearestNames("abd", {"xyz", "abc"});  // "abc"

#ifndef RCNN_BASE_NEAREST_NAMES_H_
#define RCNN_BASE_NEAREST_NAMES_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace rcnn {

// All of `names` joined by commas, the nearest to `wanted` first, equally near ones in their order.
// Of `wanted` at most 100 bytes are compared.
std::string NearestFirst(absl::string_view wanted, std::vector<std::string> names);

// Up to three of `names` that differ from `wanted` in at most half as many letters as it has; the
// nearest first, equally near ones sorted by name.
std::vector<std::string> NearestNames(absl::string_view wanted,
                                      const std::vector<std::string>& names);

}  // namespace rcnn

#endif  // RCNN_BASE_NEAREST_NAMES_H_
