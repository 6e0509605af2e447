#include "rcnn/data/sources/file_kind.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "pugixml.hpp"
#include "rcnn/base/byte_order_mark.h"
#include "rcnn/base/errno_status.h"
#include "rcnn/base/git_lfs_pointer.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/folder_listing.h"
#include "rcnn/data/core/image_names.h"
#include "rcnn/data/core/json_diagnosis.h"
#include "rcnn/data/core/text_encoding.h"
#include "rcnn/data/csv/csv_annotation.h"

namespace rcnn::data {
namespace {

constexpr size_t kBeginning = 64 << 10;
// Of a text file, which is mostly short.
constexpr size_t kFirstBytes = 4 << 10;
constexpr size_t kImagesKept = 64;
// Enough of a text file to recognise it.
constexpr int kLines = 5;
// In a LabelMe file an image sometimes precedes the fields that reveal the format. Of a file with
// more values before them only so many are read.
constexpr int64_t kMaxValues = 20'000'000;
// Of a longer key this many bytes are kept: the name of a section is copied for each of its keys.
constexpr size_t kLongestKey = 100;

constexpr absl::string_view kLabelStudio = "Label Studio (JSON)";
constexpr absl::string_view kLabelStudioAdvice =
    "export it from Label Studio as COCO, YOLO or Pascal VOC XML, with images";

// Keys that only Label Studio writes, at any depth.
bool IsKeyOfLabelStudio(absl::string_view key) {
  static constexpr absl::string_view kKeys[] = {"completed_by",  "rectanglelabels",
                                                "polygonlabels", "ellipselabels",
                                                "brushlabels",   "keypointlabels"};
  return std::find(std::begin(kKeys), std::end(kKeys), key) != std::end(kKeys);
}

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

// kNotFound: the file has gone. Other codes: it cannot be read now.
absl::StatusOr<File> Open(const std::string& path) {
  File file(std::fopen(path.c_str(), "rb"), &std::fclose);
  if (file == nullptr) return ErrnoStatus("read", path);
  return file;
}

// Appends up to `size` bytes.
absl::Status Append(const File& file, const std::string& path, size_t size, std::string& bytes) {
  const size_t before = bytes.size();
  bytes.resize(before + size);
  bytes.resize(before + std::fread(&bytes[before], 1, size, file.get()));
  return std::ferror(file.get()) == 0 ? absl::OkStatus() : ErrnoStatus("read", path);
}

std::string Unsupported(absl::string_view format, absl::string_view advice = "") {
  return absl::StrCat("looks like ", format, ", which is not supported", advice.empty() ? "" : "; ",
                      advice);
}

// Listens to a JSON parser and ends it as soon as the format is known.
class JsonListener : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return Value(); }
  bool boolean(bool /*value*/) override { return Value(); }
  bool number_integer(number_integer_t /*value*/) override { return Value(); }
  bool number_unsigned(number_unsigned_t /*value*/) override { return Value(); }
  bool number_float(number_float_t /*value*/, const string_t& /*text*/) override { return Value(); }
  bool binary(binary_t& /*value*/) override { return Value(); }

  bool string(string_t& value) override {
    if (section_ == "images" && depth_ == 3 && key_ == "file_name") kind_.images.push_back(value);
    return Value();
  }
  bool start_object(size_t /*elements*/) override {
    ++depth_;
    return Value();
  }
  bool end_object() override {
    --depth_;
    return !Known();
  }
  bool start_array(size_t /*elements*/) override {
    if (depth_ == 0) list_ = true;
    ++depth_;
    return Value();
  }
  bool end_array() override {
    --depth_;
    return !Known();
  }
  bool key(string_t& value) override {
    if (value.size() > kLongestKey) value.resize(kLongestKey);
    key_ = value;
    label_studio_ = label_studio_ || IsKeyOfLabelStudio(value);
    if (depth_ == 1) section_ = value;
    if (depth_ == 1) Find(value, top_);
    // {"section": [{"key": ...}]} and [{"key": ...}]
    if (depth_ == 2 || depth_ == 3) {
      has_keys_ = true;
      regions_ = regions_ || value == "regions";
      Find((list_ ? "." : section_ + ".") + value, keys_);
    }
    return !Known();
  }
  bool parse_error(size_t /*position*/, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*error*/) override {
    return false;
  }

