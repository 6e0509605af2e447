#include "rcnn/data/shapes/shapes_layout.h"

#include <algorithm>
#include <cmath>

#include "rcnn/base/stream_key.h"

namespace rcnn::data {
namespace {

constexpr int kTries = 20;
// The minimum fraction of an object's pixels that are inside the image and visible.
constexpr double kMinVisible = 0.6;
constexpr float kMinSide = 8;
// Boxes of two objects overlap at most this much, so that suppression of
// duplicates can tell them apart.
constexpr float kMaxIou = 0.35f;
constexpr int16_t kNobody = -1;

float Iou(const Box& a, const Box& b) {
  const float width = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
  const float height = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  if (width <= 0 || height <= 0) return 0;
  const float both = width * height;
  return both / (a.width() * a.height() + b.width() * b.height() - both);
}

// The visible object at each pixel.
class Canvas {
 public:
  explicit Canvas(const configs::ShapesConfig& config)
      : width_(config.width_px()),
        height_(config.height_px()),
        top_(static_cast<size_t>(width_) * height_, kNobody) {}

  // Adds the shape in front, or returns false and changes nothing.
  bool Place(const PlacedShape& shape);

  // The visible pixels' bounds.
  Box ObjectBox(int16_t object) const;

  int64_t num_objects() const { return static_cast<int64_t>(visible_.size()); }

 private:
  // Fills covered_ with the pixels inside the image, and returns the number of all
  // pixels, including those outside.
  int64_t Cover(const PlacedShape& shape);
  bool EarlierStayVisible() const;
  bool BoxesStayApart() const;

