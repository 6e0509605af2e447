#include "rcnn/ops/anchors.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/minimum.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <list>
#include <mutex>
#include <string>
#include <utility>

#include "rcnn/ops/check.h"
#include "rcnn/ops/dispatch.h"
#include "rcnn/ops/kernels/place_anchors.h"

namespace rcnn::ops {
namespace {

using Corners = std::array<double, 4>;

bool IsPositive(double value) { return value > 0 && std::isfinite(value); }

void CheckPositive(const char* name, double value) {
  TORCH_CHECK(IsPositive(value), name, ": expected > 0 and finite, got ", value);
}

void CheckPositive(const char* name, const std::vector<double>& values) {
  TORCH_CHECK(!values.empty(), name, ": expected at least one value, got none");
  for (size_t i = 0; i < values.size(); ++i) {
    TORCH_CHECK(IsPositive(values[i]), name, "[", i, "]: expected > 0 and finite, got ", values[i]);
  }
}

void CheckOptions(const AnchorLevelOptions& options) {
  CheckPositive("base_size_px", options.base_size_px);
  CheckPositive("scales", options.scales);
  CheckPositive("aspect_ratios", options.aspect_ratios);
  CheckPositive("stride_x_px", options.stride_x_px);
  CheckPositive("stride_y_px", options.stride_y_px);
  TORCH_CHECK(options.center_offset >= 0 && options.center_offset <= 1,
              "center_offset: expected in [0, 1], got ", options.center_offset);
}

void CheckGrid(const GridSize& grid) {
  TORCH_CHECK(grid.height >= 0 && grid.width >= 0, "grid: expected sizes >= 0, got ", grid.height,
              " x ", grid.width);
}

// std::nearbyint rounds half to even, as NumPy and LibTorch do.
Corners PixelAnchor2015(const AnchorLevelOptions& options, double ratio, double scale) {
  const double base = options.base_size_px;
  const double base_width = std::nearbyint(std::sqrt(base * base / ratio));
  const double width = base_width * scale;
  const double height = std::nearbyint(base_width * ratio) * scale;
  const double center = 0.5 * (base - 1);
  return {center - 0.5 * (width - 1), center - 0.5 * (height - 1), center + 0.5 * (width - 1),
          center + 0.5 * (height - 1)};
}

Corners ExactAnchor(const AnchorLevelOptions& options, double ratio, double scale) {
  const double size = options.base_size_px * scale;
  const double half_width = 0.5 * size * std::sqrt(1 / ratio);
  const double half_height = 0.5 * size * std::sqrt(ratio);
  Corners corners = {-half_width, -half_height, half_width, half_height};
  if (options.rounding == AnchorRounding::kCorners) {
    for (double& corner : corners) corner = std::nearbyint(corner);
  }
  const double x = options.center_offset * options.stride_x_px;
  const double y = options.center_offset * options.stride_y_px;
  return {corners[0] + x, corners[1] + y, corners[2] + x, corners[3] + y};
}

Corners Anchor(const AnchorLevelOptions& options, double ratio, double scale) {
  return options.rounding == AnchorRounding::kPixels2015 ? PixelAnchor2015(options, ratio, scale)
                                                         : ExactAnchor(options, ratio, scale);
}

// Keeps the number of values from overflowing; allocation fails long before.
void CheckGridFits(const GridSize& grid, int64_t anchors_per_cell) {
  constexpr double kMax = int64_t{1} << 56;
  const double count = static_cast<double>(grid.height) * static_cast<double>(grid.width) *
                       static_cast<double>(anchors_per_cell);
  TORCH_CHECK(count < kMax, "grid: too many cells: ", grid.height, " x ", grid.width);
}

// Writes the anchors of a row of cells.
void PlaceRow(const float* base, int64_t count, int64_t width, double stride_x, double y,
              float* out) {
  for (int64_t w = 0; w < width; ++w) {
    const double x = static_cast<double>(w) * stride_x;
    for (int64_t i = 0; i < count; ++i, out += 4) MoveAnchor(base + 4 * i, x, y, out);
  }
}

// The largest x2 or y2 that counts as inside, in the dtype of the anchors, in which it is compared.
template <typename T>
T LastInside(int64_t side, const InsideImageOptions& options) {
  const T end = static_cast<T>(static_cast<double>(side) + options.border_px);
  return options.inclusive ? std::nextafter(end, std::numeric_limits<T>::lowest()) : end;
}

template <typename T>
void MarkInside(const at::Tensor& anchors, const ImageSize& image,
                const InsideImageOptions& options, const at::Tensor& inside) {
  const T first = static_cast<T>(-options.border_px);
  const T right = LastInside<T>(image.width, options);
  const T bottom = LastInside<T>(image.height, options);
  const T* box = anchors.data_ptr<T>();
  bool* out = inside.data_ptr<bool>();
  for (int64_t i = 0; i < anchors.size(0); ++i, box += 4) {
    const T low = std::min(box[0], box[1]);
    out[i] = (low >= first) & (box[2] <= right) & (box[3] <= bottom);
  }
}

at::Tensor PlaceOnCpu(const at::Tensor& base, int64_t height, int64_t width, double stride_x_px,
                      double stride_y_px) {
  const int64_t rows =
      internal::CheckPlaceArguments(base, {height, width}, stride_x_px, stride_y_px);
  at::Tensor anchors = at::empty({rows, 4}, at::kFloat);
  if (rows == 0) return anchors;
  const int64_t count = base.size(0);
  const at::Tensor readable = base.detach().contiguous();
  float* out = anchors.data_ptr<float>();
  for (int64_t h = 0; h < height; ++h) {
    PlaceRow(readable.data_ptr<float>(), count, width, stride_x_px,
             static_cast<double>(h) * stride_y_px, out + h * width * count * 4);
  }
  CheckBoxes(anchors.slice(0, rows - count), "anchors of the last cell");
  return anchors;
}

at::Tensor PlaceOnMeta(const at::Tensor& base, int64_t height, int64_t width, double stride_x_px,
                       double stride_y_px) {
  const int64_t rows =
      internal::CheckPlaceArguments(base, {height, width}, stride_x_px, stride_y_px);
  return at::empty({rows, 4}, base.options());
}

void CheckInsideArguments(const at::Tensor& anchors, int64_t height, int64_t width,
                          double border_px) {
  CheckBoxes(anchors, "anchors");
  TORCH_CHECK(height >= 0 && width >= 0, "image: expected sizes >= 0, got ", height, " x ", width);
  TORCH_CHECK(border_px >= 0 && std::isfinite(border_px),
              "border_px: expected >= 0 and finite, got ", border_px);
}

at::Tensor InsideOnCpu(const at::Tensor& anchors, int64_t height, int64_t width, double border_px,
                       bool inclusive) {
  CheckInsideArguments(anchors, height, width, border_px);
  const at::Tensor inside = at::empty({anchors.size(0)}, anchors.options().dtype(at::kBool));
  const auto mark = anchors.scalar_type() == at::kDouble ? &MarkInside<double> : &MarkInside<float>;
  mark(anchors.detach().contiguous(), {height, width}, {border_px, inclusive}, inside);
  return inside;
}

at::Tensor InsideOnMeta(const at::Tensor& anchors, int64_t height, int64_t width, double border_px,
                        bool) {
  CheckInsideArguments(anchors, height, width, border_px);
  return at::empty({anchors.size(0)}, anchors.options().dtype(at::kBool));
}

template <typename T>
at::Tensor ComposeInside(const at::Tensor& anchors, const ImageSize& image,
                         const InsideImageOptions& options) {
  const auto column = [&](int64_t i) { return anchors.select(1, i); };
  const at::Tensor low = at::minimum(column(0), column(1));
  return low.ge(-options.border_px)
      .logical_and(column(2).le(LastInside<T>(image.width, options)))
      .logical_and(column(3).le(LastInside<T>(image.height, options)));
}

// On devices without a kernel.
at::Tensor InsideElsewhere(const at::Tensor& anchors, int64_t height, int64_t width,
                           double border_px, bool inclusive) {
  const at::NoGradGuard no_grad;
  CheckInsideArguments(anchors, height, width, border_px);
  const auto compose =
      anchors.scalar_type() == at::kDouble ? &ComposeInside<double> : &ComposeInside<float>;
  return compose(anchors, {height, width}, {border_px, inclusive});
}

AnchorRounding FindRounding(c10::string_view name) {
  if (name == "none") return AnchorRounding::kNone;
  if (name == "corners") return AnchorRounding::kCorners;
  TORCH_CHECK(name == "pixels_2015", "rounding: is '", name,
              "', not 'none', 'corners' or 'pixels_2015'");
  return AnchorRounding::kPixels2015;
}

AnchorOrder FindOrder(c10::string_view name) {
  if (name == "ratio_major") return AnchorOrder::kRatioMajor;
  TORCH_CHECK(name == "scale_major", "order: is '", name, "', not 'ratio_major' or 'scale_major'");
  return AnchorOrder::kScaleMajor;
}

at::Tensor BaseAnchorsWithNames(double base_size_px, at::ArrayRef<double> scales,
                                at::ArrayRef<double> aspect_ratios, c10::string_view rounding,
                                c10::string_view order, double stride_x_px, double stride_y_px,
                                double center_offset) {
  return BaseAnchors({base_size_px, scales.vec(), aspect_ratios.vec(), FindRounding(rounding),
                      FindOrder(order), stride_x_px, stride_y_px, center_offset});
}

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  DefineFactory(
      m,
      "base_anchors(float base_size_px=16., float[] scales=[8., 16., 32.], "
      "float[] aspect_ratios=[0.5, 1., 2.], *, str rounding='none', str order='ratio_major', "
      "float stride_x_px=16., float stride_y_px=16., float center_offset=0.) -> Tensor",
      &BaseAnchorsWithNames);
  DefineOperator(m,
                 "place_anchors(Tensor base, int height, int width, float stride_x_px, "
                 "float stride_y_px) -> Tensor",
                 &PlaceOnCpu, &PlaceOnMeta);
  DefineComposedOperator(m,
                         "anchors_inside_image(Tensor anchors, int height, int width, *, "
                         "float border_px=0., bool inclusive=False) -> Tensor",
                         &InsideOnCpu, &InsideOnMeta, &InsideElsewhere);
}

std::vector<int64_t> CacheKey(const std::vector<GridSize>& grids, at::Device device) {
  std::vector<int64_t> key = {static_cast<int64_t>(device.type()), device.index()};
  for (const GridSize& grid : grids) {
    key.push_back(grid.height);
    key.push_back(grid.width);
  }
  return key;
}

}  // namespace

