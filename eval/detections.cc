#include "rcnn/eval/detections.h"

#include <charconv>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/eval/id_index.h"

namespace rcnn::eval {
namespace {

constexpr size_t kPieceBytes = size_t{1} << 20;

// Shortest text that reads back as the same double. Never a long integer: many
// readers refuse those beyond 64 bits.
void AppendNumber(double value, std::string& out) {
  char digits[32];
  char* const end = digits + sizeof(digits);
  out.append(digits, std::abs(value) < 1e15
                         ? std::to_chars(digits, end, value).ptr
                         : std::to_chars(digits, end, value, std::chars_format::scientific).ptr);
}

bool IsFinite(const Detection& d) {
  return std::isfinite(d.score) && std::isfinite(d.box.x) && std::isfinite(d.box.y) &&
         std::isfinite(d.box.width) && std::isfinite(d.box.height);
}

std::string BoxText(const XywhBox& box) {
  return absl::StrCat("[", box.x, ", ", box.y, ", ", box.width, ", ", box.height, "]");
}

void AppendRecord(const Detection& d, std::string& out) {
  absl::StrAppend(&out, "{\"image_id\": ", d.image_id, ", \"category_id\": ", d.category_id,
                  ", \"bbox\": [");
  AppendNumber(d.box.x, out);
  for (double value : {d.box.y, d.box.width, d.box.height}) {
    out += ", ";
    AppendNumber(value, out);
  }
  out += "], \"score\": ";
  AppendNumber(d.score, out);
  out += '}';
}

// Calls flush(text) for pieces of about kPieceBytes.
template <typename Flush>
absl::Status ToJson(const Detections& detections, Flush flush) {
  std::string piece = "[";
  for (int64_t i = 0; i < detections.size(); ++i) {
    const Detection detection = detections[i];
    if (!IsFinite(detection)) {
      return absl::InvalidArgumentError(absl::StrCat("detection ", i, ": score ", detection.score,
                                                     " or bbox ", BoxText(detection.box),
                                                     " is not finite"));
    }
    if (i > 0) piece += ",\n ";
    AppendRecord(detection, piece);
    if (piece.size() < kPieceBytes) continue;
    RCNN_RETURN_IF_ERROR(flush(piece));
    piece.clear();
  }
  piece += "]\n";
  return flush(piece);
}

absl::Status CheckDetection(const Detection& d, bool image_known, bool category_known) {
  if (!image_known) {
    return absl::InvalidArgumentError(
        absl::StrCat("image_id ", d.image_id,
                     " is not an image of the dataset; //tools:detect --ids_of gives its numbers "
                     "to results"));
  }
  if (!category_known) {
    return absl::InvalidArgumentError(
        absl::StrCat("category_id ", d.category_id,
                     " is not a category of the dataset; --skip_unknown_categories leaves it "
                     "out"));
  }
  return CheckNumbers(d);
}

}  // namespace

absl::Status CheckNumbers(const Detection& d) {
  if (!std::isfinite(d.score)) {
    return absl::InvalidArgumentError(absl::StrCat("score is ", d.score));
  }
  if (!IsFinite(d)) {
    return absl::InvalidArgumentError(absl::StrCat("bbox ", BoxText(d.box), " is not finite"));
  }
  if (d.box.width < 0 || d.box.height < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("bbox ", BoxText(d.box), " has a negative width or height"));
  }
  return absl::OkStatus();
}

void Detections::Reserve(int64_t count) {
  image_ids.reserve(count);
  category_ids.reserve(count);
  boxes.reserve(count);
  scores.reserve(count);
}

void Detections::ReserveLike(const Detections& part, double times) {
  Reserve(static_cast<int64_t>(static_cast<double>(part.size()) * times) + 1);
}

void Detections::Clear() {
  image_ids.clear();
  category_ids.clear();
  boxes.clear();
  scores.clear();
}

void Detections::Add(const Detection& detection) {
  image_ids.push_back(detection.image_id);
  category_ids.push_back(detection.category_id);
  boxes.push_back(detection.box);
  scores.push_back(detection.score);
}

Detection Detections::operator[](int64_t i) const {
  return {image_ids[i], category_ids[i], boxes[i], scores[i]};
}

void Detections::Append(const Detections& other) {
  image_ids.insert(image_ids.end(), other.image_ids.begin(), other.image_ids.end());
  category_ids.insert(category_ids.end(), other.category_ids.begin(), other.category_ids.end());
  boxes.insert(boxes.end(), other.boxes.begin(), other.boxes.end());
  scores.insert(scores.end(), other.scores.begin(), other.scores.end());
}

absl::Status ValidateDetections(const Detections& detections, const GroundTruth& truth) {
  const IdIndex images(truth.images);
  const IdIndex categories(truth.categories);
  for (int64_t i = 0; i < detections.size(); ++i) {
    const Detection d = detections[i];
    RCNN_RETURN_IF_ERROR(
        CheckDetection(d, images.Find(d.image_id) >= 0, categories.Find(d.category_id) >= 0),
        absl::StrCat("detection ", i, " (the first is 0)"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> DetectionsToJson(const Detections& detections) {
  std::string json;
  RCNN_RETURN_IF_ERROR(ToJson(detections, [&json](const std::string& piece) {
    json += piece;
    return absl::OkStatus();
  }));
  return json;
}

absl::Status WriteDetections(const std::string& path, const Detections& detections) {
  RCNN_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::Create(path));
  RCNN_RETURN_IF_ERROR(
      ToJson(detections, [&file](const std::string& piece) { return file.Append(piece); }), path);
  return file.Commit().status();
}

}  // namespace rcnn::eval
