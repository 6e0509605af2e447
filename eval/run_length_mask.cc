// All operations work on the runs, in time proportional to their number; no mask is ever
// unpacked to pixels.
//
//   intersection, union  one merge over the runs of both masks
//   polygon              the places where its edges cross the middle of a column of pixels,
//                        sorted in column-major order; pixels between the first and the
//                        second place, the third and the fourth, ... are inside
//   packed text          numbers in base 32, low digits first, with the sign of two's
//                        complement; from the fourth on, differences to the number two before
//
// Rounding follows the official code step by step, because one pixel changes the IoU.

#include "rcnn/eval/run_length_mask.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::eval {
namespace {

constexpr int64_t kFine = 5;    // steps of the grid that edges are drawn on, in a pixel
constexpr int64_t kMiddle = 2;  // the step in the middle of a pixel
constexpr double kMaxCoordinate = 1e6;
// Of a polygon, in pixels: twice that of the largest image, and some for each number. An
// outline takes memory and time in proportion.
constexpr double kMaxOutline = 1 << 18;
constexpr double kMaxOutlinePerNumber = 64;
// At 24 and 4 bytes each.
constexpr double kMostReservedMasks = 1 << 24;
constexpr double kMostReservedRuns = 1 << 27;

absl::Status Invalid(absl::string_view what) { return absl::InvalidArgumentError(what); }

absl::Status CheckSize(int64_t height, int64_t width) {
  constexpr int64_t kMax = std::numeric_limits<uint32_t>::max();
  if (height >= 0 && width >= 0 && (width == 0 || height <= kMax / width)) return absl::OkStatus();
  return Invalid(absl::StrCat("a mask of ", height, " x ", width, " pixels"));
}

absl::Status CheckSum(absl::Span<const uint32_t> runs, int64_t height, int64_t width) {
  uint64_t sum = 0;
  for (uint32_t run : runs) sum += run;
  if (sum == static_cast<uint64_t>(height) * static_cast<uint64_t>(width)) return absl::OkStatus();
  return Invalid(absl::StrCat("its runs have ", Counted(sum, "pixel"), ", its size is ", height,
                              " x ", width));
}

struct GridPoint {
  int64_t x;
  int64_t y;
};

// Adds where an edge crosses the middle of a column of pixels, in column-major
// order; the pixels between an odd and an even crossing are inside.
//
// The longer axis takes every integer of the fine grid; the other is rounded from
// the end with the lower coordinate, so that an edge is the same both ways. A step
// from x to x + 1 on the grid is in the middle of pixel (x - 2) / 5 if that is
// whole; it lies above the pixels from (y - 2) / 5, rounded up, on.
class EdgeDrawer {
 public:
  EdgeDrawer(int64_t height, int64_t width, std::vector<uint32_t>& crossings)
      : height_(height), width_(width), crossings_(crossings) {}

  void Draw(GridPoint from, GridPoint to) {
    const int64_t dx = std::abs(to.x - from.x);
    const int64_t dy = std::abs(to.y - from.y);
    if (dx >= dy) {
      if (from.x > to.x) std::swap(from, to);
      DrawAlongX(from, to, dx);
    } else {
      if (from.y > to.y) std::swap(from, to);
      DrawAlongY(from, to, dy);
    }
  }

 private:
  void DrawAlongX(const GridPoint& from, const GridPoint& to, int64_t length) {
    if (length == 0) return;
    const double slope = static_cast<double>(to.y - from.y) / static_cast<double>(length);
    auto y_at = [&](int64_t t) {
      return static_cast<int64_t>(static_cast<double>(from.y) + slope * static_cast<double>(t) +
                                  .5);
    };
    const int64_t first = from.x <= kMiddle ? kMiddle : from.x + Remainder(kMiddle - from.x);
    for (int64_t x = first; x < to.x && x < kFine * width_; x += kFine) {
      Add(x, std::min(y_at(x - from.x), y_at(x - from.x + 1)));
    }
  }

  void DrawAlongY(const GridPoint& from, const GridPoint& to, int64_t length) {
    const double slope = static_cast<double>(to.x - from.x) / static_cast<double>(length);
    int64_t last = from.x;
    for (int64_t t = 0; t <= length; ++t) {
      const auto x =
          static_cast<int64_t>(static_cast<double>(from.x) + slope * static_cast<double>(t) + .5);
      const int64_t low = std::min(x, last);
      if (x != last && t > 0 && low >= 0 && low < kFine * width_ && low % kFine == kMiddle) {
        Add(low, from.y + t - 1);
      }
      last = x;
    }
  }

  void Add(int64_t x, int64_t y) {
    const int64_t row = y <= kMiddle ? 0 : std::min(height_, (y + kMiddle) / kFine);
    crossings_.push_back(static_cast<uint32_t>(x / kFine * height_ + row));
  }

  static int64_t Remainder(int64_t value) { return (value % kFine + kFine) % kFine; }

