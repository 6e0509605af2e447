#include "rcnn/base/retired_flags.h"

namespace rcnn {
namespace {

struct Renamed {
  absl::string_view before;
  absl::string_view now;
};

constexpr Renamed kRenamed[] = {
    {"num_pictures", "num_worst_images"},
    {"picture", "image"},
    {"picture_score", "worst_images_score"},
    {"pictures", "worst_images"},
};

}  // namespace

absl::string_view RenamedFlag(absl::string_view name) {
  for (const Renamed& flag : kRenamed) {
    if (flag.before == name) return flag.now;
  }
  return "";
}

}  // namespace rcnn
