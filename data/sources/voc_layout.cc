#include "rcnn/data/sources/voc_layout.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/folder_listing.h"
#include "rcnn/data/sources/annotation_pairs.h"
#include "rcnn/data/sources/part_folders.h"

namespace rcnn::data {
namespace {

configs::DatasetConfig MakeVocConfig(const std::string& root, const AnnotationPair& pair) {
  configs::DatasetConfig config;
  config.mutable_voc()->set_coordinates(configs::RECOGNISED);
  SetCommonFields(config);
  config.mutable_paths()->set_folder(root);
  config.mutable_paths()->set_annotations(pair.annotations);
  config.mutable_paths()->set_images(pair.images);
  return config;
}

}  // namespace

absl::StatusOr<std::vector<PartPlace>> FindVoc(const FolderContents& contents, Notices& notices) {
  RCNN_ASSIGN_OR_RETURN(const std::vector<AnnotationPair> pairs,
                        FindPairs(contents, AnnotationKind::kVoc, "VOC", /*widen=*/false, notices));
  std::vector<PartPlace> places;
  // Lists name the images of inner folders too: "night/0".
  std::vector<std::string> listed_folders;
  for (const AnnotationPair& pair : pairs) {
    const bool is_listed =
        std::any_of(listed_folders.begin(), listed_folders.end(),
                    [&](const auto& folder) { return IsInside(pair.annotations, folder); });
    if (is_listed) continue;
    const std::string root(ParentPart(pair.annotations));
    const configs::DatasetConfig config = MakeVocConfig(root, pair);
    std::map<std::string, std::string> lists = ListsIn(contents, JoinParts(root, "ImageSets/Main"));
    if (lists.count("train") > 0 && lists.count("val") > 0) lists.erase("trainval");
    if (lists.count("trainval") > 0) lists.erase("train"), lists.erase("val");
    for (const auto& [name, file] : lists) {
      configs::DatasetConfig listed = config;
      listed.mutable_voc()->set_split(std::string(StemPart(file)));
      places.push_back({name == "trainval" ? "train" : name, std::move(listed), file});
    }
    if (lists.empty()) {
      places.push_back({pair.part(), config, pair.Where()});
    } else if (!pair.annotations.empty()) {
      listed_folders.push_back(pair.annotations);
    }
  }
  return places;
}

}  // namespace rcnn::data
