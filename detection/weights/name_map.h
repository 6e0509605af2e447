// Translates another project's tensor names to rcnn's, and back.
//
// A map is data: an ordered list of patterns, of which the first match renames a
// tensor. known_name_maps.h has the maps of other projects; a new one is another list.
// Values and shapes are unchanged here: see import.h for shapes.
//
// Example:
//   NameMap map;
//   map.rules = {{"features.0.*", "backbone.conv1_1.*"}, {"classifier.6.*", ""}};
//   RCNN_ASSIGN_OR_RETURN(MappedStateDict mapped, ApplyNameMap(map, vgg16));

#ifndef RCNN_DETECTION_WEIGHTS_NAME_MAP_H_
#define RCNN_DETECTION_WEIGHTS_NAME_MAP_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/detection/weights/image_normalization.h"
#include "rcnn/detection/weights/state_dict.h"

namespace rcnn::detection::weights {

// One pattern, with at most one '*' on each side, which matches one or more
// characters and is copied.
struct NameRule {
  std::string theirs;
  std::string ours;  // empty: the tensor is known, and left out
  // For an alternative spelling of names that an earlier rule already produces:
  // used only from theirs to ours.
  bool only_to_ours = false;
};

struct NameMap {
  std::string name;         // "torchvision_vgg16"
  std::string description;  // one line
  std::vector<NameRule> rules;
  // Names (theirs) that identify such a file if all are present.
  std::vector<std::string> signature;
  // The pixel normalisation that these weights expect.
  std::optional<ImageNormalization> image;
};

// Returns our name for theirs, "" if the map leaves the tensor out, nullopt if no
// rule matches.
std::optional<std::string> OurName(const NameMap& map, absl::string_view theirs);

// The reverse. Rules that leave tensors out cannot be reversed.
std::optional<std::string> TheirName(const NameMap& map, absl::string_view ours);

enum class NameDirection { kToOurs, kToTheirs };

struct MappedStateDict {
  StateDict state;                    // renamed, in the order of the source
  std::vector<std::string> left_out;  // names of the source that a rule leaves out
  std::vector<std::string> unknown;   // names of the source that no rule matches
};

// Renames all tensors; they are shared with `source`, not copied. The metadata is
// copied; in the direction to ours, the map's name and image normalisation are
// added if missing. kInvalidArgument if two tensors get the same name.
absl::StatusOr<MappedStateDict> ApplyNameMap(const NameMap& map, const StateDict& source,
                                             NameDirection direction = NameDirection::kToOurs);

}  // namespace rcnn::detection::weights

#endif  // RCNN_DETECTION_WEIGHTS_NAME_MAP_H_
