#include "rcnn/data/yolo/yolo_names.h"

#include <algorithm>
#include <cstdint>
#include <exception>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "rcnn/base/byte_order_mark.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/standard_exception_status.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/data/core/text_encoding.h"
#include "yaml-cpp/yaml.h"

namespace rcnn::data {
namespace {

constexpr int64_t kMaxListBytes = int64_t{4} << 20;
// Of a map of names: how many of the numbers from 0 to its largest may be without a name.
constexpr int64_t kMostLeftOut = 1000;
// Each value of YAML and each token begins with one of these or follows one. A name between two
// commas in braces, 2 bytes, is two values and three tokens, of 1.3 kB together.
constexpr absl::string_view kIndicators = "-?:,[]{}&*!|>'\"\r\n";
constexpr int64_t kFewIndicators = int64_t{1} << 16;
constexpr int64_t kBytesPerIndicator = 128;

std::string Text(const YAML::Node& node) {
  return node.IsScalar() ? std::string(absl::StripAsciiWhitespace(node.Scalar())) : "";
}

// Copies texts, at most four times the file: a few bytes of aliases (*name) may stand for any
// number of copies of a text.
class Texts {
 public:
  explicit Texts(size_t file_bytes) : left_(4 * static_cast<int64_t>(file_bytes)) {}

  absl::StatusOr<std::string> Copy(const YAML::Node& node) {
    std::string text = Text(node);
    left_ -= static_cast<int64_t>(text.size());
    if (left_ >= 0) return text;
    return absl::InvalidArgumentError("its aliases stand for more than four times its own text");
  }

  // Of a text or a list of them, without empty ones.
  absl::StatusOr<std::vector<std::string>> CopyAll(const YAML::Node& node) {
    std::vector<std::string> texts;
    for (size_t i = 0; i < (node.IsSequence() ? node.size() : 1); ++i) {
      RCNN_ASSIGN_OR_RETURN(std::string text, Copy(node.IsSequence() ? node[i] : node));
      if (!text.empty()) texts.push_back(std::move(text));
    }
    return texts;
  }

 private:
  int64_t left_;
};

// Before the text is parsed.
absl::Status CheckSize(absl::string_view text) {
  const auto bytes = static_cast<int64_t>(text.size());
  if (bytes > kMaxYoloYamlBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("YAML of ", bytes, " bytes, more than the limit of ", kMaxYoloYamlBytes));
  }
  int64_t indicators = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    // "\r\n" is one line break.
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    if (kIndicators.find(text[i]) != absl::string_view::npos) ++indicators;
  }
  const int64_t most = kFewIndicators + bytes / kBytesPerIndicator;
  if (indicators <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "too many values for YAML of ", Counted(text.size(), "byte"), ": ", indicators,
      " characters that begin, end or separate values, more than the limit of ", most));
}

absl::StatusOr<int64_t> ClassNumber(const std::string& text, size_t names) {
  int64_t number = -1;
  if (!absl::SimpleAtoi(text, &number) || number < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("names: \"", text, "\" is not a whole number >= 0"));
  }
  if (number < static_cast<int64_t>(names) + kMostLeftOut) return number;
  return absl::InvalidArgumentError(absl::StrCat("names: ", number, " is too large for ", names,
                                                 names == 1 ? " name" : " names"));
}

absl::Status ReadMapOfNames(const YAML::Node& names, Texts& texts, YoloYaml& yaml) {
  absl::flat_hash_set<int64_t> seen;
  for (const auto& entry : names) {
    RCNN_ASSIGN_OR_RETURN(const std::string key, texts.Copy(entry.first));
    RCNN_ASSIGN_OR_RETURN(const int64_t number, ClassNumber(key, names.size()));
    if (!seen.insert(number).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("names: two names for the class ", number, "; remove one of them"));
    }
    while (static_cast<int64_t>(yaml.names.size()) <= number) {
      yaml.names.push_back(absl::StrCat(yaml.names.size()));
    }
    RCNN_ASSIGN_OR_RETURN(yaml.names[number], texts.Copy(entry.second));
  }
  return absl::OkStatus();
}

absl::Status ReadNames(const YAML::Node& names, Texts& texts, YoloYaml& yaml) {
  if (names.IsSequence()) {
    for (const YAML::Node& name : names) {
      RCNN_ASSIGN_OR_RETURN(std::string text, texts.Copy(name));
      yaml.names.push_back(std::move(text));
    }
  } else if (names.IsMap()) {
    RCNN_RETURN_IF_ERROR(ReadMapOfNames(names, texts, yaml));
  }
  if (names.IsScalar()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "names: ", Text(names), " is not a list of the classes, as in names: [", Text(names), "]"));
  }
  if (yaml.names.empty()) {
    return absl::InvalidArgumentError("no \"names\": a list of the classes");
  }
  const auto empty = std::find(yaml.names.begin(), yaml.names.end(), "");
  if (empty == yaml.names.end()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("names: the class ", empty - yaml.names.begin(),
                                                 " has no name, or not one text; write one"));
}