  const int64_t height_;
  const int64_t width_;
  std::vector<uint32_t>& crossings_;
};

// Runs between the sorted crossings; two at one place cancel each other.
std::vector<uint32_t> ToRuns(std::vector<uint32_t> crossings, int64_t pixels) {
  crossings.push_back(static_cast<uint32_t>(pixels));
  std::sort(crossings.begin(), crossings.end());
  std::vector<uint32_t> runs;
  uint32_t last = 0;
  bool join = false;
  for (size_t i = 0; i < crossings.size(); ++i) {
    const uint32_t run = crossings[i] - std::exchange(last, crossings[i]);
    if (join) {
      runs.back() += run;
      join = false;
    } else if (i == 0 || run > 0) {
      runs.push_back(run);
    } else {
      join = true;
    }
  }
  return runs;
}

std::vector<uint32_t> RasterizePolygon(absl::Span<const double> xy, int64_t height, int64_t width) {
  std::vector<GridPoint> corners;
  for (size_t i = 0; i + 1 < xy.size(); i += 2) {
    // Towards zero, as the official conversion does.
    corners.push_back({static_cast<int64_t>(static_cast<double>(kFine) * xy[i] + .5),
                       static_cast<int64_t>(static_cast<double>(kFine) * xy[i + 1] + .5)});
  }
  corners.push_back(corners.front());
  std::vector<uint32_t> crossings;
  EdgeDrawer drawer(height, width, crossings);
  for (size_t i = 0; i + 1 < corners.size(); ++i) drawer.Draw(corners[i], corners[i + 1]);
  return ToRuns(std::move(crossings), height * width);
}

// The runs of the union of both masks.
std::vector<uint32_t> Unite(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b) {
  std::vector<uint32_t> runs;
  size_t i = 0;
  size_t j = 0;
  uint32_t left_a = a[0];
  uint32_t left_b = b[0];
  bool value = false;
  uint32_t run = 0;
  while (true) {
    const uint32_t step = std::min(left_a, left_b);
    run += step;
    left_a -= step;
    left_b -= step;
    if (left_a == 0 && i + 1 < a.size()) left_a = a[++i];
    if (left_b == 0 && j + 1 < b.size()) left_b = b[++j];
    const bool done = left_a == 0 && left_b == 0;
    const bool next = i % 2 == 1 || j % 2 == 1;
    if (next != value || done) runs.push_back(std::exchange(run, 0));
    value = next;
    if (done) return runs;
  }
}

// The sum of its edges, each as long as the longer of its two axes.
double OutlineLength(const std::vector<double>& xy) {
  double length = 0;
  for (size_t i = 0; i + 1 < xy.size(); i += 2) {
    const size_t next = i + 3 < xy.size() ? i + 2 : 0;
    length += std::max(std::abs(xy[next] - xy[i]), std::abs(xy[next + 1] - xy[i + 1]));
  }
  return length;
}

absl::Status CheckPolygon(const std::vector<double>& xy, size_t least) {
  if (xy.size() < least) {
    return Invalid(absl::StrCat("a polygon of ", Counted(xy.size(), "number")));
  }
  for (double value : xy) {
    if (std::abs(value) <= kMaxCoordinate) continue;
    return Invalid(absl::StrCat("a polygon has the coordinate ", value));
  }
  const double outline = OutlineLength(xy);
  if (outline <= kMaxOutline + kMaxOutlinePerNumber * static_cast<double>(xy.size())) {
    return absl::OkStatus();
  }
  return Invalid(absl::StrCat("the outline of a polygon of ", xy.size(), " numbers is ",
                              std::llround(outline), " pixels long"));
}

// Reads one number of packed text at `at`, which advances past it.
absl::Status Unpack(absl::string_view text, size_t& at, int64_t& value) {
  value = 0;
  for (int shift = 0;; shift += 5) {
    if (at == text.size()) return Invalid("the packed runs end inside a number");
    const int digit = text[at] - '0';
    if (digit < 0 || digit > 63 || shift > 35) {
      return Invalid(absl::StrCat("the packed runs are damaged at character ", at));
    }
    ++at;
    value |= static_cast<int64_t>(digit & 31) << shift;
    if ((digit & 32) != 0) continue;
    if ((digit & 16) != 0) value |= -(int64_t{1} << (shift + 5));
    return absl::OkStatus();
  }
}

}  // namespace

int64_t Mask::Area() const {
  int64_t area = 0;
  for (size_t i = 1; i < runs.size(); i += 2) area += runs[i];
  return area;
}

XywhBox BoxAround(const Mask& mask) {
  int64_t left = mask.width;
  int64_t right = -1;
  int64_t top = mask.height;
  int64_t bottom = -1;
  int64_t at = 0;
  for (size_t i = 0; i < mask.runs.size(); ++i) {
    const int64_t end = at + mask.runs[i];
    if (i % 2 == 1 && end > at) {
      const int64_t first = at / mask.height;
      const int64_t last = (end - 1) / mask.height;
      left = std::min(left, first);
      right = std::max(right, last);
      top = std::min(top, first == last ? at % mask.height : 0);
      bottom = std::max(bottom, first == last ? (end - 1) % mask.height : mask.height - 1);
    }
    at = end;
  }
  if (right < 0) return {};
  return {static_cast<double>(left), static_cast<double>(top),
          static_cast<double>(right - left + 1), static_cast<double>(bottom - top + 1)};
}

