#include "rcnn/data/sources/folder_split.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/concat_dataset.h"
#include "rcnn/data/sources/folder_leaks.h"
#include "rcnn/data/sources/make_dataset.h"
#include "rcnn/data/sources/split_lists.h"
#include "rcnn/data/split/image_groups.h"

namespace rcnn::data {
namespace {

constexpr double kMostImages = 5000;
constexpr size_t kNamesShown = 5;

std::optional<SplitSide> ParseSide(absl::string_view name) {
  for (const SplitSide side : kAllSides) {
    if (name == SideName(side)) return side;
  }
  return std::nullopt;
}

class Splitter {
 public:
  Splitter(const OpenedFolder& folder, const FolderSplitOptions& options)
      : folder_(folder), options_(options) {}

  absl::StatusOr<FolderSplit> Split() {
    split_.classes = folder_.classes;
    split_.notices = folder_.notices;
    RCNN_RETURN_IF_ERROR(FindSource());
    // Before the images are hashed, which takes long.
    if (shares_.val > 0 || shares_.test > 0) {
      RCNN_ASSIGN_OR_RETURN(lists_, SplitLists::Read(options_.directory, folder_.folder));
    }
    all_ = ListFolderImages(folder_);
    RCNN_ASSIGN_OR_RETURN(groups_, FindGroups(all_, options_.hashes, split_.notices));
    std::vector<int> side;
    for (const auto& [part, index] : all_.places) {
      side.push_back(part == source_ ? 0 : static_cast<int>(*ParseSide(folder_.parts[part].name)));
    }
    if (lists_) RCNN_RETURN_IF_ERROR(Cut(side));
    split_.leaks = CollectLeaks(all_, groups_, side, {"train", "val", "test"});
    RCNN_RETURN_IF_ERROR(OpenParts());
    return std::move(split_);
  }

 private:
  // The part that is cut, and which parts are cut out of it.
  absl::Status FindSource() {
    const bool single = folder_.parts.size() == 1;
    for (size_t i = 0; i < folder_.parts.size(); ++i) {
      if (folder_.parts[i].name == "train" || single) source_ = i;
    }
    if (source_ == SIZE_MAX) {
      return absl::InvalidArgumentError(
          absl::StrCat(folder_.folder,
                       ": has a part val and a part test, but none to train on; "
                       "call one train, or add it"));
    }
    const double size = static_cast<double>(folder_.parts[source_].images->size());
    shares_ = options_.shares;
    shares_.val = std::min(shares_.val, kMostImages / size);
    shares_.test = std::min(shares_.test, kMostImages / size);
    if (!single && folder_.FindPart("val") != nullptr) shares_.val = 0;
    if (!single && folder_.FindPart("test") != nullptr) shares_.test = 0;
    return absl::OkStatus();
  }

  // Whether a side is made of lists.
  bool IsCut(SplitSide side) const {
    if (side == SplitSide::kTrain) return lists_.has_value();
    return (side == SplitSide::kVal ? shares_.val : shares_.test) > 0;
  }

  // Of a concat: which of its places; else 0.
  int64_t FindPlace(int64_t image) const {
    const OpenedPart& source = folder_.parts[source_];
    if (!source.config.has_concat()) return 0;
    return source.images->image(image).id / ConcatDataset::kIdStep;
  }

  // The images of the source; `places`: their indices among all images.
  std::vector<SplitImage> SourceImages(std::vector<size_t>& places) const {
    const Dataset& source = *folder_.parts[source_].images;
    std::vector<SplitImage> images;
    for (size_t i = 0; i < all_.places.size(); ++i) {
      if (all_.places[i].first != source_) continue;
      const int64_t index = all_.places[i].second;
      SplitImage image = {all_.names[i], groups_.group[i], {}};
      std::set<int64_t> labels;
      for (const Object& object : source.objects(index)) labels.insert(object.label);
      image.labels.assign(labels.begin(), labels.end());
      image.side = lists_->Find(FindPlace(index), all_.names[i]);
      images.push_back(std::move(image));
      places.push_back(i);
    }
    return images;
  }

  absl::Status Cut(std::vector<int>& side) {
    std::vector<size_t> places;
    const std::vector<SplitImage> images = SourceImages(places);
    const PlannedSplit plan = PlanSplit(images, shares_);
    int64_t added = 0;
    for (size_t k = 0; k < images.size(); ++k) {
      side[places[k]] = static_cast<int>(plan.side[k]);
      if (images[k].side) continue;
      const int64_t place = FindPlace(all_.places[places[k]].second);
      RCNN_RETURN_IF_ERROR(lists_->Add(plan.side[k], place, images[k].name));
      ++added;
    }
    RCNN_RETURN_IF_ERROR(CheckSides());
    if (added > 0) {
      RCNN_RETURN_IF_ERROR(lists_->Write(options_.growth_directory));
    } else if (options_.records_checksums) {
      RCNN_RETURN_IF_ERROR(lists_->RecordChecksums());
    }
    AddNotices(images, plan, added);
    return absl::OkStatus();
  }

  absl::Status CheckSides() const {
    int64_t images = 0;
    bool lacks = false;
    for (const SplitSide side : kAllSides) {
      images += lists_->Count(side);
      lacks = lacks || (IsCut(side) && lists_->Count(side) == 0);
    }
    if (!lacks) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat(folder_.folder, ": ", Counted(images, "image is", "images are"),
                     " too few to be split: at least 3 from different sources are needed; add "
                     "images"));
  }

