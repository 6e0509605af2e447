#include "rcnn/eval/annotation_shapes.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/byte_order_mark.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/eval/parallel_for.h"
#include "rcnn/eval/run_budget.h"

namespace rcnn::eval {
namespace {

namespace ondemand = simdjson::ondemand;

constexpr int64_t kBlock = 256;
constexpr size_t kMostKeptText = size_t{1} << 20;

absl::Status JsonError(simdjson::error_code error) {
  return absl::InvalidArgumentError(
      absl::StrCat("not valid JSON: ", simdjson::error_message(error)));
}

// Parts of an annotation, as views of the text; empty where missing.
struct RawAnnotation {
  int64_t image_id = 0;
  std::string_view shape;
  int64_t labelled = -1;
};

struct RawFile {
  simdjson::padded_string text;
  ImageSizes images;
  std::vector<RawAnnotation> annotations;
};

simdjson::error_code RawText(ondemand::value value, std::string_view& text) {
  ondemand::json_type type;
  if (auto error = value.type().get(type)) return error;
  if (type == ondemand::json_type::array) {
    ondemand::array array;
    if (auto error = value.get_array().get(array)) return error;
    return array.raw_json().get(text);
  }
  if (type != ondemand::json_type::object) return simdjson::SUCCESS;
  ondemand::object object;
  if (auto error = value.get_object().get(object)) return error;
  return object.raw_json().get(text);
}

// Integers may be written as floats. 0 for a value that is not a number or exceeds 64 bits.
int64_t Whole(ondemand::value value) {
  double number = 0;
  if (value.get_double().get(number) != simdjson::SUCCESS || std::abs(number) > 9e18) return 0;
  return static_cast<int64_t>(number);
}

template <typename Visit>
simdjson::error_code ForEachField(ondemand::object object, Visit visit) {
  for (auto maybe_field : object) {
    ondemand::field field;
    if (auto error = std::move(maybe_field).get(field)) return error;
    std::string_view key;
    if (auto error = field.unescaped_key().get(key)) return error;
    if (auto error = visit(key, field.value())) return error;
  }
  return simdjson::SUCCESS;
}

template <typename Visit>
simdjson::error_code ForEachRecord(ondemand::value value, Visit visit) {
  ondemand::array records;
  if (auto error = value.get_array().get(records)) return error;
  for (auto maybe_record : records) {
    ondemand::object record;
    if (auto error = maybe_record.get_object().get(record)) return error;
    if (auto error = visit(record)) return error;
  }
  return simdjson::SUCCESS;
}

simdjson::error_code ReadImages(ondemand::value value, ImageSizes& images) {
  return ForEachRecord(value, [&](ondemand::object record) {
    int64_t id = 0;
    ImageSize size;
    const auto error = ForEachField(record, [&](std::string_view key, ondemand::value field) {
      if (key == "id") id = Whole(field);
      if (key == "height") size.height = Whole(field);
      if (key == "width") size.width = Whole(field);
      return simdjson::SUCCESS;
    });
    images[id] = size;
    return error;
  });
}

simdjson::error_code ReadRaw(ondemand::value value, std::string_view shape_field,
                             std::vector<RawAnnotation>& annotations) {
  return ForEachRecord(value, [&](ondemand::object record) {
    RawAnnotation annotation;
    const auto error = ForEachField(record, [&](std::string_view key, ondemand::value field) {
      if (key == "image_id") annotation.image_id = Whole(field);
      if (key == "num_keypoints") annotation.labelled = Whole(field);
      return key == shape_field ? RawText(field, annotation.shape) : simdjson::SUCCESS;
    });
    annotations.push_back(annotation);
    return error;
  });
}

absl::StatusOr<RawFile> ReadRawFile(const std::string& path, std::string_view shape_field) {
  RCNN_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
  const absl::string_view bytes = WithoutByteOrderMark(file.bytes());
  RawFile raw;
  raw.text = simdjson::padded_string(bytes.data(), bytes.size());
  ondemand::parser parser;
  ondemand::document document;
  ondemand::object root;
  if (auto error = parser.iterate(raw.text).get(document)) return JsonError(error);
  if (auto error = document.get_object().get(root)) return JsonError(error);
  const auto error = ForEachField(root, [&](std::string_view key, ondemand::value value) {
    if (key == "images") return ReadImages(value, raw.images);
    if (key == "annotations") return ReadRaw(value, shape_field, raw.annotations);
    return simdjson::SUCCESS;
  });
  if (error) return JsonError(error);
  return raw;
}

// The text is followed by the rest of the file and its padding, so it is parsed where it lies.
template <typename Add>
absl::Status ParseShapeWith(simdjson::dom::parser& parser, std::string_view text, Add add) {
  simdjson::dom::element value;
  const auto error = parser.parse(text.data(), text.size(), /*realloc_if_needed=*/false).get(value);
  return error ? JsonError(error) : add(value);
}

// Parses a shape and gives it to `add`. simdjson takes up to twelve times the text, which is kept
// for other shapes only where it is little.
template <typename Add>
absl::Status ParseShape(const RawAnnotation& annotation, int64_t i, const char* field, Add add) {
  const std::string where = absl::StrCat("annotations[", i, "]: \"", field, "\"");
  const std::string_view text = annotation.shape;
  if (text.empty()) return absl::InvalidArgumentError(absl::StrCat(where, " is missing"));
  if (text.size() > kMostKeptText) {
    simdjson::dom::parser parser;
    return Annotate(ParseShapeWith(parser, text, add), where);
  }
  thread_local simdjson::dom::parser parser;
  return Annotate(ParseShapeWith(parser, text, add), where);
}

}  // namespace

absl::StatusOr<AnnotationMasks> ReadAnnotationMasks(const std::string& path, int threads) {
  RCNN_ASSIGN_OR_RETURN(RawFile raw, ReadRawFile(path, "segmentation"), path);
  const auto count = static_cast<int64_t>(raw.annotations.size());
  std::vector<MaskSet> blocks((count + kBlock - 1) / kBlock);
  std::vector<absl::Status> statuses(blocks.size());
  RunBudget budget(raw.text.size());
  ParallelFor(static_cast<int64_t>(blocks.size()), threads, [&](int64_t b) {
    for (int64_t i = b * kBlock; i < std::min(count, (b + 1) * kBlock); ++i) {
      const RawAnnotation& annotation = raw.annotations[i];
      const auto image = raw.images.find(annotation.image_id);
      const ImageSize size = image == raw.images.end() ? ImageSize() : image->second;
      const int64_t before = blocks[b].num_runs();
      statuses[b] = ParseShape(annotation, i, "segmentation", [&](simdjson::dom::element value) {
        const absl::Status added = AddSegmentation(value, size, blocks[b]);
        return added.ok() ? budget.Take(blocks[b].num_runs() - before) : added;
      });
      if (!statuses[b].ok()) return;
    }
  });
  AnnotationMasks result;
  result.images = std::move(raw.images);
  for (size_t b = 0; b < blocks.size(); ++b) {
    RCNN_RETURN_IF_ERROR(statuses[b], path);
    result.masks.Append(blocks[b]);
  }
  return result;
}

absl::StatusOr<AnnotationKeypoints> ReadAnnotationKeypoints(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(RawFile raw, ReadRawFile(path, "keypoints"), path);
  AnnotationKeypoints result;
  for (size_t i = 0; i < raw.annotations.size(); ++i) {
    const size_t before = result.numbers.size();
    const auto index = static_cast<int64_t>(i);
    RCNN_RETURN_IF_ERROR(ParseShape(raw.annotations[i], index, "keypoints",
                                    [&](simdjson::dom::element value) {
                                      return AddKeypoints(value, result.numbers);
                                    }),
                         path);
    const auto keypoints = static_cast<int64_t>((result.numbers.size() - before) / 3);
    if (i == 0) result.keypoints = keypoints;
    if (keypoints != result.keypoints) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": annotations[", i, "]: has ",
                                                     Counted(keypoints, "keypoint"),
                                                     ", the first has ", result.keypoints));
    }
    if (raw.annotations[i].labelled < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": annotations[", i, "]: \"num_keypoints\" is missing"));
    }
    result.labelled.push_back(raw.annotations[i].labelled);
  }
  return result;
}

}  // namespace rcnn::eval