int64_t IntersectionArea(const Mask& a, const Mask& b) {
  if (a.runs.size() < 2 || b.runs.size() < 2) return 0;
  // The runs of ones [begin, end) that are compared.
  size_t i = 1;
  size_t j = 1;
  int64_t a_begin = a.runs[0];
  int64_t b_begin = b.runs[0];
  int64_t area = 0;
  while (true) {
    const int64_t a_end = a_begin + a.runs[i];
    const int64_t b_end = b_begin + b.runs[j];
    area += std::max<int64_t>(0, std::min(a_end, b_end) - std::max(a_begin, b_begin));
    if (a_end <= b_end) {
      i += 2;
      if (i >= a.runs.size()) return area;
      a_begin = a_end + a.runs[i - 1];
    } else {
      j += 2;
      if (j >= b.runs.size()) return area;
      b_begin = b_end + b.runs[j - 1];
    }
  }
}

double MaskIou(const Mask& detection, const Mask& annotation, bool crowd) {
  const int64_t both = IntersectionArea(detection, annotation);
  if (both == 0) return 0;
  const int64_t area = detection.Area();
  const int64_t all = crowd ? area : area + annotation.Area() - both;
  return static_cast<double>(both) / static_cast<double>(all);
}

Mask MaskSet::operator[](int64_t i) const {
  const int64_t begin = i == 0 ? 0 : ends_[i - 1];
  return {sizes_[i].height, sizes_[i].width,
          absl::MakeConstSpan(runs_).subspan(begin, ends_[i] - begin)};
}

void MaskSet::Clear() {
  sizes_.clear();
  ends_.clear();
  runs_.clear();
}

void MaskSet::ReserveLike(const MaskSet& part, double times) {
  const auto scaled = [times](size_t count, double most) {
    return static_cast<size_t>(std::min(static_cast<double>(count) * times, most)) + 1;
  };
  sizes_.reserve(scaled(part.sizes_.size(), kMostReservedMasks));
  ends_.reserve(scaled(part.ends_.size(), kMostReservedMasks));
  runs_.reserve(scaled(part.runs_.size(), kMostReservedRuns));
}

void MaskSet::Append(const MaskSet& other) {
  const auto shift = static_cast<int64_t>(runs_.size());
  sizes_.insert(sizes_.end(), other.sizes_.begin(), other.sizes_.end());
  for (int64_t end : other.ends_) ends_.push_back(end + shift);
  runs_.insert(runs_.end(), other.runs_.begin(), other.runs_.end());
}

absl::Status MaskSet::AddRuns(absl::Span<const uint32_t> runs, int64_t height, int64_t width) {
  const auto append = [runs](std::vector<uint32_t>& all) {
    all.insert(all.end(), runs.begin(), runs.end());
    return absl::OkStatus();
  };
  return AddAppendedRuns(append, height, width);
}

absl::Status MaskSet::AddAppendedRuns(
    absl::FunctionRef<absl::Status(std::vector<uint32_t>&)> append, int64_t height, int64_t width) {
  RCNN_RETURN_IF_ERROR(CheckSize(height, width));
  const size_t before = runs_.size();
  absl::Status status = append(runs_);
  if (status.ok()) status = CheckSum(absl::MakeConstSpan(runs_).subspan(before), height, width);
  if (!status.ok()) {
    runs_.resize(before);
    return status;
  }
  sizes_.push_back({static_cast<uint32_t>(height), static_cast<uint32_t>(width)});
  ends_.push_back(static_cast<int64_t>(runs_.size()));
  return absl::OkStatus();
}

absl::Status MaskSet::AddPacked(absl::string_view text, int64_t height, int64_t width) {
  // A run has at least one character.
  thread_local std::vector<uint32_t> runs;
  runs.resize(text.size());
  size_t count = 0;
  for (size_t at = 0; at < text.size(); ++count) {
    int64_t run = 0;
    RCNN_RETURN_IF_ERROR(Unpack(text, at, run));
    // From the fourth on, differences to the one two before.
    if (count > 2) run += runs[count - 2];
    if (run < 0 || run > std::numeric_limits<uint32_t>::max()) {
      return Invalid(absl::StrCat("a run of ", run, " pixels"));
    }
    runs[count] = static_cast<uint32_t>(run);
  }
  return AddRuns(absl::MakeConstSpan(runs).first(count), height, width);
}

absl::Status MaskSet::AddPolygons(absl::Span<const std::vector<double>> polygons, int64_t height,
                                  int64_t width) {
  RCNN_RETURN_IF_ERROR(CheckSize(height, width));
  if (polygons.empty()) return Invalid("no polygons");
  std::vector<uint32_t> all;
  for (size_t i = 0; i < polygons.size(); ++i) {
    RCNN_RETURN_IF_ERROR(CheckPolygon(polygons[i], i == 0 ? 5 : 2));
    std::vector<uint32_t> runs = RasterizePolygon(polygons[i], height, width);
    all = all.empty() ? std::move(runs) : Unite(all, runs);
  }
  return AddRuns(all, height, width);
}

}  // namespace rcnn::eval
