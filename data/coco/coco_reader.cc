#include "rcnn/data/coco/coco_reader.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/file_state.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/data/coco/coco_root_category.h"
#include "rcnn/data/core/box_check.h"
#include "rcnn/data/core/box_units.h"
#include "rcnn/data/core/box_view.h"
#include "rcnn/data/core/class_index.h"
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

// Assigning {} would keep the memory.
template <typename T>
void Free(std::vector<T>& values) {
  std::vector<T>().swap(values);
}

// Builds the table of one file.
class CocoTableMaker {
 public:
  CocoTableMaker(const configs::DatasetConfig& config, const std::string& file,
                 const std::string& images_folder, const CocoReadOptions& options)
      : config_(config),
        file_(file),
        images_folder_(images_folder),
        options_(options),
        rules_(MakeRules(config)) {}

  absl::StatusOr<AnnotationTable> Make(CocoInstances instances);

 private:
  bool LeavesOutRoot(const CocoInstances& instances, size_t root) const;
  void LeaveOutRoot(CocoInstances& instances);
  absl::Status SetClasses(CocoInstances& instances);
  // `names`: of the categories; `wanted`: the classes of the table.
  absl::Status ChooseClasses(const std::vector<CocoCategory>& categories,
                             const std::vector<std::string>& names,
                             std::vector<std::string> wanted);
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

  absl::Status SetImages(std::vector<CocoImage> images);
  // Of two records of one file.
  absl::Status CheckEqualSize(const ImageInfo& a, const ImageInfo& b) const;
  absl::Status MergeDuplicates(std::vector<ListedImage>& images);
  ListedImage LookUp(CocoImage image);
  void ReadFacts(ListedImage& image);
  void DecideViews(std::vector<ListedImage>& images);
  void ApplyView(BoxView view, ListedImage& image);
  absl::Status LookForImages(const std::string& first) const;

  // Sets `object`; false if the annotation is not used.
  bool CheckAnnotation(const CocoAnnotation& annotation, int64_t index, Object& object);
  bool CheckReferences(const CocoAnnotation& annotation, int64_t index);
  void SetArea(const CocoAnnotation& annotation, int64_t index, Object& object);
  absl::Status CheckUnits(const std::vector<CocoAnnotation>& annotations) const;
  void SortIntoTable(const std::vector<CocoAnnotation>& annotations);

  // "" for one that is not used.
  std::string NameOfImage(const CocoAnnotation& annotation) const;
  static void DropImage(DefectKind kind, std::string value, ListedImage& image);
  bool DropObject(const CocoAnnotation& annotation, int64_t index, DefectKind kind,
                  absl::string_view value);

  const configs::DatasetConfig& config_;
  const std::string& file_;
  const std::string& images_folder_;
  const CocoReadOptions& options_;
  const BoxRules rules_;
  // Category id -> label; 0 for a category that the config leaves out.
  absl::flat_hash_map<int64_t, int64_t> labels_;
  // The first error of an image that cannot be read now: without it the dataset would be another.
  absl::Status unreadable_;
  // Image id -> index in the table; -1 for a dropped image.
  absl::flat_hash_map<int64_t, int64_t> places_;
  // Of the file; see CocoInstances.
  std::map<int64_t, std::string> bad_values_;
  OverrunTally overruns_;
  AnnotationTable table_;
};

// True unless the config names the root and no other category has its name.
bool CocoTableMaker::LeavesOutRoot(const CocoInstances& instances, size_t root) const {
  const auto& wanted = config_.classes();
  const auto& categories = instances.categories;
  if (std::find(wanted.begin(), wanted.end(), categories[root].name) == wanted.end()) return true;
  return std::count_if(categories.begin(), categories.end(), [&](const CocoCategory& category) {
           return category.name == categories[root].name;
         }) > 1;
}

void CocoTableMaker::LeaveOutRoot(CocoInstances& instances) {
  std::vector<CocoCategory>& categories = instances.categories;
  const std::optional<size_t> root = FindRootCategory(instances);
  if (!root || !LeavesOutRoot(instances, *root)) return;
  table_.defects.AddNotice(
      absl::StrCat(file_, ": category 0 (\"", categories[*root].name,
                   "\") is a root without objects of its own; it is left out of the classes"));
  categories.erase(categories.begin() + static_cast<std::ptrdiff_t>(*root));
}

absl::Status CocoTableMaker::SetClasses(CocoInstances& instances) {
  LeaveOutRoot(instances);
  std::vector<CocoCategory>& categories = instances.categories;
  std::sort(categories.begin(), categories.end(),
            [](const CocoCategory& a, const CocoCategory& b) { return a.id < b.id; });
  std::vector<std::string> names;
  for (const CocoCategory& category : categories) names.push_back(category.name);
  if (names.empty()) {
    return absl::InvalidArgumentError(
        "no classes: the list \"categories\" is empty; it holds {\"id\": …, \"name\": …} for each "
        "class");
  }
  std::vector<std::string> wanted(config_.classes().begin(), config_.classes().end());
  return ChooseClasses(categories, names, wanted.empty() ? names : std::move(wanted));
}

