#include "rcnn/data/voc/voc_reader.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/data/core/box_check.h"
#include "rcnn/data/core/box_units.h"
#include "rcnn/data/core/box_view.h"
#include "rcnn/data/core/class_index.h"
#include "rcnn/data/core/defect_report.h"
#include "rcnn/data/core/image_facts.h"
#include "rcnn/data/core/image_lookup.h"
#include "rcnn/data/core/image_names.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/image/orientation.h"
#include "rcnn/data/voc/voc_annotation.h"
#include "rcnn/data/voc/voc_coordinates.h"
#include "rcnn/data/voc/voc_folder.h"

namespace rcnn::data {
namespace {

// The file that annotates an image, relative to the dataset's folder.
std::string AnnotationFile(absl::string_view name) {
  return absl::StrCat("Annotations/", name, ".xml");
}

std::string Corners(const std::array<double, 4>& corners) {
  return absl::StrFormat("(%.10g, %.10g, %.10g, %.10g)", corners[0], corners[1], corners[2],
                         corners[3]);
}

VocFolders WithDefaults(const std::string& folder, VocFolders folders) {
  if (folders.annotations.empty()) folders.annotations = absl::StrCat(folder, "/Annotations");
  if (folders.images.empty()) folders.images = absl::StrCat(folder, "/JPEGImages");
  return folders;
}

// Reads one dataset.
class VocReader {
 public:
  VocReader(const configs::DatasetConfig& config, const std::string& folder, VocFolders folders)
      : config_(config),
        folder_(folder),
        folders_(WithDefaults(folder, std::move(folders))),
        rules_(MakeRules(config)),
        coordinates_(config.voc().coordinates()),
        lookup_(folders_.images) {}

  absl::StatusOr<AnnotationTable> Read();

 private:
  // An image of the list, read but not yet checked.
  struct ListedImage {
    ImageInfo info;
    VocAnnotation annotation;
    ImageFacts facts;
    // Set if the image is dropped.
    std::optional<Defect> defect;
  };

  absl::StatusOr<VocAnnotation> ReadAnnotation(const std::string& name) const;
  absl::StatusOr<std::vector<std::string>> ListNames();
  bool LooksAtAll() const;
  std::set<std::string> LookAtAll();
  void SetCoordinates(const std::vector<ListedImage>& images);
  absl::Status CheckUnits(const std::vector<ListedImage>& images) const;
  absl::Status SetClasses();

  ListedImage ReadListed(const std::string& name, int64_t id);
  std::vector<ListedImage> ReadAllListed(const std::vector<std::string>& names);
  void DecideViews(std::vector<ListedImage>& images);
  void AddImage(const ListedImage& image);
  absl::StatusOr<std::string> ImagePathInside(absl::string_view file) const;
  std::vector<std::string> FindFiles(const VocAnnotation& annotation, const std::string& name);
  void FindImage(ListedImage& image);
  void CheckSize(const VocAnnotation& annotation, const ImageInfo& info);
  void AddObject(const ImageInfo& info, const VocObject& object, int64_t index);
  bool CheckCorners(const ImageInfo& info, const VocObject& object, int64_t index,
                    std::array<double, 4>& xywh);
  std::array<double, 4> Continuous(const std::array<double, 4>& corners) const;

  static void DropImage(DefectKind kind, std::string value, ListedImage& image);
  bool DropObject(absl::string_view name, int64_t index, DefectKind kind, std::string value);