  int64_t width_;
  int64_t height_;
  std::vector<int16_t> top_;
  std::vector<int64_t> all_;      // pixels of each object, seen or not
  std::vector<int64_t> visible_;  // visible pixels of each object
  std::vector<size_t> covered_;
};

int64_t Canvas::Cover(const PlacedShape& shape) {
  covered_.clear();
  int64_t count = 0;
  const float extent = shape.Extent();
  const int64_t y_end = static_cast<int64_t>(std::ceil(shape.center_y + extent));
  const int64_t x_end = static_cast<int64_t>(std::ceil(shape.center_x + extent));
  for (int64_t y = static_cast<int64_t>(std::floor(shape.center_y - extent)); y < y_end; ++y) {
    for (int64_t x = static_cast<int64_t>(std::floor(shape.center_x - extent)); x < x_end; ++x) {
      const float px = static_cast<float>(x) + 0.5f;
      const float py = static_cast<float>(y) + 0.5f;
      if (shape.Coverage(px, py) < 0.5f) continue;
      ++count;
      if (x >= 0 && x < width_ && y >= 0 && y < height_) covered_.push_back(y * width_ + x);
    }
  }
  return count;
}

bool Canvas::EarlierStayVisible() const {
  for (size_t i = 0; i < all_.size(); ++i) {
    if (static_cast<double>(visible_[i]) < kMinVisible * static_cast<double>(all_[i])) return false;
  }
  return true;
}

bool Canvas::BoxesStayApart() const {
  std::vector<Box> boxes;
  for (int64_t i = 0; i < num_objects(); ++i) {
    boxes.push_back(ObjectBox(static_cast<int16_t>(i)));
    if (std::min(boxes.back().width(), boxes.back().height()) < kMinSide) return false;
    for (int64_t k = 0; k < i; ++k) {
      if (Iou(boxes[k], boxes[i]) > kMaxIou) return false;
    }
  }
  return true;
}

bool Canvas::Place(const PlacedShape& shape) {
  const int64_t all = Cover(shape);
  if (static_cast<double>(covered_.size()) < kMinVisible * static_cast<double>(all)) return false;
  const std::vector<int16_t> top = top_;
  const std::vector<int64_t> visible = visible_;
  const int16_t object = static_cast<int16_t>(num_objects());
  for (size_t pixel : covered_) {
    if (top_[pixel] != kNobody) --visible_[top_[pixel]];
    top_[pixel] = object;
  }
  visible_.push_back(static_cast<int64_t>(covered_.size()));
  all_.push_back(all);
  if (EarlierStayVisible() && BoxesStayApart()) return true;
  top_ = top;
  visible_ = visible;
  all_.pop_back();
  return false;
}

Box Canvas::ObjectBox(int16_t object) const {
  int64_t x1 = width_;
  int64_t y1 = height_;
  int64_t x2 = 0;
  int64_t y2 = 0;
  for (int64_t y = 0; y < height_; ++y) {
    const int16_t* row = top_.data() + y * width_;
    for (int64_t x = 0; x < width_; ++x) {
      if (row[x] != object) continue;
      x1 = std::min(x1, x);
      x2 = std::max(x2, x + 1);
      y1 = std::min(y1, y);
      y2 = y + 1;
    }
  }
  return {static_cast<float>(x1), static_cast<float>(y1), static_cast<float>(x2),
          static_cast<float>(y2)};
}

PlacedShape DrawShape(const configs::ShapesConfig& config, RandomStream& stream) {
  PlacedShape shape;
  shape.shape = static_cast<Shape>(stream.UniformInt(config.num_classes()));
  const double diameter = std::exp(
      stream.Uniform(std::log(config.min_diameter_px()), std::log(config.max_diameter_px())));
  const double angle = stream.Uniform(0, 2 * 3.14159265358979);
  const double stretch = std::exp(stream.Uniform(-0.18, 0.18));
  shape.radius = static_cast<float>(diameter / 2);
  shape.cos_angle = static_cast<float>(std::cos(angle));
  shape.sin_angle = static_cast<float>(std::sin(angle));
  shape.stretch_x = static_cast<float>(stretch);
  shape.stretch_y = static_cast<float>(1 / stretch);
  // Far enough out that some objects are cut off by the border.
  const double beyond = diameter / 4;
  shape.center_x = static_cast<float>(
      stream.Uniform(diameter / 2 - beyond, config.width_px() - diameter / 2 + beyond));
  shape.center_y = static_cast<float>(
      stream.Uniform(diameter / 2 - beyond, config.height_px() - diameter / 2 + beyond));
  return shape;
}

}  // namespace

ShapePoint PlacedShape::ToShape(float x, float y) const {
  const float dx = (x - center_x) / radius;
  const float dy = (y - center_y) / radius;
  return {(dx * cos_angle + dy * sin_angle) / stretch_x,
          (dy * cos_angle - dx * sin_angle) / stretch_y};
}

float PlacedShape::Coverage(float x, float y) const {
  const ShapePoint point = ToShape(x, y);
  return std::clamp(0.5f - ShapeDistance(shape, point.x, point.y) * radius, 0.0f, 1.0f);
}

float PlacedShape::Extent() const { return 1.15f * std::max(stretch_x, stretch_y) * radius + 1; }

ShapesLayout MakeShapesLayout(const configs::ShapesConfig& config, int64_t index) {
  RandomStream stream(
      {.seed = config.seed(), .stage = "shapes", .step = index, .purpose = "layout"});
  const int64_t wanted =
      config.min_objects() + stream.UniformInt(config.max_objects() - config.min_objects() + 1);
  ShapesLayout layout;
  Canvas canvas(config);
  for (int64_t i = 0; i < wanted; ++i) {
    for (int tries = 0; tries < kTries; ++tries) {
      const PlacedShape shape = DrawShape(config, stream);
      if (!canvas.Place(shape)) continue;
      layout.shapes.push_back(shape);
      break;
    }
  }
  for (int64_t i = 0; i < canvas.num_objects(); ++i) {
    layout.boxes.push_back(canvas.ObjectBox(static_cast<int16_t>(i)));
  }
  return layout;
}

}  // namespace rcnn::data