at::Tensor BaseAnchors(const AnchorLevelOptions& options) {
  CheckOptions(options);
  const int64_t ratios = static_cast<int64_t>(options.aspect_ratios.size());
  const int64_t scales = static_cast<int64_t>(options.scales.size());
  const bool ratio_major = options.order == AnchorOrder::kRatioMajor;
  const int64_t inner = ratio_major ? scales : ratios;
  at::Tensor anchors = at::empty({ratios * scales, 4}, at::kFloat);
  float* out = anchors.data_ptr<float>();
  for (int64_t i = 0; i < ratios * scales; ++i) {
    const double ratio = options.aspect_ratios[ratio_major ? i / inner : i % inner];
    const double scale = options.scales[ratio_major ? i % inner : i / inner];
    for (const double corner : Anchor(options, ratio, scale)) *out++ = static_cast<float>(corner);
  }
  CheckBoxes(anchors, "anchors of base_size_px, scales and aspect_ratios");
  return anchors;
}

at::Tensor PlaceAnchors(const at::Tensor& base, const GridSize& grid, double stride_x_px,
                        double stride_y_px) {
  static const auto op = FindOperator<decltype(PlaceOnCpu)>("place_anchors");
  return op.call(base, grid.height, grid.width, stride_x_px, stride_y_px);
}