  FileKind Result() {
    Known();
    if (kind_.kind != AnnotationKind::kCoco) kind_.images.clear();
    const std::string other = kind_.kind == AnnotationKind::kNone ? LooksLike() : "";
    if (!other.empty()) {
      kind_.obstacle = Unsupported(other, other == kLabelStudio ? kLabelStudioAdvice : "");
    }
    return std::move(kind_);
  }

 private:
  // Keys that tell formats apart, and whether the file has them. Others are not kept: a file may
  // have millions.
  using Keys = std::map<std::string, bool>;

  static void Find(const std::string& key, Keys& keys) {
    const auto found = keys.find(key);
    if (found != keys.end()) found->second = true;
  }
  bool Has(const char* key) const { return keys_.at(key); }
  bool HasTop(const char* key) const { return top_.at(key); }

  bool Value() { return ++values_ < kMaxValues; }

  // Whether there is nothing more to learn.
  bool Known() {
    if (Has("images.file_name") || (Has("annotations.bbox") && Has("annotations.image_id"))) {
      kind_.kind = AnnotationKind::kCoco;
      return kind_.images.size() >= kImagesKept || (!kind_.images.empty() && section_ != "images");
    }
    if (HasTop("shapes") && (HasTop("imagePath") || HasTop("imageData") ||
                             Has("shapes.shape_type") || Has("shapes.points"))) {
      kind_.kind = AnnotationKind::kLabelMe;
      return true;
    }
    return list_ && depth_ == 1 && has_keys_;
  }

  std::string LooksLike() const {
    if (HasTop("_via_settings") || HasTop("_via_img_metadata") || regions_) {
      return "VGG Image Annotator (JSON)";
    }
    if (HasTop("items") && HasTop("categories")) return "Datumaro (JSON)";
    if (HasTop("objects") && HasTop("imgHeight")) return "Cityscapes (JSON)";
    if (HasTop("objects") && HasTop("size")) return "Supervisely (JSON)";
    if (Has(".image_id") && Has(".score")) return "COCO results: detections, not annotations";
    // The list of tasks, and JSON-MIN. Before CreateML: a task has "annotations", and its "data"
    // may have "image".
    if (label_studio_ || Has(".data")) return std::string(kLabelStudio);
    if (Has(".image") && Has(".annotations")) return "CreateML (JSON)";
    if (Has(".labels") && Has(".name")) return "BDD100K or Scalabel (JSON)";
    if (HasTop("assets") && HasTop("tags")) return "VoTT (JSON)";
    return "";
  }

  FileKind kind_;
  int64_t depth_ = 0;
  int64_t values_ = 0;
  bool list_ = false;
  bool label_studio_ = false;
  std::string section_;
  std::string key_;
  // Whether there is a key in a section, or in an object of a list; and whether one is "regions".
  bool has_keys_ = false;
  bool regions_ = false;
  // Every key that Has and HasTop are asked for.
  Keys top_ = {{"_via_img_metadata", false},
               {"_via_settings", false},
               {"assets", false},
               {"categories", false},
               {"imageData", false},
               {"imagePath", false},
               {"imgHeight", false},
               {"items", false},
               {"objects", false},
               {"shapes", false},
               {"size", false},
               {"tags", false}};
  Keys keys_ = {{".annotations", false},
                {".data", false},
                {".image", false},
                {".image_id", false},
                {".labels", false},
                {".name", false},
                {".score", false},
                {"annotations.bbox", false},
                {"annotations.image_id", false},
                {"images.file_name", false},
                {"shapes.points", false},
                {"shapes.shape_type", false}};
};

absl::StatusOr<FileKind> JsonKind(const File& file, const std::string& path) {
  std::rewind(file.get());
  JsonListener listener;
  nlohmann::json::sax_parse(file.get(), &listener);
  if (std::ferror(file.get()) != 0) return ErrnoStatus("read", path);
  return listener.Result();
}

