#include "rcnn/data/voc/voc_reader.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/box_check.h"
#include "rcnn/data/core/box_view.h"
#include "rcnn/data/core/class_index.h"
#include "rcnn/data/core/defect_report.h"
#include "rcnn/data/core/image_facts.h"
#include "rcnn/data/core/image_names.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/image/orientation.h"
#include "rcnn/data/voc/voc_annotation.h"

namespace rcnn::data {
namespace {

// Some editors start UTF-8 files with it.
constexpr absl::string_view kByteOrderMark = "\xef\xbb\xbf";
constexpr int64_t kMaxXmlBytes = int64_t{16} << 20;
constexpr const char* kExtensions[] = {".jpg",  ".jpeg", ".png",  ".bmp",
                                       ".webp", ".JPG",  ".JPEG", ".PNG"};

// The file that annotates an image, relative to the dataset's folder.
std::string AnnotationFile(absl::string_view name) {
  return absl::StrCat("Annotations/", name, ".xml");
}

std::string Corners(const std::array<double, 4>& corners) {
  return absl::StrFormat("(%.10g, %.10g, %.10g, %.10g)", corners[0], corners[1], corners[2],
                         corners[3]);
}

// The names of all files in Annotations, sorted.
absl::StatusOr<std::vector<std::string>> ListAnnotations(const std::string& folder) {
  const std::string path = absl::StrCat(folder, "/Annotations");
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator entry(path, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    if (entry->path().extension() == ".xml") names.push_back(entry->path().stem().string());
  }
  if (error) {
    return absl::NotFoundError(
        absl::StrCat(path, ": ", error.message(), " (a VOC dataset has this folder)"));
  }
  std::sort(names.begin(), names.end());
  return names;
}

// "; the lists there: test, trainval", or an explanation for a folder without
// lists.
std::string ListsThere(const std::string& lists) {
  std::set<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator entry(lists, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    if (entry->path().extension() == ".txt") names.insert(entry->path().stem().string());
  }
  if (names.empty()) return " (a VOC dataset has the lists of its splits in this folder)";
  return absl::StrCat("; the lists there: ", absl::StrJoin(names, ", "));
}

absl::StatusOr<std::vector<std::string>> ListSplit(const std::string& folder,
                                                   const std::string& split) {
  if (split.empty()) return ListAnnotations(folder);
  const std::string lists = absl::StrCat(folder, "/ImageSets/Main");
  RCNN_ASSIGN_OR_RETURN(std::string path, JoinInside(lists, absl::StrCat(split, ".txt")));
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (absl::IsNotFound(text.status())) {
    return absl::NotFoundError(absl::StrCat(text.status().message(), ListsThere(lists)));
  }
  RCNN_RETURN_IF_ERROR(text.status());
  std::vector<std::string> names = ParseVocSplit(*text);
  if (names.empty()) return absl::InvalidArgumentError(absl::StrCat(path, ": an empty list"));
  return names;
}

// Reads one dataset.
class VocReader {
 public:
  VocReader(const configs::DatasetConfig& config, const std::string& folder)
      : config_(config), folder_(folder), rules_(MakeRules(config)) {}

  absl::StatusOr<AnnotationTable> Read();

 private:
  absl::StatusOr<VocAnnotation> ReadAnnotation(absl::string_view name) const;
  absl::StatusOr<std::vector<std::string>> DiscoverClasses();
  absl::Status SetClasses();

  // What the list names, read and not yet believed.
  struct ListedImage {
    ImageInfo info;
    VocAnnotation annotation;
    ImageFacts facts;
    // Set if the image is dropped.
    std::optional<Defect> defect;
  };

  ListedImage ReadListed(const std::string& name, int64_t id);
  void DecideViews(std::vector<ListedImage>& images);
  void AddImage(const ListedImage& image);
  absl::StatusOr<std::string> ImagePathInside(absl::string_view file) const;
  void FindImage(ListedImage& image) const;
  void CheckSize(const VocAnnotation& annotation, const ImageInfo& info);
  void AddObject(const ImageInfo& info, const VocObject& object, int64_t index);
  bool CheckCorners(const ImageInfo& info, const VocObject& object, int64_t index,
                    std::array<double, 4>& xywh);
  std::array<double, 4> Continuous(const std::array<double, 4>& corners) const;

  static void DropImage(DefectKind kind, std::string value, ListedImage& image);
  bool DropObject(absl::string_view name, int64_t index, DefectKind kind, std::string value);