at::Tensor InsideImage(const at::Tensor& anchors, const ImageSize& image,
                       const InsideImageOptions& options) {
  static const auto op = FindOperator<decltype(InsideOnCpu)>("anchors_inside_image");
  return op.call(anchors, image.height, image.width, options.border_px, options.inclusive);
}

// Most recently used first. Few enough entries for a linear search.
class AnchorGenerator::Cache {
 public:
  using Key = std::vector<int64_t>;

  explicit Cache(size_t capacity) : capacity_(capacity) {}

  // The tensor of `key`, or an undefined one.
  at::Tensor Find(const Key& key) {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
      if (entry->first != key) continue;
      entries_.splice(entries_.begin(), entries_, entry);
      return entry->second;
    }
    return {};
  }

  // Another thread may have inserted the same key in the meantime. Then there are two
  // entries, and one is evicted.
  void Insert(Key key, at::Tensor anchors) {
    const std::lock_guard<std::mutex> lock(mutex_);
    entries_.emplace_front(std::move(key), std::move(anchors));
    if (entries_.size() > capacity_) entries_.pop_back();
  }

 private:
  const size_t capacity_;
  std::mutex mutex_;
  std::list<std::pair<Key, at::Tensor>> entries_;
};

AnchorGenerator::AnchorGenerator(std::vector<AnchorLevelOptions> levels, size_t cached_grids)
    : levels_(std::move(levels)), cache_(std::make_unique<Cache>(cached_grids)) {
  TORCH_CHECK(!levels_.empty(), "levels: expected at least one, got none");
  TORCH_CHECK(cached_grids >= 1, "cached_grids: expected >= 1, got ", cached_grids);
  for (const AnchorLevelOptions& level : levels_) base_.push_back(BaseAnchors(level));
}

