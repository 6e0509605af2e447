#include "rcnn/eval/shape_json.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::eval {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

// Far more than an outline or a person needs. A number of two bytes takes 30 bytes of memory and
// more until a polygon is drawn.
constexpr size_t kMostPolygonNumbers = size_t{1} << 18;
constexpr size_t kMostKeypointNumbers = 3000;

absl::Status Invalid(absl::string_view what) { return absl::InvalidArgumentError(what); }

// Room for `more` elements: no more than that where they are most, and otherwise as much as a
// vector takes when it grows, so that appending many times stays fast.
template <typename T>
size_t ReservedSize(const std::vector<T>& elements, size_t more) {
  const size_t needed = elements.size() + more;
  if (needed <= elements.capacity()) return elements.capacity();
  return std::max(needed, 2 * elements.size());
}

absl::Status ReadNumbers(element value, std::vector<double>& numbers) {
  array list;
  if (value.get(list) != simdjson::SUCCESS) return Invalid("is not a list of numbers");
  numbers.reserve(ReservedSize(numbers, list.size()));
  for (element item : list) {
    double number = 0;
    if (item.get(number) != simdjson::SUCCESS) return Invalid("is not a list of numbers");
    numbers.push_back(number);
  }
  return absl::OkStatus();
}

absl::Status AddAllPolygons(array list, const ImageSize& image, MaskSet& masks) {
  if (!image.known()) {
    return Invalid("has polygons, but the image has no \"height\" and \"width\" in the dataset");
  }
  std::vector<std::vector<double>> polygons;
  size_t numbers = 0;
  for (element polygon : list) {
    array coordinates;
    // An empty one counts too.
    numbers += polygon.get(coordinates) == simdjson::SUCCESS ? coordinates.size() + 1 : 1;
    if (numbers > kMostPolygonNumbers) {
      return Invalid(absl::StrCat("has polygons of more than ", kMostPolygonNumbers, " numbers"));
    }
    polygons.emplace_back();
    RCNN_RETURN_IF_ERROR(ReadNumbers(polygon, polygons.back()), "a polygon");
  }
  return masks.AddPolygons(polygons, image.height, image.width);
}

absl::Status ReadSize(object mask, ImageSize& size) {
  array numbers;
  if (mask["size"].get(numbers) != simdjson::SUCCESS || numbers.size() != 2 ||
      numbers.at(0).get(size.height) != simdjson::SUCCESS ||
      numbers.at(1).get(size.width) != simdjson::SUCCESS) {
    return Invalid("has no \"size\": [height, width]");
  }
  return absl::OkStatus();
}

absl::Status ReadRuns(element value, std::vector<uint32_t>& runs) {
  array list;
  if (value.get(list) != simdjson::SUCCESS) {
    return Invalid("\"counts\" is neither text nor a list");
  }
  runs.reserve(ReservedSize(runs, list.size()));
  for (element item : list) {
    uint64_t run = 0;
    if (item.get(run) != simdjson::SUCCESS || run > std::numeric_limits<uint32_t>::max()) {
      return Invalid("\"counts\" has a value that is not a whole number >= 0");
    }
    runs.push_back(static_cast<uint32_t>(run));
  }
  return absl::OkStatus();
}

absl::Status AddRunsOfJson(object mask, const ImageSize& image, MaskSet& masks) {
  ImageSize size;
  RCNN_RETURN_IF_ERROR(ReadSize(mask, size));
  if (image.known() && (size.height != image.height || size.width != image.width)) {
    return Invalid(absl::StrCat("has the size ", size.height, " x ", size.width,
                                " (height x width), its image ", image.height, " x ", image.width));
  }
  element counts;
  if (mask["counts"].get(counts) != simdjson::SUCCESS) return Invalid("has no \"counts\"");
  std::string_view text;
  if (counts.get(text) == simdjson::SUCCESS) {
    return masks.AddPacked(absl::string_view(text.data(), text.size()), size.height, size.width);
  }
  const auto append = [&](std::vector<uint32_t>& runs) { return ReadRuns(counts, runs); };
  return masks.AddAppendedRuns(append, size.height, size.width);
}

}  // namespace

absl::Status AddSegmentation(element value, const ImageSize& image, MaskSet& masks) {
  array polygons;
  if (value.get(polygons) == simdjson::SUCCESS) return AddAllPolygons(polygons, image, masks);
  object mask;
  if (value.get(mask) == simdjson::SUCCESS) return AddRunsOfJson(mask, image, masks);
  return Invalid("is neither a list of polygons nor {\"size\", \"counts\"}");
}

absl::Status AddKeypoints(element value, std::vector<double>& numbers) {
  const size_t before = numbers.size();
  array list;
  if (value.get(list) == simdjson::SUCCESS && list.size() > kMostKeypointNumbers) {
    return Invalid(absl::StrCat("has more than ", kMostKeypointNumbers, " numbers"));
  }
  RCNN_RETURN_IF_ERROR(ReadNumbers(value, numbers));
  const size_t count = numbers.size() - before;
  if (count > 0 && count % 3 == 0) return absl::OkStatus();
  numbers.resize(before);
  return Invalid(
      absl::StrCat("has ", Counted(count, "number"), ", not x, y and visibility of keypoints"));
}

}  // namespace rcnn::eval