// YAML forbids it, yaml-cpp takes the first, and other libraries the last.
absl::Status CheckGivenOnce(const YAML::Node& root) {
  for (const char* key : {"names", "nc", "path", "train", "val", "valid", "test", "kpt_shape"}) {
    int64_t count = 0;
    for (const auto& entry : root) {
      count += entry.first.IsScalar() && entry.first.Scalar() == key ? 1 : 0;
    }
    if (count > 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", key, "\" is given ", count, " times; keep one"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckCount(const YAML::Node& count, const YoloYaml& yaml) {
  int64_t number = 0;
  if (!count || !absl::SimpleAtoi(Text(count), &number)) return absl::OkStatus();
  if (number == static_cast<int64_t>(yaml.names.size())) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("nc is ", number, ", but there ", Noun(yaml.names.size(), "is", "are"), " ",
                   Counted(yaml.names.size(), "name"), "; correct the one that is wrong"));
}

absl::StatusOr<YoloYaml> Convert(const YAML::Node& root, Texts texts) {
  if (!root.IsMap()) return absl::InvalidArgumentError("not a map of keys to values");
  RCNN_RETURN_IF_ERROR(CheckGivenOnce(root));
  YoloYaml yaml;
  const YAML::Node names = root["names"];
  RCNN_RETURN_IF_ERROR(ReadNames(names ? names : YAML::Node(), texts, yaml));
  RCNN_RETURN_IF_ERROR(CheckCount(root["nc"], yaml));
  if (root["path"]) yaml.path = Text(root["path"]);
  yaml.keypoints = static_cast<bool>(root["kpt_shape"]);
  for (const auto& [key, part] : {std::pair("train", "train"), std::pair("val", "val"),
                                  std::pair("valid", "val"), std::pair("test", "test")}) {
    if (!root[key]) continue;
    RCNN_ASSIGN_OR_RETURN(std::vector<std::string> places, texts.CopyAll(root[key]));
    if (!places.empty()) yaml.parts[part] = std::move(places);
  }
  return yaml;
}

absl::StatusOr<std::vector<std::string>> NamesIn(const std::string& path) {
  if (!IsYamlFile(path)) return ReadYoloNameList(path);
  RCNN_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, {.max_bytes = kMaxYoloYamlBytes}));
  RCNN_ASSIGN_OR_RETURN(YoloYaml yaml, ParseYoloYaml(text), path);
  return std::move(yaml.names);
}

}  // namespace

// Only yaml-cpp's own exceptions know the position.
absl::StatusOr<YoloYaml> ParseYoloYaml(absl::string_view text) {
  RCNN_RETURN_IF_ERROR(CheckSize(text));
  try {
    return Convert(YAML::Load(std::string(text)), Texts(text.size()));
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(absl::StrCat("not valid YAML at line ", error.mark.line + 1,
                                                   ", column ", error.mark.column + 1, ": ",
                                                   error.msg));
  } catch (const std::exception& error) {
    return Annotate(StandardExceptionStatus(error, absl::StatusCode::kInvalidArgument), "YAML");
  }
}

bool IsYamlFile(absl::string_view file) {
  return absl::EndsWithIgnoreCase(file, ".yaml") || absl::EndsWithIgnoreCase(file, ".yml");
}

std::vector<std::string> ParseYoloNameList(absl::string_view text) {
  std::vector<std::string> names;
  for (absl::string_view line :
       absl::StrSplit(WithoutByteOrderMark(text), absl::ByAnyChar("\r\n"))) {
    line = absl::StripAsciiWhitespace(line);
    if (!line.empty()) names.emplace_back(line);
  }
  return names;
}

absl::StatusOr<std::vector<std::string>> ReadYoloNameList(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path, {.max_bytes = kMaxListBytes}));
  RCNN_ASSIGN_OR_RETURN(const std::string text, ToUtf8(bytes), path);
  return ParseYoloNameList(text);
}

absl::StatusOr<std::vector<std::string>> ReadYoloNames(const std::string& folder) {
  RCNN_ASSIGN_OR_RETURN(std::vector<std::string> files, ListNames(folder.empty() ? "." : folder));
  files.erase(std::remove_if(files.begin(), files.end(),
                             [](const std::string& file) {
                               return !IsYamlFile(file) &&
                                      !absl::EndsWithIgnoreCase(file, ".names");
                             }),
              files.end());
  // YAML before plain lists, which may belong to another tool.
  std::sort(files.begin(), files.end(), [](const std::string& a, const std::string& b) {
    return std::pair(!IsYamlFile(a), a) < std::pair(!IsYamlFile(b), b);
  });
  files.insert(files.begin(), "data.yaml");
  for (const char* list : {"classes.txt", "obj.names", "_darknet.labels"}) files.emplace_back(list);
  for (const std::string& file : files) {
    absl::StatusOr<std::vector<std::string>> names = NamesIn(absl::StrCat(folder, "/", file));
    if (names.ok() && !names->empty()) return names;
    if (IsUnreadableNow(names.status())) return names;
    if (file == "data.yaml" && !names.ok() && !absl::IsNotFound(names.status())) return names;
  }
  return absl::NotFoundError(
      absl::StrCat(folder,
                   ": no class names: found neither data.yaml nor classes.txt, "
                   "obj.names or _darknet.labels"));
}

}  // namespace rcnn::data