absl::Status CocoTableMaker::ChooseClasses(const std::vector<CocoCategory>& categories,
                                           const std::vector<std::string>& names,
                                           std::vector<std::string> wanted) {
  RCNN_ASSIGN_OR_RETURN(ClassIndex in_file, ClassIndex::Create(names), "categories");
  RCNN_ASSIGN_OR_RETURN(ClassIndex index, ClassIndex::Create(wanted), "classes of the config");
  for (const std::string& name : wanted) {
    const int64_t place = in_file.FindLabel(name);
    if (place == 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the class \"", name,
          "\" of the config is not one of its categories: ", absl::StrJoin(names, ", ")));
    }
    table_.classes.category_ids.push_back(categories[place - 1].id);
  }
  for (const CocoCategory& category : categories) {
    labels_[category.id] = index.FindLabel(category.name);
  }
  table_.classes.names = std::move(wanted);
  return absl::OkStatus();
}

void CocoTableMaker::DropImage(DefectKind kind, std::string value, ListedImage& image) {
  image.defect = std::make_unique<Defect>(Defect{image.info.name, -1, kind, std::move(value),
                                                 DefectAction::kImageDropped, image.info.name});
}

std::string CocoTableMaker::NameOfImage(const CocoAnnotation& annotation) const {
  const auto place = places_.find(annotation.image_id);
  if (place == places_.end() || place->second < 0) return "";
  return table_.images[static_cast<size_t>(place->second)].name;
}

bool CocoTableMaker::DropObject(const CocoAnnotation& annotation, int64_t index, DefectKind kind,
                                absl::string_view value) {
  table_.defects.Add({file_, index, kind, absl::StrCat("id ", annotation.id, ": ", value),
                      DefectAction::kObjectDropped, NameOfImage(annotation)});
  return false;
}

void CocoTableMaker::ReadFacts(ListedImage& image) {
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

CocoTableMaker::ListedImage CocoTableMaker::LookUp(CocoImage image) {
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
    if (options_.check_images || sizes_decide || !has_size) ReadFacts(listed);
  } else if (!has_size) {
    DropImage(DefectKind::kMissingField, "width, height", listed);
  }
  return listed;
}

