#include "rcnn/eval/text_results.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <optional>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "rcnn/base/byte_order_mark.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/data/core/text_encoding.h"
#include "rcnn/data/csv/csv_rows.h"

namespace rcnn::eval {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kAmbiguous = -2;
constexpr int64_t kSkipped = -1;
// Larger values are pixels; a detector may place a box slightly outside the image.
constexpr double kMostFraction = 2;
constexpr char kVocMark[] = "_det_";

absl::Status Invalid(absl::string_view what) { return absl::InvalidArgumentError(what); }

// Finds images by path; where none has it, by file name or by that without extension.
class ImageNames {
 public:
  explicit ImageNames(const GroundTruth& truth) {
    for (size_t i = 0; i < truth.images.size(); ++i) {
      const fs::path path(truth.images[i].file);
      const auto index = static_cast<int64_t>(i);
      Add(path.string(), index, paths_);
      Add(path.filename().string(), index, names_);
      Add(path.stem().string(), index, names_);
    }
  }

  absl::StatusOr<int64_t> Find(absl::string_view name) const {
    auto found = paths_.find(name);
    if (found == paths_.end()) {
      found = names_.find(name);
      if (found == names_.end()) {
        return Invalid(absl::StrCat("the dataset has no image '", name, "'"));
      }
    }
    if (found->second != kAmbiguous) return found->second;
    return Invalid(absl::StrCat("several images of the dataset are called '", name,
                                "'; name them by their paths"));
  }

 private:
  using Indices = absl::flat_hash_map<std::string, int64_t>;

  static void Add(const std::string& name, int64_t index, Indices& indices) {
    const auto [found, is_new] = indices.emplace(name, index);
    if (!is_new && found->second != index) found->second = kAmbiguous;
  }

  Indices paths_;
  Indices names_;
};

// kSkipped for an unknown class if `skip`.
absl::StatusOr<int64_t> FindClass(const GroundTruth& truth, absl::string_view name, bool skip) {
  const int64_t k = truth.CategoryIndex(name);
  if (k >= 0) return k;
  if (skip) return kSkipped;
  const std::string known = absl::StrJoin(
      truth.categories, ", ", [](std::string* out, const GroundTruthCategory& category) {
        absl::StrAppend(out, category.name);
      });
  return Invalid(absl::StrCat("the dataset has no class '", name, "'; it has ",
                              known.substr(0, 300), "; --skip_unknown_categories leaves it out"));
}

absl::StatusOr<std::vector<double>> ToNumbers(absl::Span<const absl::string_view> fields) {
  std::vector<double> numbers;
  for (absl::string_view field : fields) {
    double number = 0;
    if (!absl::SimpleAtod(field, &number)) {
      return Invalid(absl::StrCat("'", field, "' is not a number"));
    }
    numbers.push_back(number);
  }
  return numbers;
}

// The numbers of a CSV file. Where commas do not separate its columns they may be decimal commas.
class CsvNumbers {
 public:
  // In a file that has points too, "1,234" is 1234 or 1.234: the first number from which that is
  // known is an error.
  absl::StatusOr<double> Read(absl::string_view field, char separator) {
    const std::optional<double> number = data::ParseCsvNumber(field, separator != ',');
    if (!number) {
      const bool has_comma = data::ParseCsvNumber(field, /*decimal_commas=*/true).has_value();
      return Invalid(absl::StrCat("'", field, "' is not a number",
                                  has_comma ? "; write it with a decimal point" : ""));
    }
    has_commas_ |= absl::StrContains(field, ",");
    has_points_ |= absl::StrContains(field, ".");
    if (!has_commas_ || !has_points_) return *number;
    return Invalid(absl::StrCat("'", field,
                                "': numbers with a comma and with a point in one file; "
                                "write all of them with decimal points"));
  }

 private:
  bool has_commas_ = false;
  bool has_points_ = false;
};

// Calls read(line) for every line that is not blank; an error gets its number.
template <typename Read>
absl::Status ForEachLine(const std::string& path, Read read) {
  RCNN_ASSIGN_OR_RETURN(std::string text, ReadFile(path, {.max_bytes = int64_t{1} << 34}));
  // Without a byte order mark a zero byte means damage, which is reported with its line, not
  // UTF-16.
  if (absl::StartsWith(text, "\xff\xfe") || absl::StartsWith(text, "\xfe\xff")) {
    RCNN_ASSIGN_OR_RETURN(text, data::ToUtf8(text), path);
  }
  int64_t number = 0;
  for (absl::string_view line : absl::StrSplit(WithoutByteOrderMark(text), '\n')) {
    ++number;
    if (absl::StripAsciiWhitespace(line).empty()) continue;
    absl::ConsumeSuffix(&line, "\r");
    RCNN_RETURN_IF_ERROR(read(line), absl::StrCat(path, ":", number));
  }
  return absl::OkStatus();
}

std::vector<absl::string_view> SplitWords(absl::string_view line) {
  return absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
}

class Reader {
 public:
  // skipped: counts the detections of unknown classes, which are an error if it is null.
  Reader(const GroundTruth& truth, int64_t* skipped)
      : truth_(truth), images_(truth), skipped_(skipped) {}

