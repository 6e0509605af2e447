#include "rcnn/data/coco/coco_images.h"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/file_state.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/data/core/box_view.h"
#include "rcnn/data/core/defect_report.h"
#include "rcnn/data/core/image_facts.h"
#include "rcnn/data/core/image_file_name.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/image/orientation.h"

namespace rcnn::data {
namespace {

// Number of images that are checked for existence when the dataset is opened.
constexpr int64_t kImagesLookedFor = 16;
constexpr int64_t kLargestSide = 1'000'000'000;

class CocoImageList {
 public:
  CocoImageList(const configs::DatasetConfig& config, const CocoImageSource& source,
                AnnotationTable& table)
      : config_(config),
        file_(source.file),
        images_folder_(source.images_folder),
        check_images_(source.check_images),
        table_(table) {}

  absl::StatusOr<CocoImagePlaces> Add(std::vector<CocoImage> images);

 private:
  // A record of the file, located but not yet checked.
  struct ListedImage {
    ImageInfo info;
    // Not set if the file was not read.
    std::optional<ImageFacts> facts;
    // Set if the image is dropped; a pointer, because few are and a file may list millions.
    std::unique_ptr<Defect> defect;
    // The earlier record of the same file.
    std::optional<size_t> same_as;
  };

  // Of two records of one file.
  absl::Status CheckEqualSize(const ImageInfo& a, const ImageInfo& b) const;
  absl::Status MergeDuplicates(std::vector<ListedImage>& images);
  ListedImage LookUp(CocoImage image);
  void ReadFacts(ListedImage& image);
  void DecideViews(std::vector<ListedImage>& images);
  void ApplyView(BoxView view, ListedImage& image);
  absl::Status LookForImages(const std::string& first) const;
  static void DropImage(DefectKind kind, std::string value, ListedImage& image);