  const configs::DatasetConfig& config_;
  const std::string& folder_;
  const BoxRules rules_;
  ClassIndex class_index_;
  absl::flat_hash_set<std::string> seen_;
  int64_t num_objects_ = 0;
  AnnotationTable table_;
};

absl::StatusOr<VocAnnotation> VocReader::ReadAnnotation(absl::string_view name) const {
  RCNN_ASSIGN_OR_RETURN(std::string path, JoinInside(folder_, AnnotationFile(name)));
  RCNN_ASSIGN_OR_RETURN(std::string bytes, ReadFile(path, {.max_bytes = kMaxXmlBytes}));
  return ParseVocAnnotation(bytes);
}

absl::StatusOr<std::vector<std::string>> VocReader::DiscoverClasses() {
  RCNN_ASSIGN_OR_RETURN(std::vector<std::string> names, ListAnnotations(folder_));
  std::set<std::string> classes;
  for (const std::string& name : names) {
    const absl::StatusOr<VocAnnotation> annotation = ReadAnnotation(name);
    if (!annotation.ok()) continue;  // a defect of its image, if the image is in the split
    for (const VocObject& object : annotation->objects) {
      if (IsClassName(object.name)) classes.insert(object.name);
    }
  }
  return std::vector<std::string>(classes.begin(), classes.end());
}

absl::Status VocReader::SetClasses() {
  std::vector<std::string> names(config_.classes().begin(), config_.classes().end());
  if (names.empty()) {
    RCNN_ASSIGN_OR_RETURN(names, DiscoverClasses());
  }
  RCNN_ASSIGN_OR_RETURN(class_index_, ClassIndex::Create(names), folder_);
  for (size_t i = 0; i < names.size(); ++i) {
    table_.classes.category_ids.push_back(static_cast<int64_t>(i) + 1);
  }
  table_.classes.names = std::move(names);
  return absl::OkStatus();
}

void VocReader::DropImage(DefectKind kind, std::string value, ListedImage& image) {
  image.defect = {AnnotationFile(image.info.name), -1, kind, std::move(value),
                  DefectAction::kImageDropped};
}

bool VocReader::DropObject(absl::string_view name, int64_t index, DefectKind kind,
                           std::string value) {
  table_.defects.Add(
      {AnnotationFile(name), index, kind, std::move(value), DefectAction::kObjectDropped});
  return false;
}

absl::StatusOr<std::string> VocReader::ImagePathInside(absl::string_view file) const {
  return JoinInside(absl::StrCat(folder_, "/JPEGImages"), file);
}

// Sets the path, and what the file says.
void VocReader::FindImage(ListedImage& image) const {
  ImageInfo& info = image.info;
  std::vector<std::string> files;
  for (const char* extension : kExtensions) files.push_back(info.name + extension);
  if (!image.annotation.file_name.empty()) files.push_back(image.annotation.file_name);
  for (const std::string& file : files) {
    const absl::StatusOr<std::string> path = ImagePathInside(file);
    if (!path.ok()) return DropImage(DefectKind::kUnsafeFileName, file, image);
    const absl::StatusOr<ImageFacts> facts = ReadImageFacts(*path);
    if (absl::IsNotFound(facts.status())) continue;
    if (!facts.ok()) {
      return DropImage(DefectKind::kUnreadableImage, std::string(facts.status().message()), image);
    }
    info.path = *path;
    image.facts = *facts;
    return;
  }
  DropImage(DefectKind::kMissingImage, absl::StrCat("JPEGImages/", info.name, ".jpg"), image);
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
       DefectAction::kKept});
}

std::array<double, 4> VocReader::Continuous(const std::array<double, 4>& corners) const {
  const configs::VocCoordinates coordinates = config_.voc().coordinates();
  const double first = coordinates == configs::ONE_BASED_INCLUSIVE ? 1 : 0;
  const double last = coordinates == configs::ZERO_BASED_INCLUSIVE ? 1 : 0;
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
  const BoxVerdict verdict =
      CheckBox(xywh, static_cast<double>(info.width), static_cast<double>(info.height), rules_);
  if (verdict.defect) {
    table_.defects.Add({AnnotationFile(info.name), index, *verdict.defect,
                        absl::StrCat(value, " in ", info.width, " x ", info.height),
                        verdict.action});
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
    const bool missing = absl::IsNotFound(annotation.status());
    DropImage(missing ? DefectKind::kMissingAnnotation : DefectKind::kUnreadableAnnotation,
              missing ? "" : std::string(annotation.status().message()), image);
    return image;
  }
  image.annotation = *std::move(annotation);
  FindImage(image);
  return image;
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
  // labelImg and what came before it show and annotate images as stored.
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
    return;
  }
  CheckSize(image.annotation, image.info);
  table_.AddImage(image.info);
  for (size_t i = 0; i < image.annotation.objects.size(); ++i) {
    AddObject(image.info, image.annotation.objects[i], static_cast<int64_t>(i));
  }
}

absl::StatusOr<AnnotationTable> VocReader::Read() {
  RCNN_ASSIGN_OR_RETURN(std::vector<std::string> names, ListSplit(folder_, config_.voc().split()));
  RCNN_RETURN_IF_ERROR(SetClasses());
  std::vector<ListedImage> images;
  images.reserve(names.size());
  for (size_t i = 0; i < names.size(); ++i) {
    images.push_back(ReadListed(names[i], static_cast<int64_t>(i) + 1));
  }
  DecideViews(images);
  for (const ListedImage& image : images) AddImage(image);
  RCNN_RETURN_IF_ERROR(FinishTable(config_, folder_, table_));
  return std::move(table_);
}

}  // namespace

std::vector<std::string> ParseVocSplit(absl::string_view text) {
  std::vector<std::string> names;
  absl::ConsumePrefix(&text, kByteOrderMark);
  for (absl::string_view line : absl::StrSplit(text, absl::ByAnyChar("\r\n"))) {
    line = absl::StripAsciiWhitespace(line);
    const size_t space = line.find_last_of(" \t");
    if (space != absl::string_view::npos) {
      const absl::string_view last = line.substr(space + 1);
      if (last == "-1" || last == "0" || last == "1") {
        line = absl::StripAsciiWhitespace(line.substr(0, space));
      }
    }
    if (!line.empty()) names.push_back(WithoutImageExtension(line));
  }
  return names;
}

absl::StatusOr<AnnotationTable> ReadVoc(const configs::DatasetConfig& config,
                                        const std::string& folder) {
  return VocReader(config, folder).Read();
}

}  // namespace rcnn::data
