#include "rcnn/eval/shape_detections.h"

#include "absl/strings/str_cat.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/eval/results_pieces.h"
#include "rcnn/eval/results_record.h"
#include "rcnn/eval/run_budget.h"
#include "rcnn/eval/shape_json.h"

namespace rcnn::eval {
namespace {

using simdjson::dom::element;

constexpr unsigned kRequired = kImageField | kCategoryField | kScoreField;

// The field that holds the shape; of several the last, as for other fields.
absl::StatusOr<element> FindShape(element record, std::string_view name) {
  simdjson::dom::object object;
  element shape;
  bool found = false;
  if (record.get(object) == simdjson::SUCCESS) {
    for (auto [key, value] : object) {
      if (key != name) continue;
      shape = value;
      found = true;
    }
  }
  if (found) return shape;
  return absl::InvalidArgumentError(
      absl::StrCat("\"", absl::string_view(name.data(), name.size()), "\" is missing"));
}

// Reads what all results have, and then the shape by `add`.
template <typename Results, typename Add>
absl::Status AddRecord(element value, std::string_view name, Results& results, Add add) {
  Detection detection;
  unsigned seen = 0;
  RCNN_RETURN_IF_ERROR(ReadResultsRecord(value, kRequired, detection, seen));
  RCNN_ASSIGN_OR_RETURN(const element shape, FindShape(value, name));
  RCNN_RETURN_IF_ERROR(add(detection, shape),
                       absl::StrCat("\"", absl::string_view(name.data(), name.size()), "\""));
  results.detections.Add(detection);
  results.has_box.push_back((seen & kBoxField) != 0);
  return absl::OkStatus();
}

}  // namespace

void MaskDetections::ReserveLike(const MaskDetections& part, double times) {
  detections.ReserveLike(part.detections, times);
  masks.ReserveLike(part.masks, times);
}

void MaskDetections::Append(const MaskDetections& other) {
  detections.Append(other.detections);
  has_box.insert(has_box.end(), other.has_box.begin(), other.has_box.end());
  masks.Append(other.masks);
}

void MaskDetections::Clear() {
  detections.Clear();
  has_box.clear();
  masks.Clear();
}

void KeypointDetections::ReserveLike(const KeypointDetections& part, double times) {
  detections.ReserveLike(part.detections, times);
  numbers.reserve(static_cast<size_t>(static_cast<double>(part.numbers.size()) * times) + 1);
}

void KeypointDetections::Append(const KeypointDetections& other) {
  const auto shift = static_cast<int64_t>(numbers.size());
  detections.Append(other.detections);
  has_box.insert(has_box.end(), other.has_box.begin(), other.has_box.end());
  numbers.insert(numbers.end(), other.numbers.begin(), other.numbers.end());
  for (int64_t end : other.ends) ends.push_back(end + shift);
}

void KeypointDetections::Clear() {
  detections.Clear();
  has_box.clear();
  numbers.clear();
  ends.clear();
}

absl::StatusOr<MaskDetections> ReadMaskDetections(const std::string& path, const ImageSizes& images,
                                                  const DetectionsReaderOptions& options) {
  RCNN_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
  RunBudget budget(file.bytes().size());
  auto add = [&](element value, MaskDetections& results) {
    return AddRecord(value, "segmentation", results, [&](const Detection& d, element shape) {
      const auto image = images.find(d.image_id);
      const bool known = image != images.end();
      const int64_t before = results.masks.num_runs();
      const absl::Status added =
          AddSegmentation(shape, known ? image->second : ImageSize(), results.masks);
      if (added.ok()) return budget.Take(results.masks.num_runs() - before);
      if (known) return added;
      return absl::InvalidArgumentError(
          absl::StrCat("of image_id ", d.image_id, ", which is not an image of the dataset"));
    });
  };
  auto none = [](const PaddedText&, MaskDetections&) { return false; };
  auto check = [](absl::string_view json) { return CheckIsResultsFile(json, "segmentation"); };
  RCNN_ASSIGN_OR_RETURN(
      MaskDetections results,
      ReadResults<MaskDetections>(file.bytes(), options.piece_bytes, options.threads,
                                  {add, none, check}, ReleasePages),
      path);
  return results;
}

absl::StatusOr<KeypointDetections> ReadKeypointDetections(const std::string& path,
                                                          int64_t keypoints,
                                                          const DetectionsReaderOptions& options) {
  RCNN_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
  auto add = [&](element value, KeypointDetections& results) {
    return AddRecord(
        value, "keypoints", results, [&](const Detection&, element shape) -> absl::Status {
          const size_t before = results.numbers.size();
          RCNN_RETURN_IF_ERROR(AddKeypoints(shape, results.numbers));
          const auto count = static_cast<int64_t>(results.numbers.size() - before) / 3;
          if (count != keypoints) {
            results.numbers.resize(before);
            return absl::InvalidArgumentError(
                absl::StrCat("has ", Counted(count, "keypoint"), ", the dataset has ", keypoints));
          }
          results.ends.push_back(static_cast<int64_t>(results.numbers.size()));
          return absl::OkStatus();
        });
  };
  auto none = [](const PaddedText&, KeypointDetections&) { return false; };
  auto check = [](absl::string_view json) { return CheckIsResultsFile(json, "keypoints"); };
  RCNN_ASSIGN_OR_RETURN(
      KeypointDetections results,
      ReadResults<KeypointDetections>(file.bytes(), options.piece_bytes, options.threads,
                                      {add, none, check}, ReleasePages),
      path);
  return results;
}

}  // namespace rcnn::eval