  // "comp4_det_test_cat.txt": what follows the word after "_det_".
  absl::Status ReadVoc(const std::string& path) {
    const std::string stem = fs::path(path).stem().string();
    const size_t split = stem.find(kVocMark) + sizeof(kVocMark) - 1;
    const size_t name = stem.find('_', split);
    if (name == stem.npos) {
      return Invalid(absl::StrCat(path, ": no class in its name, as in comp4_det_test_cat.txt"));
    }
    RCNN_ASSIGN_OR_RETURN(const int64_t k,
                          FindClass(truth_, stem.substr(name + 1), skipped_ != nullptr), path);
    // Two files of one class would detect every object twice.
    if (k != kSkipped && !voc_classes_.insert(k).second) {
      return Invalid(absl::StrCat(path, ": a second file of the class '", truth_.categories[k].name,
                                  "'; keep the files of one run in a folder"));
    }
    return ForEachLine(path, [&](absl::string_view line) { return AddVocLine(line, k); });
  }

  absl::Status ReadYolo(const std::string& path) {
    // A file without detections may have any name.
    absl::StatusOr<int64_t> image = images_.Find(fs::path(path).stem().string());
    return ForEachLine(path, [&](absl::string_view line) -> absl::Status {
      RCNN_RETURN_IF_ERROR(image.status());
      return AddYoloLine(line, *image);
    });
  }

  absl::Status ReadCsv(const std::string& path) {
    CsvTable table;
    RCNN_RETURN_IF_ERROR(
        ForEachLine(path, [&](absl::string_view line) { return AddCsvLine(line, table); }));
    return table.columns.empty() ? Invalid(absl::StrCat(path, ": has no header"))
                                 : absl::OkStatus();
  }

  Detections Take() { return std::move(detections_); }

 private:
  // What the lines of a CSV file have said so far.
  struct CsvTable {
    std::optional<char> separator = std::nullopt;
    size_t width = 0;                  // of the header, in columns
    std::vector<size_t> columns = {};  // where kColumns are; empty before the header
    CsvNumbers numbers = {};
  };

  absl::Status Add(int64_t image, int64_t k, const XywhBox& box, double score) {
    if (k == kSkipped) return ++*skipped_, absl::OkStatus();
    const Detection detection = {truth_.images[image].id, truth_.categories[k].id, box, score};
    RCNN_RETURN_IF_ERROR(CheckNumbers(detection));
    detections_.Add(detection);
    return absl::OkStatus();
  }

  absl::Status AddVocLine(absl::string_view line, int64_t k) {
    const std::vector<absl::string_view> words = SplitWords(line);
    if (words.size() != 6) {
      return Invalid(absl::StrCat("has ", Counted(words.size(), "field"),
                                  ", not image, score, xmin, ymin, xmax, ymax"));
    }
    RCNN_ASSIGN_OR_RETURN(const int64_t image, images_.Find(words[0]));
    RCNN_ASSIGN_OR_RETURN(const std::vector<double> n,
                          ToNumbers(absl::MakeConstSpan(words).subspan(1)));
    return Add(image, k, {n[1] - 1, n[2] - 1, n[3] - n[1] + 1, n[4] - n[2] + 1}, n[0]);
  }

  absl::Status AddYoloLine(absl::string_view line, int64_t image) {
    const std::vector<absl::string_view> words = SplitWords(line);
    if (words.size() != 6) {
      return Invalid(absl::StrCat("has ", Counted(words.size(), "field"),
                                  ", not class, x, y, width, height, confidence"));
    }
    int64_t k = 0;
    const bool is_class = absl::SimpleAtoi(words[0], &k) && k >= 0;
    const bool known = is_class && k < static_cast<int64_t>(truth_.categories.size());
    if (is_class && !known && skipped_ != nullptr) k = kSkipped;
    if (!is_class || (!known && k != kSkipped)) {
      return Invalid(absl::StrCat("'", words[0], "' is not a class; the dataset has ",
                                  truth_.categories.size(), ", the first is 0"));
    }
    RCNN_ASSIGN_OR_RETURN(const std::vector<double> n,
                          ToNumbers(absl::MakeConstSpan(words).subspan(1)));
    for (size_t i = 0; i < 4; ++i) {
      if (!(std::abs(n[i]) > kMostFraction)) continue;
      return Invalid(absl::StrCat("'", words[i + 1],
                                  "' is not a fraction of the image's size; YOLO's x, y, width and "
                                  "height are from 0 to 1, pixels go into CSV"));
    }
    const auto width = static_cast<double>(truth_.images[image].width);
    const auto height = static_cast<double>(truth_.images[image].height);
    if (!(width > 0 && height > 0)) {
      return Invalid("the dataset does not say how large the image is");
    }
    return Add(image, k,
               {(n[0] - n[2] / 2) * width, (n[1] - n[3] / 2) * height, n[2] * width, n[3] * height},
               n[4]);
  }

