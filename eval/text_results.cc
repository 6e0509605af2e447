#include "rcnn/eval/text_results.h"

#include <algorithm>
#include <array>
#include <filesystem>
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
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::eval {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kAmbiguous = -2;
constexpr char kVocMark[] = "_det_";

absl::Status Invalid(absl::string_view what) { return absl::InvalidArgumentError(what); }

// Finds images by path, name, or name without extension.
class ImageNames {
 public:
  explicit ImageNames(const GroundTruth& truth) {
    for (size_t i = 0; i < truth.images.size(); ++i) {
      const fs::path path(truth.images[i].file);
      const auto index = static_cast<int64_t>(i);
      for (const std::string& name :
           {path.string(), path.filename().string(), path.stem().string()}) {
        const auto [found, is_new] = indices_.emplace(name, index);
        if (!is_new && found->second != index) found->second = kAmbiguous;
      }
    }
  }

  absl::StatusOr<int64_t> Find(absl::string_view name) const {
    const auto found = indices_.find(name);
    if (found == indices_.end()) {
      return Invalid(absl::StrCat("the dataset has no image '", name, "'"));
    }
    if (found->second != kAmbiguous) return found->second;
    return Invalid(absl::StrCat("several images of the dataset are called '", name,
                                "'; name them by their paths"));
  }

 private:
  absl::flat_hash_map<std::string, int64_t> indices_;
};

absl::StatusOr<int64_t> FindClass(const GroundTruth& truth, absl::string_view name) {
  const int64_t k = truth.CategoryIndex(name);
  if (k >= 0) return k;
  const std::string known = absl::StrJoin(
      truth.categories, ", ", [](std::string* out, const GroundTruthCategory& category) {
        absl::StrAppend(out, category.name);
      });
  return Invalid(
      absl::StrCat("the dataset has no class '", name, "'; it has ", known.substr(0, 300)));
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

// Calls read(line) for every line that is not blank; an error gets its number.
template <typename Read>
absl::Status ForEachLine(const std::string& path, Read read) {
  RCNN_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, {.max_bytes = int64_t{1} << 34}));
  int64_t number = 0;
  for (absl::string_view line : absl::StrSplit(absl::StripPrefix(text, "\xef\xbb\xbf"), '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty()) continue;
    RCNN_RETURN_IF_ERROR(read(line), absl::StrCat(path, ":", number));
  }
  return absl::OkStatus();
}

std::vector<absl::string_view> SplitWords(absl::string_view line) {
  return absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
}

class Reader {
 public:
  explicit Reader(const GroundTruth& truth) : truth_(truth), images_(truth) {}

  // "comp4_det_test_cat.txt": what follows the word after "_det_".
  absl::Status ReadVoc(const std::string& path) {
    const std::string stem = fs::path(path).stem().string();
    const size_t split = stem.find(kVocMark) + sizeof(kVocMark) - 1;
    const size_t name = stem.find('_', split);
    if (name == stem.npos) {
      return Invalid(absl::StrCat(path, ": no class in its name, as in comp4_det_test_cat.txt"));
    }
    RCNN_ASSIGN_OR_RETURN(const int64_t k, FindClass(truth_, stem.substr(name + 1)), path);
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
    std::vector<size_t> columns;
    RCNN_RETURN_IF_ERROR(ForEachLine(path, [&](absl::string_view line) -> absl::Status {
      RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> cells, SplitCsv(line));
      return columns.empty() ? FindColumns(cells, columns) : AddCsvLine(cells, columns);
    }));
    return columns.empty() ? Invalid(absl::StrCat(path, ": has no header")) : absl::OkStatus();
  }

  Detections Take() { return std::move(detections_); }

 private:
  absl::Status Add(int64_t image, int64_t k, const XywhBox& box, double score) {
    const Detection detection = {truth_.images[image].id, truth_.categories[k].id, box, score};
    RCNN_RETURN_IF_ERROR(CheckNumbers(detection));
    detections_.Add(detection);
    return absl::OkStatus();
  }

  absl::Status AddVocLine(absl::string_view line, int64_t k) {
    const std::vector<absl::string_view> words = SplitWords(line);
    if (words.size() != 6) {
      return Invalid(
          absl::StrCat("has ", words.size(), " fields, not image, score, xmin, ymin, xmax, ymax"));
    }
    RCNN_ASSIGN_OR_RETURN(const int64_t image, images_.Find(words[0]));
    RCNN_ASSIGN_OR_RETURN(const std::vector<double> n,
                          ToNumbers(absl::MakeConstSpan(words).subspan(1)));
    return Add(image, k, {n[1] - 1, n[2] - 1, n[3] - n[1] + 1, n[4] - n[2] + 1}, n[0]);
  }

  absl::Status AddYoloLine(absl::string_view line, int64_t image) {
    const std::vector<absl::string_view> words = SplitWords(line);
    if (words.size() != 6) {
      return Invalid(absl::StrCat("has ", words.size(),
                                  " fields, not class, x, y, width, height, confidence"));
    }
    int64_t k = 0;
    if (!absl::SimpleAtoi(words[0], &k) || k < 0 ||
        k >= static_cast<int64_t>(truth_.categories.size())) {
      return Invalid(absl::StrCat("'", words[0], "' is not a class; the dataset has ",
                                  truth_.categories.size(), ", the first is 0"));
    }
    RCNN_ASSIGN_OR_RETURN(const std::vector<double> n,
                          ToNumbers(absl::MakeConstSpan(words).subspan(1)));
    const auto width = static_cast<double>(truth_.images[image].width);
    const auto height = static_cast<double>(truth_.images[image].height);
    if (!(width > 0 && height > 0)) {
      return Invalid("the dataset does not say how large the image is");
    }
    return Add(image, k,
               {(n[0] - n[2] / 2) * width, (n[1] - n[3] / 2) * height, n[2] * width, n[3] * height},
               n[4]);
  }

  static absl::StatusOr<std::vector<std::string>> SplitCsv(absl::string_view line) {
    std::vector<std::string> cells(1);
    bool quoted = false;
    for (size_t i = 0; i < line.size(); ++i) {
      if (quoted && line[i] == '"' && i + 1 < line.size() && line[i + 1] == '"') {
        cells.back() += line[i++];
      } else if (line[i] == '"') {
        quoted = !quoted;
      } else if (line[i] == ',' && !quoted) {
        cells.emplace_back();
      } else {
        cells.back() += line[i];
      }
    }
    if (quoted) return Invalid("a quoted field is not closed");
    return cells;
  }

  static absl::Status FindColumns(const std::vector<std::string>& header,
                                  std::vector<size_t>& columns) {
    for (absl::string_view name : kColumns) {
      const auto found = std::find_if(header.begin(), header.end(), [&](absl::string_view cell) {
        return absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(cell), name);
      });
      if (found == header.end()) {
        return Invalid(absl::StrCat("the header has no column '", name, "'; needed are ",
                                    absl::StrJoin(kColumns, ", ")));
      }
      columns.push_back(static_cast<size_t>(found - header.begin()));
    }
    return absl::OkStatus();
  }

  absl::Status AddCsvLine(const std::vector<std::string>& cells,
                          const std::vector<size_t>& columns) {
    std::vector<absl::string_view> fields;
    for (size_t column : columns) {
      if (column >= cells.size()) {
        return Invalid(absl::StrCat("has ", cells.size(), " fields, fewer than the header"));
      }
      fields.push_back(absl::StripAsciiWhitespace(cells[column]));
    }
    RCNN_ASSIGN_OR_RETURN(const int64_t image, images_.Find(fields[0]));
    RCNN_ASSIGN_OR_RETURN(const int64_t k, FindClass(truth_, fields[1]));
    RCNN_ASSIGN_OR_RETURN(const std::vector<double> n,
                          ToNumbers(absl::MakeConstSpan(fields).subspan(2)));
    return Add(image, k, {n[0], n[1], n[2] - n[0], n[3] - n[1]}, n[4]);
  }

  static constexpr std::array<absl::string_view, 7> kColumns = {"image", "class", "xmin", "ymin",
                                                                "xmax",  "ymax",  "score"};

  const GroundTruth& truth_;
  const ImageNames images_;
  Detections detections_;
};

bool IsVocName(const std::string& path) {
  return absl::StrContains(fs::path(path).filename().string(), kVocMark);
}

absl::StatusOr<std::vector<std::string>> ListTextFiles(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".txt") files.push_back(entry.path().string());
  }
  if (error) return absl::NotFoundError(absl::StrCat(folder, ": ", error.message()));
  if (files.empty()) return Invalid(absl::StrCat(folder, ": has no .txt files"));
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

bool IsTextResults(const std::string& path) {
  std::error_code error;
  return fs::is_directory(path, error) || absl::EndsWithIgnoreCase(path, ".txt") ||
         absl::EndsWithIgnoreCase(path, ".csv");
}

absl::StatusOr<Detections> ReadTextResults(const std::string& path, const GroundTruth& truth) {
  Reader reader(truth);
  std::error_code error;
  if (!fs::is_directory(path, error)) {
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
  const bool voc = std::all_of(files.begin(), files.end(), IsVocName);
  for (const std::string& file : files) {
    RCNN_RETURN_IF_ERROR(voc ? reader.ReadVoc(file) : reader.ReadYolo(file));
  }
  return reader.Take();
}

}  // namespace rcnn::eval