// pugixml keeps what it has read of a file that is cut off here.
FileKind XmlKind(absl::string_view beginning) {
  pugi::xml_document document;
  document.load_buffer(beginning.data(), beginning.size());
  const pugi::xml_node root = document.document_element();
  const absl::string_view name = root.name();
  FileKind kind;
  const pugi::xml_node object = root.child("object");
  if (name == "annotation" && object.child("polygon") && !object.child("bndbox")) {
    kind.obstacle = Unsupported("LabelMe of MIT (XML)", "LabelMe's JSON is");
  } else if (name == "annotation" &&
             (root.child("object") || root.child("size") || root.child("filename"))) {
    kind.kind = AnnotationKind::kVoc;
  } else if (name == "annotations") {
    const bool video = root.child("track") && !root.child("image");
    if (video) {
      kind.obstacle = Unsupported("CVAT for video (XML)", "export it as \"CVAT for images 1.1\"");
    }
    const bool cvat = root.child("image") || root.child("meta") || root.child("version");
    if (!video && cvat) kind.kind = AnnotationKind::kCvat;
  } else if (name == "dataset" && root.child("images")) {
    kind.obstacle = Unsupported("dlib (XML)");
  }
  return kind;
}

bool IsNumber(absl::string_view text) {
  double value = 0;
  return absl::SimpleAtod(text, &value);
}

// Also "3.0", as some programs write numbers of classes.
bool IsWhole(absl::string_view text) {
  double value = 0;
  return absl::SimpleAtod(text, &value) && value == std::floor(value);
}

bool IsDotaHeader(absl::string_view line) {
  return absl::StartsWith(line, "imagesource:") || absl::StartsWith(line, "gsd:");
}

// Whether the words are numbers as YOLO has them: a class, and fractions.
bool IsYoloBox(const std::vector<absl::string_view>& words) {
  constexpr size_t kLeastWords = 5;
  if (words.size() < kLeastWords || !IsWhole(words[0])) return false;
  return std::all_of(words.begin() + 1, words.end(), [](absl::string_view word) {
    double value = 0;
    return absl::SimpleAtod(word, &value) && value >= 0 && value <= 1;
  });
}

// Whether a line would be one of YOLO if its commas were spaces, or decimal points.
bool IsYoloWithCommas(absl::string_view line) {
  if (!absl::StrContains(line, ",")) return false;
  if (IsYoloBox(absl::StrSplit(line, absl::ByAnyChar(" \t,"), absl::SkipEmpty()))) return true;
  const std::string with_points = absl::StrReplaceAll(line, {{",", "."}});
  return IsYoloBox(absl::StrSplit(with_points, absl::ByAnyChar(" \t"), absl::SkipEmpty()));
}

// Whether a text of which more follows has all lines that TextKind reads.
bool HasItsLines(absl::string_view beginning) {
  if (IsWideText(beginning)) return false;
  // The last may be cut off.
  beginning = beginning.substr(0, beginning.find_last_of("\r\n") + 1);
  int lines = 0;
  for (absl::string_view line : absl::StrSplit(beginning, absl::ByAnyChar("\r\n"))) {
    line = absl::StripAsciiWhitespace(line);
    if (!line.empty() && !IsDotaHeader(line)) ++lines;
  }
  return lines >= kLines;
}

// How many of the first lines of a text look like each kind.
struct LineCounts {
  int lines = 0;
  int images = 0;
  int boxes = 0;
  int named = 0;  // boxes with names of classes
  int commas = 0;
  int dota = 0;
  int kitti = 0;
};

void CountLine(absl::string_view line, LineCounts& counts) {
  const std::vector<absl::string_view> words =
      absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
  const auto numbers = std::count_if(words.begin(), words.end(), IsNumber);
  const auto size = static_cast<std::ptrdiff_t>(words.size());
  ++counts.lines;
  counts.images += HasImageExtension(line) ? 1 : 0;
  counts.boxes += size >= 5 && numbers == size && IsWhole(words[0]) ? 1 : 0;
  counts.named += size == 5 && numbers == 4 && !IsNumber(words[0]) ? 1 : 0;
  counts.commas += IsYoloWithCommas(line) ? 1 : 0;
  counts.dota += size == 10 && numbers == 9 && !IsNumber(words[8]) ? 1 : 0;
  counts.kitti += size >= 15 && !IsNumber(words[0]) && numbers == size - 1 ? 1 : 0;
}

