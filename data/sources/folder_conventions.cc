#include "rcnn/data/sources/folder_conventions.h"

#include <cstdint>
#include <set>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/defect_report.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/image/orientation.h"
#include "rcnn/data/voc/voc_coordinates.h"
#include "rcnn/data/voc/voc_folder.h"

namespace rcnn::data {
namespace {

Orientation GetTurn(const ImageInfo& info) {
  return info.orientation.value_or(Orientation::kUpright);
}

// Images whose annotated size is missing or wrong, and so tells nothing.
absl::flat_hash_set<std::string> ImagesWithoutSize(const Dataset& images) {
  absl::flat_hash_set<std::string> names;
  for (const Defect& defect : images.defects().defects()) {
    const bool concerns_image = defect.object < 0;
    if (concerns_image && defect.action == DefectAction::kKept) names.insert(defect.image);
  }
  return names;
}

struct ViewVotes {
  bool turned = false;
  bool stored = false;
};

// As in DecideBoxViews, from what it has decided.
void AddVotes(const Dataset& images, ViewVotes& votes) {
  const absl::flat_hash_set<std::string> without_size = ImagesWithoutSize(images);
  for (int64_t i = 0; i < images.size(); ++i) {
    const ImageInfo info = images.image(i);
    const bool tells = SwapsSides(GetTurn(info)) && info.width != info.height;
    if (!tells || without_size.count(info.name) > 0) continue;
    (info.exif_applied ? votes.turned : votes.stored) = true;
  }
}

}  // namespace

void ForEachSource(configs::DatasetConfig& config,
                   const std::function<void(configs::DatasetConfig&)>& visit) {
  if (!config.has_concat()) return visit(config);
  for (configs::DatasetConfig& part : *config.mutable_concat()->mutable_parts()) {
    ForEachSource(part, visit);
  }
}

absl::StatusOr<std::string> ShareVocCoordinates(
    const std::vector<configs::DatasetConfig*>& configs) {
  std::vector<configs::VocConfig*> sources;
  std::set<std::string> folders;
  for (configs::DatasetConfig* const config : configs) {
    ForEachSource(*config, [&](configs::DatasetConfig& source) {
      if (source.voc().coordinates() != configs::RECOGNISED) return;
      sources.push_back(source.mutable_voc());
      folders.insert(source.paths().annotations());
    });
  }
  if (folders.size() < 2) return std::string();
  CoordinateVotes votes;
  for (const std::string& folder : folders) {
    RCNN_RETURN_IF_ERROR(CountVocCorners(folder, votes));
  }
  const configs::VocCoordinates shared = votes.Recognise();
  for (configs::VocConfig* const source : sources) source->set_coordinates(shared);
  if (shared == configs::ONE_BASED_INCLUSIVE) return std::string();
  return absl::StrCat(votes.ToString(), ": the coordinates are read as ",
                      configs::VocCoordinates_Name(shared));
}

std::optional<configs::ExifOrientation> SharedExifOrientation(
    const std::vector<const Dataset*>& parts) {
  ViewVotes votes;
  for (const Dataset* const images : parts) AddVotes(*images, votes);
  if (votes.turned == votes.stored) return std::nullopt;
  return votes.turned ? configs::APPLIED : configs::NOT_APPLIED;
}

bool FollowsExifOrientation(const Dataset& images, configs::ExifOrientation orientation) {
  if (images.defects().counts().count(DefectKind::kUndecidedOrientation) > 0) return false;
  for (int64_t i = 0; i < images.size(); ++i) {
    const ImageInfo info = images.image(i);
    if (GetTurn(info) == Orientation::kUpright) continue;
    if (info.exif_applied != (orientation == configs::APPLIED)) return false;
  }
  return true;
}

}  // namespace rcnn::data