void CocoTableMaker::ApplyView(BoxView view, ListedImage& image) {
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
void CocoTableMaker::DecideViews(std::vector<ListedImage>& images) {
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

absl::Status CocoTableMaker::CheckEqualSize(const ImageInfo& a, const ImageInfo& b) const {
  const bool unknown = a.width == 0 || b.width == 0;
  if (unknown || (a.width == b.width && a.height == b.height)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(file_, ": images of id ", a.id, " and ", b.id, " are both ", b.name,
                   ", once with ", a.width, " x ", a.height, " pixels and once with ", b.width,
                   " x ", b.height, "; correct or remove one of the two records"));
}

// Two records of one file are one image, whose objects are those of both.
absl::Status CocoTableMaker::MergeDuplicates(std::vector<ListedImage>& images) {
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

absl::Status CocoTableMaker::SetImages(std::vector<CocoImage> images) {
  std::vector<ListedImage> listed;
  listed.reserve(images.size());
  for (CocoImage& image : images) listed.push_back(LookUp(std::move(image)));
  RCNN_RETURN_IF_ERROR(unreadable_);
  Free(images);
  RCNN_RETURN_IF_ERROR(MergeDuplicates(listed));
  DecideViews(listed);
  places_.reserve(listed.size());
  table_.images.reserve(listed.size());
  for (ListedImage& image : listed) {
    if (image.same_as) {
      places_[image.info.id] = places_[listed[*image.same_as].info.id];
      continue;
    }
    places_[image.info.id] = image.defect ? -1 : table_.num_images();
    if (image.defect) {
      table_.defects.Add(std::move(*image.defect));
    } else {
      table_.images.push_back(std::move(image.info));
    }
  }
  return absl::OkStatus();
}

// `first`: the file name of the first image, read or dropped.
absl::Status CocoTableMaker::LookForImages(const std::string& first) const {
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

bool CocoTableMaker::CheckReferences(const CocoAnnotation& annotation, int64_t index) {
  if (annotation.problem.found()) {
    const auto value = bad_values_.find(index);
    return DropObject(annotation, index, annotation.problem.kind,
                      value == bad_values_.end()
                          ? annotation.problem.field
                          : absl::StrCat(annotation.problem.field, " = ", value->second));
  }
  if (places_.find(annotation.image_id) == places_.end()) {
    return DropObject(annotation, index, DefectKind::kUnknownImage,
                      absl::StrCat("image_id ", annotation.image_id));
  }
  const auto label = labels_.find(annotation.category_id);
  if (label != labels_.end() && label->second > 0) return true;
  if (label != labels_.end() && config_.ignore_other_classes()) return false;
  return DropObject(annotation, index, DefectKind::kUnknownClass,
                    absl::StrCat("category_id ", annotation.category_id));
}

// "area" is that of the segmentation. If it is missing, the area of the box is
// used.
void CocoTableMaker::SetArea(const CocoAnnotation& annotation, int64_t index, Object& object) {
  if (config_.box_units() == configs::FRACTIONS) return;
  if (annotation.area >= 0) {
    object.area = annotation.area;
    return;
  }
  table_.defects.Add({file_, index, DefectKind::kMissingArea,
                      absl::StrCat("id ", annotation.id, ": width * height = ", object.area),
                      DefectAction::kKept, NameOfImage(annotation)});
}

bool CocoTableMaker::CheckAnnotation(const CocoAnnotation& annotation, int64_t index,
                                     Object& object) {
  if (!CheckReferences(annotation, index)) return false;
  const int64_t place = places_.find(annotation.image_id)->second;
  if (place < 0) {  // its image is the defect
    table_.defects.AddObjectsOfDroppedImages(1);
    return false;
  }
  const ImageInfo& info = table_.images[place];
  std::array<double, 4> xywh = InPixels(config_, annotation.bbox, static_cast<double>(info.width),
                                        static_cast<double>(info.height));
  const BoxVerdict verdict =
      CheckBox(xywh, static_cast<double>(info.width), static_cast<double>(info.height), rules_);
  overruns_.Add(verdict, rules_);
  if (verdict.defect) {
    const auto& [x, y, width, height] = annotation.bbox;
    table_.defects.Add(
        {file_, index, *verdict.defect,
         absl::StrFormat("id %d: [%.10g, %.10g, %.10g, %.10g] in %d x %d", annotation.id, x, y,
                         width, height, info.width, info.height),
         verdict.action, info.name});
  }
  if (!verdict.keep()) return false;
  object = MakeObject(xywh, rules_);
  object.id = annotation.id;
  object.label = labels_.find(annotation.category_id)->second;
  object.crowd = annotation.iscrowd;
  SetArea(annotation, index, object);
  return true;
}

absl::Status CocoTableMaker::CheckUnits(const std::vector<CocoAnnotation>& annotations) const {
  FractionCheck check;
  for (const CocoAnnotation& annotation : annotations) {
    if (check.decided()) return absl::OkStatus();
    const auto place = places_.find(annotation.image_id);
    if (annotation.problem.found() || place == places_.end() || place->second < 0) continue;
    const ImageInfo& info = table_.images[static_cast<size_t>(place->second)];
    check.Add(annotation.bbox, static_cast<double>(info.width), static_cast<double>(info.height));
  }
  return Annotate(check.Check(config_), file_);
}

// A counting sort: images in order, and the objects of an image in the order of the
// file.
void CocoTableMaker::SortIntoTable(const std::vector<CocoAnnotation>& annotations) {
  std::vector<Object> objects;
  std::vector<int64_t> places;
  objects.reserve(annotations.size());
  places.reserve(annotations.size());
  table_.first_object.assign(table_.images.size() + 1, 0);
  for (size_t i = 0; i < annotations.size(); ++i) {
    Object object;
    if (!CheckAnnotation(annotations[i], static_cast<int64_t>(i), object)) continue;
    objects.push_back(object);
    places.push_back(places_.find(annotations[i].image_id)->second);
    ++table_.first_object[places.back() + 1];
  }
  for (size_t i = 1; i < table_.first_object.size(); ++i) {
    table_.first_object[i] += table_.first_object[i - 1];
  }
  std::vector<int64_t> next(table_.first_object.begin(), table_.first_object.end() - 1);
  table_.objects.resize(objects.size());
  for (size_t i = 0; i < objects.size(); ++i) table_.objects[next[places[i]]++] = objects[i];
}

absl::StatusOr<AnnotationTable> CocoTableMaker::Make(CocoInstances instances) {
  for (const std::string& notice : instances.notices) {
    table_.defects.AddNotice(absl::StrCat(file_, ": ", notice));
  }
  bad_values_ = std::move(instances.bad_values);
  RCNN_RETURN_IF_ERROR(SetClasses(instances), file_);
  const std::string first = instances.images.empty() ? "" : instances.images[0].file_name;
  RCNN_RETURN_IF_ERROR(SetImages(std::move(instances.images)));
  RCNN_RETURN_IF_ERROR(LookForImages(first));
  RCNN_RETURN_IF_ERROR(CheckUnits(instances.annotations));
  SortIntoTable(instances.annotations);
  Free(instances.annotations);
  overruns_.Report(config_, table_.defects);
  RCNN_RETURN_IF_ERROR(FinishTable(config_, file_, table_));
  return std::move(table_);
}

}  // namespace

absl::StatusOr<AnnotationTable> ReadCoco(const configs::DatasetConfig& config,
                                         const std::string& instances_file,
                                         const std::string& images_folder,
                                         const CocoReadOptions& options) {
  RCNN_ASSIGN_OR_RETURN(CocoInstances instances, ReadCocoInstances(instances_file));
  return MakeCocoTable(config, std::move(instances), instances_file, images_folder, options);
}

absl::StatusOr<AnnotationTable> MakeCocoTable(const configs::DatasetConfig& config,
                                              CocoInstances instances, const std::string& file,
                                              const std::string& images_folder,
                                              const CocoReadOptions& options) {
  return CocoTableMaker(config, file, images_folder, options).Make(std::move(instances));
}

}  // namespace rcnn::data
