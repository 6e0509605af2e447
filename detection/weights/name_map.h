// Turns another project's tensor names into ours, and back.
//
// A map is data: an ordered list of patterns, of which the first that matches a
// name renames it. known_name_maps.h holds those of the projects whose weights
// people have; a new one needs no code. Values and shapes are never touched
// here: see import.h for shapes.
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

// One pattern. At most one '*' on each side, which stands for one or more
// characters and is carried over.
struct NameRule {
  std::string theirs;
  std::string ours;  // empty: the tensor is known, and left out
  // For a second spelling of names that an earlier rule already produces: used
  // from theirs to ours, not back.
  bool only_to_ours = false;
};

struct NameMap {
  std::string name;         // "torchvision_vgg16"
  std::string description;  // one line
  std::vector<NameRule> rules;
  // Names of theirs that, all present, tell that a file is of this kind.
  std::vector<std::string> signature;
  // What networks with these weights expect of their input.
  std::optional<ImageNormalization> image;
};

// Returns our name for theirs, "" if the map leaves the tensor out, nullopt if no
// rule matches.
std::optional<std::string> OurName(const NameMap& map, absl::string_view theirs);

// The other way. A rule that leaves out has no way back.
std::optional<std::string> TheirName(const NameMap& map, absl::string_view ours);

enum class NameDirection { kToOurs, kToTheirs };

struct MappedStateDict {
  StateDict state;                    // renamed, in the order of the source
  std::vector<std::string> left_out;  // names of the source that a rule leaves out
  std::vector<std::string> unknown;   // names of the source that no rule matches
};

// Renames all tensors; they are shared with `source`, not copied. The metadata
// is taken over; to ours, the map's name and image normalisation are added where
// the source has none. kInvalidArgument if two tensors get the same name.
absl::StatusOr<MappedStateDict> ApplyNameMap(const NameMap& map, const StateDict& source,
                                             NameDirection direction = NameDirection::kToOurs);

}  // namespace rcnn::detection::weights

#endif  // RCNN_DETECTION_WEIGHTS_NAME_MAP_H_