  // What the folder lacks, for a message.
  std::string Lacking() const {
    const std::string& given = folder_.parts[source_].name;
    if (given == "val" || given == "test") {
      return absl::StrCat("the folder has only a part ", given, ", which is split");
    }
    return absl::StrCat("the folder has no part ", shares_.val > 0 ? "val" : "",
                        shares_.val > 0 && shares_.test > 0 ? " and no part " : "",
                        shares_.test > 0 ? "test" : "");
  }

  void AddNotices(const std::vector<SplitImage>& images, const PlannedSplit& plan, int64_t added) {
    std::vector<std::string> parts;
    for (const SplitSide side : {SplitSide::kVal, SplitSide::kTest}) {
      if (!IsCut(side)) continue;
      parts.push_back(absl::StrCat(Counted(lists_->Count(side), "image"), " to ", SideName(side)));
    }
    split_.notices.push_back(absl::StrCat(
        Lacking(), ": of ", Counted(images.size(), "image"), ", ", absl::StrJoin(parts, " and "),
        "; val selects a checkpoint, test selects nothing; lists in ", lists_->directory()));
    if (shares_.val == 0) {
      split_.notices.push_back(
          "the given part val selects a checkpoint, so it does not serve as test");
    }
    if (lists_->were_there() && added > 0) {
      split_.notices.push_back(
          absl::StrCat(Counted(added, "new image was", "new images were"), " added to the split"));
    }
    AddTorn(images, plan.torn);
  }

  // `torn`: new images whose source is on several sides.
  void AddTorn(const std::vector<SplitImage>& images, const std::vector<int64_t>& torn) {
    for (size_t k = 0; k < torn.size() && k < kNamesShown; ++k) {
      split_.notices.push_back(
          absl::StrCat(images[static_cast<size_t>(torn[k])].name,
                       " shares its source with images on several sides and goes to train"));
    }
    if (torn.size() <= kNamesShown) return;
    const size_t more = torn.size() - kNamesShown;
    split_.notices.push_back(absl::StrCat(Counted(more, "more new image", "more new images"),
                                          " of sources on several sides ", Noun(more, "goes", "go"),
                                          " to train"));
  }

  // The config of the source for the images of a side.
  configs::DatasetConfig MakeConfig(SplitSide side) const {
    const configs::DatasetConfig& source = folder_.parts[source_].config;
    if (!source.has_concat()) {
      configs::DatasetConfig config = source;
      config.mutable_paths()->set_image_list(lists_->Path(side, 0));
      return config;
    }
    configs::DatasetConfig config;
    for (const int64_t place : lists_->Places(side)) {
      configs::DatasetConfig* const part = config.mutable_concat()->add_parts();
      *part = source.concat().parts(static_cast<int>(place));
      part->mutable_paths()->set_image_list(lists_->Path(side, place));
    }
    return config;
  }

  absl::Status OpenParts() {
    for (const SplitSide side : kAllSides) {
      if (!IsCut(side)) {
        TakeGiven(side);
        continue;
      }
      OpenedPart part = {SideName(side), MakeConfig(side), nullptr};
      RCNN_ASSIGN_OR_RETURN(part.images,
                            MakeDataset(part.config, {.follow_links = folder_.follow_links}));
      split_.parts.push_back(std::move(part));
    }
    if (lists_) CollectDefects();
    return absl::OkStatus();
  }

  // A part that the folder has, if it has it.
  void TakeGiven(SplitSide side) {
    if (side == SplitSide::kTrain) {
      split_.parts.push_back(folder_.parts[source_]);
      split_.parts.back().name = "train";
    } else if (const OpenedPart* const part = folder_.FindPart(SideName(side))) {
      split_.parts.push_back(*part);
    }
  }

  // Defects that no part reports, because no part has their images.
  void CollectDefects() {
    const Dataset& source = *folder_.parts[source_].images;
    absl::flat_hash_set<std::string> used;
    for (int64_t i = 0; i < source.size(); ++i) used.insert(source.image(i).name);
    for (const Defect& defect : source.defects().defects()) {
      if (used.count(defect.image) == 0) split_.defects.Add(defect);
    }
    if (split_.defects.empty()) return;
    const std::vector<std::string> lines =
        absl::StrSplit(split_.defects.ToString(kNamesShown), '\n', absl::SkipEmpty());
    split_.notices.push_back(
        absl::StrCat(Counted(split_.defects.total(), "defect"),
                     " of images that are in no part: ", absl::StrJoin(lines, "; ")));
  }

  const OpenedFolder& folder_;
  const FolderSplitOptions& options_;
  size_t source_ = SIZE_MAX;
  SplitShares shares_;
  std::optional<SplitLists> lists_;  // if a part is cut
  FolderImages all_;
  ImageGroups groups_;
  FolderSplit split_;
};

}  // namespace

const OpenedPart* FolderSplit::FindPart(absl::string_view name) const {
  for (const OpenedPart& part : parts) {
    if (part.name == name) return &part;
  }
  return nullptr;
}

absl::StatusOr<FolderSplit> SplitFolder(const OpenedFolder& folder,
                                        const FolderSplitOptions& options) {
  return Splitter(folder, options).Split();
}

}  // namespace rcnn::data