  const configs::DatasetConfig& config_;
  const std::string& folder_;
  const VocFolders folders_;
  const BoxRules rules_;
  configs::VocCoordinates coordinates_;
  VocAnnotationFiles annotation_files_;
  ImageLookup lookup_;
  CoordinateVotes votes_;  // of all annotations, if they are looked at
  OverrunTally overruns_;
  ClassIndex class_index_;
  absl::flat_hash_set<std::string> seen_;
  int64_t num_objects_ = 0;
  // Names of the list without an object or an image, beyond those that a report keeps: a name of a
  // byte would take several hundred in memory.
  std::map<DefectKind, int64_t> further_defects_;
  // The first error of a file that cannot be read now: without it the dataset would be another.
  absl::Status unreadable_;
  AnnotationTable table_;
};

absl::StatusOr<VocAnnotation> VocReader::ReadAnnotation(const std::string& name) const {
  const auto listed = annotation_files_.find(name);
  const std::string file =
      listed == annotation_files_.end() ? absl::StrCat(name, ".xml") : listed->second;
  return ReadVocAnnotation(folders_.annotations, file);
}

// Lists the annotations too.
absl::StatusOr<std::vector<std::string>> VocReader::ListNames() {
  absl::StatusOr<VocAnnotationFiles> files = ListVocAnnotations(folders_.annotations);
  if (IsUnreadableNow(files.status())) return files.status();
  if (files.ok()) annotation_files_ = *std::move(files);
  if (!config_.voc().split().empty()) {
    return ReadVocSplit(folder_, config_.voc().split(), annotation_files_);
  }
  RCNN_RETURN_IF_ERROR(files.status());
  std::vector<std::string> names;
  for (const auto& [name, file] : annotation_files_) names.push_back(name);
  return names;
}

// Classes and coordinates must be the same for every split.
bool VocReader::LooksAtAll() const {
  return config_.classes_size() == 0 || config_.voc().coordinates() == configs::RECOGNISED;
}

// Reads every file, not only those of the split. Returns the names of classes.
std::set<std::string> VocReader::LookAtAll() {
  std::set<std::string> classes;
  for (const auto& [name, file] : annotation_files_) {
    const absl::StatusOr<VocAnnotation> annotation = ReadAnnotation(name);
    KeepUnreadable(annotation.status(), unreadable_);
    if (!annotation.ok()) continue;  // a defect of its image, if the image is in the split
    for (const VocObject& object : annotation->objects) {
      if (IsClassName(object.name)) classes.insert(object.name);
    }
    AddVocVotes(*annotation, votes_);
  }
  return classes;
}

absl::Status VocReader::SetClasses() {
  if (LooksAtAll()) RCNN_RETURN_IF_ERROR(ListVocAnnotations(folders_.annotations).status());
  const std::set<std::string> found = LooksAtAll() ? LookAtAll() : std::set<std::string>();
  RCNN_RETURN_IF_ERROR(unreadable_);
  std::vector<std::string> names(config_.classes().begin(), config_.classes().end());
  if (names.empty()) {
    names.assign(found.begin(), found.end());
    if (names.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(folder_, ": no classes: none of the annotations in ", folders_.annotations,
                       " that can be read has an object; correct them, or name the classes in "
                       "`classes`"));
    }
  }
  RCNN_ASSIGN_OR_RETURN(class_index_, ClassIndex::Create(names), folder_);
  for (size_t i = 0; i < names.size(); ++i) {
    table_.classes.category_ids.push_back(static_cast<int64_t>(i) + 1);
  }
  table_.classes.names = std::move(names);
  return absl::OkStatus();
}

void VocReader::DropImage(DefectKind kind, std::string value, ListedImage& image) {
  image.defect = {AnnotationFile(image.info.name),
                  -1,
                  kind,
                  std::move(value),
                  DefectAction::kImageDropped,
                  image.info.name};
}

bool VocReader::DropObject(absl::string_view name, int64_t index, DefectKind kind,
                           std::string value) {
  table_.defects.Add({AnnotationFile(name), index, kind, std::move(value),
                      DefectAction::kObjectDropped, std::string(name)});
  return false;
}

absl::StatusOr<std::string> VocReader::ImagePathInside(absl::string_view file) const {
  return JoinInside(folders_.images, file);
}

// The files that may be the image, best first.
std::vector<std::string> VocReader::FindFiles(const VocAnnotation& annotation,
                                              const std::string& name) {
  const std::string& given = annotation.file_name;
  const std::string base(BaseName(given));
  std::vector<std::string> files = lookup_.FindByStem(name);
  if (files.size() > 1) {
    const auto named = std::find_if(files.begin(), files.end(), [&](const std::string& file) {
      return BaseName(file) == base;
    });
    if (named != files.end()) return {*named};
  }
  if (!files.empty() || base.empty()) return files;
  if (ImagePathInside(given).ok() && lookup_.Has(given)) return {given};
  if (absl::StrContains(given, "..")) return {};
  if (lookup_.Has(base)) return {base};
  return lookup_.FindByStem(WithoutImageExtension(base));
}

// Sets the path, and what the file says.
void VocReader::FindImage(ListedImage& image) {
  ImageInfo& info = image.info;
  const std::string& given = image.annotation.file_name;
  const std::vector<std::string> files = FindFiles(image.annotation, info.name);
  if (files.empty() && !given.empty() && !ImagePathInside(given).ok()) {
    return DropImage(DefectKind::kUnsafeFileName, given, image);
  }
  if (files.empty()) {
    return DropImage(DefectKind::kMissingImage, absl::StrCat("JPEGImages/", info.name, ".jpg"),
                     image);
  }
  const absl::StatusOr<std::string> path = ImagePathInside(files.front());
  if (!path.ok()) return DropImage(DefectKind::kUnsafeFileName, files.front(), image);
  const absl::StatusOr<ImageFacts> facts = ReadImageFacts(*path);
  KeepUnreadable(facts.status(), unreadable_);
  if (absl::IsNotFound(facts.status())) {  // a link to nothing
    return DropImage(DefectKind::kMissingImage, absl::StrCat("JPEGImages/", files.front()), image);
  }
  if (!facts.ok()) {
    return DropImage(DefectKind::kUnreadableImage, std::string(facts.status().message()), image);
  }
  info.path = *path;
  image.facts = *facts;
}

// The image's own size overrides the annotation.
void VocReader::CheckSize(const VocAnnotation& annotation, const ImageInfo& info) {
  if (annotation.width == info.width && annotation.height == info.height) return;
  const bool missing = annotation.size_text.empty();
  table_.defects.Add(
      {AnnotationFile(info.name), -1, missing ? DefectKind::kMissingField : DefectKind::kWrongSize,
       missing
           ? "size"
           : absl::StrCat(annotation.size_text, ", the image has ", info.width, " x ", info.height),
       DefectAction::kKept, info.name});
}

std::array<double, 4> VocReader::Continuous(const std::array<double, 4>& corners) const {
  const double first = coordinates_ == configs::ONE_BASED_INCLUSIVE ? 1 : 0;
  const double last = coordinates_ == configs::ZERO_BASED_INCLUSIVE ? 1 : 0;
  const double x = corners[0] - first;
  const double y = corners[1] - first;
  return {x, y, corners[2] + last - x, corners[3] + last - y};
}

bool VocReader::CheckCorners(const ImageInfo& info, const VocObject& object, int64_t index,
                             std::array<double, 4>& xywh) {
  const auto& [xmin, ymin, xmax, ymax] = object.corners;
  const std::string value = Corners(object.corners);
  if (xmax < xmin || ymax < ymin) return DropObject(info.name, index, DefectKind::kInverted, value);
  if (xmax == xmin || ymax == ymin)
    return DropObject(info.name, index, DefectKind::kZeroSize, value);
  xywh = Continuous(object.corners);
  if (config_.box_units() == configs::FRACTIONS) {
    xywh = InPixels(config_, {xmin, ymin, xmax - xmin, ymax - ymin},
                    static_cast<double>(info.width), static_cast<double>(info.height));
  }
  const BoxVerdict verdict =
      CheckBox(xywh, static_cast<double>(info.width), static_cast<double>(info.height), rules_);
  overruns_.Add(verdict, rules_);
  if (verdict.defect) {
    table_.defects.Add({AnnotationFile(info.name), index, *verdict.defect,
                        absl::StrCat(value, " in ", info.width, " x ", info.height), verdict.action,
                        info.name});
  }
  return verdict.keep();
}

void VocReader::AddObject(const ImageInfo& info, const VocObject& object, int64_t index) {
  ++num_objects_;
  if (object.problem) {
    DropObject(info.name, index, *object.problem, object.problem_value);
    return;
  }
  const int64_t label = class_index_.FindLabel(object.name);
  if (label == 0) {
    if (config_.ignore_other_classes()) return;
    DropObject(info.name, index, DefectKind::kUnknownClass, absl::StrCat("\"", object.name, "\""));
    return;
  }
  std::array<double, 4> xywh;
  if (!CheckCorners(info, object, index, xywh)) return;
  Object result = MakeObject(xywh, rules_);
  result.label = label;
  result.id = num_objects_;
  result.difficult = object.difficult;
  table_.AddObject(result);
}

VocReader::ListedImage VocReader::ReadListed(const std::string& name, int64_t id) {
  ListedImage image;
  image.info.id = id;
  image.info.name = name;
  if (!ImagePathInside(name).ok()) {
    DropImage(DefectKind::kUnsafeFileName, name, image);
    return image;
  }
  if (!seen_.insert(name).second) {
    DropImage(DefectKind::kDuplicateImage, "", image);
    return image;
  }
  absl::StatusOr<VocAnnotation> annotation = ReadAnnotation(name);
  if (!annotation.ok()) {
    KeepUnreadable(annotation.status(), unreadable_);
    const bool missing = absl::IsNotFound(annotation.status());
    DropImage(missing ? DefectKind::kMissingAnnotation : DefectKind::kUnreadableAnnotation,
              missing ? "" : std::string(annotation.status().message()), image);
    return image;
  }
  image.annotation = *std::move(annotation);
  FindImage(image);
  return image;
}

// Without those that are only counted.
std::vector<VocReader::ListedImage> VocReader::ReadAllListed(
    const std::vector<std::string>& names) {
  std::vector<ListedImage> images;
  int64_t without_objects = 0;
  for (size_t i = 0; i < names.size(); ++i) {
    ListedImage image = ReadListed(names[i], static_cast<int64_t>(i) + 1);
    const bool is_only_defect = image.defect && image.annotation.objects.empty();
    if (is_only_defect && ++without_objects > DefectReport::kMaxKept) {
      ++further_defects_[image.defect->kind];
    } else {
      images.push_back(std::move(image));
    }
  }
  return images;
}

void VocReader::DecideViews(std::vector<ListedImage>& images) {
  std::vector<ListedImage*> found;
  std::vector<AnnotatedImage> annotated;
  for (ListedImage& image : images) {
    if (image.defect) continue;
    found.push_back(&image);
    annotated.push_back(
        {image.info.name, image.facts, image.annotation.width, image.annotation.height});
  }
  // labelImg and older tools show and annotate images as stored.
  BoxViews decided = DecideBoxViews(config_, BoxView::kStored, annotated);
  if (!decided.notice.empty()) table_.defects.AddNotice(std::move(decided.notice));
  for (size_t i = 0; i < found.size(); ++i) {
    if (decided.views[i] == BoxView::kUndecided) {
      DropImage(DefectKind::kUndecidedOrientation, std::string(Name(found[i]->facts.orientation)),
                *found[i]);
    } else {
      SetView(decided.views[i], found[i]->facts, found[i]->info);
    }
  }
}

void VocReader::AddImage(const ListedImage& image) {
  if (image.defect) {
    table_.defects.Add(*image.defect);
    table_.defects.AddObjectsOfDroppedImages(static_cast<int64_t>(image.annotation.objects.size()));
    return;
  }
  CheckSize(image.annotation, image.info);
  table_.AddImage(image.info);
  for (size_t i = 0; i < image.annotation.objects.size(); ++i) {
    AddObject(image.info, image.annotation.objects[i], static_cast<int64_t>(i));
  }
}

void VocReader::SetCoordinates(const std::vector<ListedImage>& images) {
  if (!LooksAtAll()) {
    for (const ListedImage& image : images) AddVocVotes(image.annotation, votes_);
  }
  const configs::VocCoordinates recognised = votes_.Recognise();
  const std::string name = configs::VocCoordinates_Name(recognised);
  if (coordinates_ == configs::RECOGNISED) {
    coordinates_ = recognised;
    if (recognised == configs::ONE_BASED_INCLUSIVE) return;
    table_.defects.AddNotice(
        absl::StrCat(votes_.ToString(), ": the coordinates are read as ", name));
  } else if (!config_.voc().has_coordinates() && recognised != configs::ONE_BASED_INCLUSIVE &&
             !config_.has_box_units()) {
    table_.defects.AddNotice(
        absl::StrCat(votes_.ToString(),
                     ": they do not look like pixels counted from 1, but are read as such; set "
                     "voc.coordinates: ",
                     name, " to read them so, or RECOGNISED to let the boxes decide"));
  }
}

absl::Status VocReader::CheckUnits(const std::vector<ListedImage>& images) const {
  FractionCheck check;
  for (const ListedImage& image : images) {
    if (image.defect) continue;
    for (const VocObject& object : image.annotation.objects) {
      if (check.decided()) return absl::OkStatus();
      if (object.problem) continue;
      const auto& [xmin, ymin, xmax, ymax] = object.corners;
      check.Add({xmin, ymin, xmax - xmin, ymax - ymin}, static_cast<double>(image.info.width),
                static_cast<double>(image.info.height));
    }
  }
  return Annotate(check.Check(config_), folder_);
}

absl::StatusOr<AnnotationTable> VocReader::Read() {
  RCNN_ASSIGN_OR_RETURN(std::vector<std::string> names, ListNames());
  RCNN_RETURN_IF_ERROR(SetClasses());
  std::vector<ListedImage> images = ReadAllListed(names);
  unreadable_.Update(lookup_.status());
  RCNN_RETURN_IF_ERROR(unreadable_);
  DecideViews(images);
  SetCoordinates(images);
  RCNN_RETURN_IF_ERROR(CheckUnits(images));
  for (const ListedImage& image : images) AddImage(image);
  for (const auto& [kind, count] : further_defects_) {
    for (int64_t i = 0; i < count; ++i) {
      table_.defects.Add({"", -1, kind, "", DefectAction::kImageDropped});
    }
  }
  overruns_.Report(config_, table_.defects);
  RCNN_RETURN_IF_ERROR(FinishTable(config_, folder_, table_));
  return std::move(table_);
}

}  // namespace

absl::StatusOr<AnnotationTable> ReadVoc(const configs::DatasetConfig& config,
                                        const std::string& folder, VocFolders folders) {
  return VocReader(config, folder, std::move(folders)).Read();
}

}  // namespace rcnn::data