  static absl::Status FindColumns(const data::CsvFields& header, std::vector<size_t>& columns) {
    for (absl::string_view name : kColumns) {
      const auto is_named = [name](absl::string_view cell) {
        return absl::EqualsIgnoreCase(cell, name);
      };
      const auto found = std::find_if(header.begin(), header.end(), is_named);
      if (found == header.end()) {
        return Invalid(absl::StrCat("the header has no column '", name, "'; needed are ",
                                    absl::StrJoin(kColumns, ", ")));
      }
      columns.push_back(static_cast<size_t>(found - header.begin()));
      if (std::any_of(found + 1, header.end(), is_named)) {
        return Invalid(absl::StrCat("the header has two columns '", name, "'"));
      }
    }
    return absl::OkStatus();
  }

  // The separator, the header or a detection.
  absl::Status AddCsvLine(absl::string_view line, CsvTable& table) {
    const bool is_first = !table.separator;
    if (is_first) table.separator = data::FindCsvSeparator(line);
    if (is_first && data::IsCsvSeparatorLine(line)) return absl::OkStatus();
    RCNN_ASSIGN_OR_RETURN(const data::CsvFields cells, data::ReadCsvLine(line, *table.separator));
    if (!table.columns.empty()) return AddCsvDetection(cells, table);
    table.width = cells.size();
    return FindColumns(cells, table.columns);
  }

  absl::Status AddCsvDetection(const data::CsvFields& cells, CsvTable& table) {
    if (cells.size() != table.width) {
      return Invalid(absl::StrCat("has ", Counted(cells.size(), "field"), ", the header has ",
                                  table.width, "; a field with the separator in it needs quotes"));
    }
    const auto field = [&](size_t column) -> const std::string& {
      return cells[table.columns[column]];
    };
    RCNN_ASSIGN_OR_RETURN(const int64_t image, images_.Find(field(0)));
    RCNN_ASSIGN_OR_RETURN(const int64_t k, FindClass(truth_, field(1), skipped_ != nullptr));
    std::array<double, 5> n = {};
    for (size_t i = 0; i < n.size(); ++i) {
      RCNN_ASSIGN_OR_RETURN(n[i], table.numbers.Read(field(i + 2), *table.separator));
    }
    return Add(image, k, {n[0], n[1], n[2] - n[0], n[3] - n[1]}, n[4]);
  }

  static constexpr std::array<absl::string_view, 7> kColumns = {"image", "class", "xmin", "ymin",
                                                                "xmax",  "ymax",  "score"};

  const GroundTruth& truth_;
  const ImageNames images_;
  int64_t* const skipped_;
  std::set<int64_t> voc_classes_;  // of the files read so far
  Detections detections_;
};

bool IsVocName(const std::string& path) {
  return absl::StrContains(fs::path(path).filename().string(), kVocMark);
}

absl::StatusOr<std::vector<std::string>> ListTextFiles(const std::string& folder) {
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListNames(folder));
  std::vector<std::string> files;
  for (const std::string& name : names) {
    const fs::path file = fs::path(folder) / name;
    if (file.extension() == ".txt") files.push_back(file.string());
  }
  if (files.empty()) return Invalid(absl::StrCat(folder, ": has no .txt files"));
  return files;
}

}  // namespace

bool IsTextResults(const std::string& path) {
  std::error_code error;
  return fs::is_directory(path, error) || absl::EndsWithIgnoreCase(path, ".txt") ||
         absl::EndsWithIgnoreCase(path, ".csv");
}

absl::StatusOr<Detections> ReadTextResults(const std::string& path, const GroundTruth& truth,
                                           int64_t* skipped) {
  if (skipped != nullptr) *skipped = 0;
  Reader reader(truth, skipped);
  RCNN_ASSIGN_OR_RETURN(const fs::file_type type, TargetType(path));
  if (type != fs::file_type::directory) {
    const bool csv = absl::EndsWithIgnoreCase(path, ".csv");
    if (!csv && !IsVocName(path)) {
      return Invalid(absl::StrCat(path,
                                  ": a text file of detections is one of VOC's, "
                                  "comp4_det_test_<class>.txt, or a folder of YOLO's"));
    }
    RCNN_RETURN_IF_ERROR(csv ? reader.ReadCsv(path) : reader.ReadVoc(path));
    return reader.Take();
  }
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> files, ListTextFiles(path));
  const bool voc = std::any_of(files.begin(), files.end(), IsVocName);
  const auto other = std::find_if_not(files.begin(), files.end(), IsVocName);
  if (voc && other != files.end()) {
    return Invalid(absl::StrCat(*other, ": is not named like VOC's other files in this folder, ",
                                "comp4_det_test_<class>.txt; move it out of the folder"));
  }
  for (const std::string& file : files) {
    RCNN_RETURN_IF_ERROR(voc ? reader.ReadVoc(file) : reader.ReadYolo(file));
  }
  return reader.Take();
}

}  // namespace rcnn::eval