LineCounts CountLines(absl::string_view beginning) {
  LineCounts counts;
  for (absl::string_view line :
       absl::StrSplit(WithoutByteOrderMark(beginning), absl::ByAnyChar("\r\n"))) {
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || IsDotaHeader(line)) continue;
    if (counts.lines == kLines) break;
    CountLine(line, counts);
  }
  return counts;
}

FileKind TextKind(absl::string_view beginning) {
  const LineCounts counts = CountLines(beginning);
  FileKind kind;
  kind.empty = counts.lines == 0;
  if (kind.empty) return kind;
  if (counts.images == counts.lines) kind.kind = AnnotationKind::kImageList;
  if (counts.boxes == counts.lines) kind.kind = AnnotationKind::kYolo;
  if (counts.named == counts.lines) {
    kind.obstacle =
        Unsupported("YOLO with names of classes (text)", "YOLO has their numbers, from 0");
  }
  if (counts.commas == counts.lines) {
    kind.obstacle =
        "looks like YOLO with commas in its lines; values must be separated by spaces, "
        "and decimals written with a point";
  }
  if (counts.dota == counts.lines) kind.obstacle = Unsupported("DOTA (oriented boxes, text)");
  if (counts.kitti == counts.lines) kind.obstacle = Unsupported("KITTI (text)");
  return kind;
}

FileKind CsvKind(absl::string_view beginning) {
  FileKind kind;
  if (LooksLikeBoxesCsv(beginning)) {
    kind.kind = AnnotationKind::kCsv;
    return kind;
  }
  const absl::string_view line = beginning.substr(0, beginning.find_first_of("\r\n"));
  if (absl::StrContains(line, "region_shape_attributes")) {
    kind.obstacle = Unsupported("VGG Image Annotator (CSV)");
  } else if (absl::StrContains(line, "ImageID") && absl::StrContains(line, "XMin")) {
    kind.obstacle = Unsupported("Open Images (CSV)");
  } else if (const std::string missing = FindMissingCorners(beginning); !missing.empty()) {
    kind.obstacle = absl::StrCat("has no columns ", missing);
  }
  return kind;
}

// Spreadsheets and Windows' editors write UTF-16. Text that is neither is unchanged.
std::string Decoded(const std::string& beginning) { return ToUtf8(beginning).value_or(beginning); }

}  // namespace

absl::StatusOr<FileKind> ReadFileKind(const std::string& path) {
  const bool json = absl::EndsWithIgnoreCase(path, ".json");
  const bool text = absl::EndsWithIgnoreCase(path, ".txt");
  FileKind kind;
  const absl::StatusOr<File> file = Open(path);
  if (absl::IsNotFound(file.status())) {
    kind.obstacle = "is no longer there";
    return kind;
  }
  RCNN_RETURN_IF_ERROR(file.status());
  std::string beginning;
  RCNN_RETURN_IF_ERROR(Append(*file, path, text ? kFirstBytes : kBeginning, beginning));
  if (text && beginning.size() == kFirstBytes && !HasItsLines(beginning)) {
    RCNN_RETURN_IF_ERROR(Append(*file, path, kBeginning - kFirstBytes, beginning));
  }
  if (IsGitLfsPointer(beginning)) {
    kind.obstacle = absl::StrCat("is ", kGitLfsPointer);
    return kind;
  }
  // XML and lists may be UTF-16.
  if (json && IsWideText(beginning)) {
    kind.obstacle = "is JSON in UTF-16 or UTF-32; save it as UTF-8";
    return kind;
  }
  if (json) return JsonKind(*file, path);
  if (absl::EndsWithIgnoreCase(path, ".xml")) return XmlKind(beginning);
  if (absl::EndsWithIgnoreCase(path, ".csv")) return CsvKind(Decoded(beginning));
  if (text) return TextKind(Decoded(beginning));
  return kind;
}

}  // namespace rcnn::data