AnchorGenerator::~AnchorGenerator() = default;
AnchorGenerator::AnchorGenerator(AnchorGenerator&&) noexcept = default;
AnchorGenerator& AnchorGenerator::operator=(AnchorGenerator&&) noexcept = default;

int64_t AnchorGenerator::num_levels() const { return static_cast<int64_t>(levels_.size()); }

int64_t AnchorGenerator::anchors_per_cell(int64_t level) const {
  TORCH_CHECK(level >= 0 && level < num_levels(), "level: expected in [0, ", num_levels(),
              "), got ", level);
  return base_[static_cast<size_t>(level)].size(0);
}

at::Tensor AnchorGenerator::Generate(const std::vector<GridSize>& grids, at::Device device) const {
  TORCH_CHECK(grids.size() == levels_.size(), "grids: expected ", levels_.size(),
              ", one per level, got ", grids.size());
  std::vector<int64_t> key = CacheKey(grids, device);
  at::Tensor cached = cache_->Find(key);
  if (cached.defined()) return cached;
  std::vector<at::Tensor> placed;
  for (size_t i = 0; i < grids.size(); ++i) {
    placed.push_back(PlaceAnchors(base_[i].to(device), grids[i], levels_[i].stride_x_px,
                                  levels_[i].stride_y_px));
  }
  at::Tensor anchors = at::cat(placed);
  cache_->Insert(std::move(key), anchors);
  return anchors;
}

namespace internal {

int64_t CheckPlaceArguments(const at::Tensor& base, const GridSize& grid, double stride_x_px,
                            double stride_y_px) {
  CheckBoxes(base, "base");
  CheckDtype(base, "base", {at::kFloat});
  CheckGrid(grid);
  CheckPositive("stride_x_px", stride_x_px);
  CheckPositive("stride_y_px", stride_y_px);
  CheckGridFits(grid, base.size(0));
  return base.size(0) == 0 ? 0 : grid.height * grid.width * base.size(0);
}

}  // namespace internal

}  // namespace rcnn::ops