  const configs::DatasetConfig& config_;
  const std::string& file_;
  const std::string& images_folder_;
  const bool check_images_;
  // The first error of an image that cannot be read now: without it the dataset would be another.
  absl::Status unreadable_;
  AnnotationTable& table_;
};

void CocoImageList::DropImage(DefectKind kind, std::string value, ListedImage& image) {
  image.defect = std::make_unique<Defect>(Defect{image.info.name, -1, kind, std::move(value),
                                                 DefectAction::kImageDropped, image.info.name});
}

void CocoImageList::ReadFacts(ListedImage& image) {
  const absl::StatusOr<ImageFacts> facts = ReadImageFacts(image.info.path);
  KeepUnreadable(facts.status(), unreadable_);
  if (facts.ok()) {
    image.facts = *facts;
  } else if (absl::IsNotFound(facts.status())) {
    DropImage(DefectKind::kMissingImage, "", image);
  } else {
    DropImage(DefectKind::kUnreadableImage, std::string(facts.status().message()), image);
  }
}

CocoImageList::ListedImage CocoImageList::LookUp(CocoImage image) {
  ListedImage listed;
  ImageInfo& info = listed.info;
  info.id = image.id;
  info.width = image.width;
  info.height = image.height;
  absl::StatusOr<std::string> name = NameInFolder(images_folder_, image.file_name);
  KeepUnreadable(name.status(), unreadable_);
  if (!name.ok()) {
    info.name = image.file_name;
    DropImage(DefectKind::kUnsafeFileName, std::move(image.file_name), listed);
    return listed;
  }
  info.name = *std::move(name);
  const bool has_size =
      image.width > 0 && image.height > 0 && std::max(image.width, image.height) <= kLargestSide;
  if (!images_folder_.empty()) {
    info.path = JoinInside(images_folder_, info.name).value();
    const bool sizes_decide = config_.exif_orientation() == configs::FROM_ANNOTATED_SIZES;
    if (check_images_ || sizes_decide || !has_size) ReadFacts(listed);
  } else if (!has_size) {
    DropImage(DefectKind::kMissingField, "width, height", listed);
  }
  return listed;
}

void CocoImageList::ApplyView(BoxView view, ListedImage& image) {
  ImageInfo& info = image.info;
  const int64_t width = info.width;
  const int64_t height = info.height;
  SetView(view, *image.facts, info);
  if (info.width == width && info.height == height) return;
  table_.defects.Add(
      {info.name, -1, DefectKind::kWrongSize,
       absl::StrCat(width, " x ", height, ", the image has ", info.width, " x ", info.height),
       DefectAction::kKept, info.name});
}

// For images whose files were not read, the config alone decides.
void CocoImageList::DecideViews(std::vector<ListedImage>& images) {
  std::vector<ListedImage*> looked_at;
  std::vector<AnnotatedImage> annotated;
  for (ListedImage& image : images) {
    image.info.exif_applied = config_.exif_orientation() == configs::APPLIED;
    if (!image.facts || image.same_as) continue;
    looked_at.push_back(&image);
    annotated.push_back({image.info.name, *image.facts, image.info.width, image.info.height});
  }
  // Tools that write COCO differ.
  BoxViews decided = DecideBoxViews(config_, BoxView::kUndecided, annotated);
  if (!decided.notice.empty()) table_.defects.AddNotice(std::move(decided.notice));
  for (size_t i = 0; i < looked_at.size(); ++i) {
    if (decided.views[i] == BoxView::kUndecided) {
      DropImage(DefectKind::kUndecidedOrientation,
                std::string(Name(looked_at[i]->facts->orientation)), *looked_at[i]);
    } else {
      ApplyView(decided.views[i], *looked_at[i]);
    }
  }
}

absl::Status CocoImageList::CheckEqualSize(const ImageInfo& a, const ImageInfo& b) const {
  const bool unknown = a.width == 0 || b.width == 0;
  if (unknown || (a.width == b.width && a.height == b.height)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(file_, ": images of id ", a.id, " and ", b.id, " are both ", b.name,
                   ", once with ", a.width, " x ", a.height, " pixels and once with ", b.width,
                   " x ", b.height, "; correct or remove one of the two records"));
}

// Two records of one file are one image, whose objects are those of both.
absl::Status CocoImageList::MergeDuplicates(std::vector<ListedImage>& images) {
  absl::flat_hash_map<absl::string_view, size_t> first;
  first.reserve(images.size());
  // Names in normal form, of those that are written in another.
  std::deque<std::string> normal_names;
  int64_t merged = 0;
  std::string example;
  for (size_t i = 0; i < images.size(); ++i) {
    if (images[i].defect) continue;
    absl::string_view key = images[i].info.name;
    std::string normal = std::filesystem::path(images[i].info.name).lexically_normal().string();
    if (normal != key) key = normal_names.emplace_back(std::move(normal));
    const auto [found, is_new] = first.emplace(key, i);
    if (is_new) continue;
    const ImageInfo& before = images[found->second].info;
    const ImageInfo& info = images[i].info;
    RCNN_RETURN_IF_ERROR(CheckEqualSize(before, info));
    images[i].same_as = found->second;
    if (merged++ == 0) {
      example = absl::StrCat(info.name, " (ids ", before.id, " and ", info.id, ")");
    }
  }
  if (merged == 0) return absl::OkStatus();
  table_.defects.AddNotice(
      absl::StrCat(file_, ": ", Counted(merged, "image record repeats", "image records repeat"),
                   " the file of an earlier record, the first ", example, "; ",
                   Noun(merged, "it is", "they are"), " merged with it"));
  return absl::OkStatus();
}

// `first`: the file name of the first image, read or dropped.
absl::Status CocoImageList::LookForImages(const std::string& first) const {
  const absl::Status none = absl::NotFoundError(
      absl::StrCat(images_folder_, ": contains none of the images, such as ", first));
  if (images_folder_.empty()) return absl::OkStatus();
  if (table_.images.empty()) {
    const auto& counts = table_.defects.counts();
    const auto missing = counts.find(DefectKind::kMissingImage);
    const bool all = missing != counts.end() && missing->second == table_.defects.total();
    return all ? none : absl::OkStatus();
  }
  const int64_t step = std::max<int64_t>(1, table_.num_images() / kImagesLookedFor);
  for (int64_t i = 0; i < table_.num_images(); i += step) {
    const absl::Status found = ReadFileState(table_.images[i].path).status();
    if (found.ok() || IsUnreadableNow(found)) return found;
  }
  return none;
}

absl::StatusOr<CocoImagePlaces> CocoImageList::Add(std::vector<CocoImage> images) {
  const std::string first = images.empty() ? "" : images[0].file_name;
  CocoImagePlaces places;
  std::vector<ListedImage> listed;
  listed.reserve(images.size());
  for (CocoImage& image : images) listed.push_back(LookUp(std::move(image)));
  RCNN_RETURN_IF_ERROR(unreadable_);
  std::vector<CocoImage>().swap(images);  // assigning {} would keep the memory
  RCNN_RETURN_IF_ERROR(MergeDuplicates(listed));
  DecideViews(listed);
  places.reserve(listed.size());
  table_.images.reserve(listed.size());
  for (ListedImage& image : listed) {
    if (image.same_as) {
      places[image.info.id] = places[listed[*image.same_as].info.id];
      continue;
    }
    places[image.info.id] = image.defect ? -1 : table_.num_images();
    if (image.defect) {
      table_.defects.Add(std::move(*image.defect));
    } else {
      table_.images.push_back(std::move(image.info));
    }
  }
  RCNN_RETURN_IF_ERROR(LookForImages(first));
  return places;
}

}  // namespace

absl::StatusOr<CocoImagePlaces> AddCocoImages(const configs::DatasetConfig& config,
                                              std::vector<CocoImage> images,
                                              const CocoImageSource& source,
                                              AnnotationTable& table) {
  return CocoImageList(config, source, table).Add(std::move(images));
}

}  // namespace rcnn::data
