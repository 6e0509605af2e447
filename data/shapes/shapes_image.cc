#include "rcnn/data/shapes/shapes_image.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "rcnn/base/stream_key.h"

namespace rcnn::data {
namespace {

// Red, green, blue; 0 to 255 while painting.
using Color = std::array<float, 3>;

constexpr double kTwoPi = 6.28318530717958648;

float Uniform(RandomStream& stream, double low, double high) {
  return static_cast<float>(stream.Uniform(low, high));
}

Color RandomColor(RandomStream& stream, double low, double high) {
  return {Uniform(stream, low, high), Uniform(stream, low, high), Uniform(stream, low, high)};
}

float Difference(const Color& a, const Color& b) {
  return std::abs(a[0] - b[0]) + std::abs(a[1] - b[1]) + std::abs(a[2] - b[2]);
}

Color Blend(const Color& a, const Color& b, float t) {
  return {a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1]), a[2] + t * (b[2] - a[2])};
}

// The image while it is painted.
class Paint {
 public:
  Paint(int64_t height, int64_t width)
      : height_(height), width_(width), pixels_(static_cast<size_t>(height) * width) {}

  int64_t height() const { return height_; }
  int64_t width() const { return width_; }
  Color& at(int64_t y, int64_t x) { return pixels_[y * width_ + x]; }

  void Mix(int64_t y, int64_t x, const Color& color, float amount) {
    if (y < 0 || y >= height_ || x < 0 || x >= width_ || amount <= 0) return;
    at(y, x) = Blend(at(y, x), color, amount);
  }

  // Adds a random surface of square cells, interpolated between their corners.
  void AddNoiseSurface(RandomStream& stream, double cell_px, double amplitude);

  // Every row, then every column, with (1, 2, 1) / 4.
  void Blur();

  // Applies light from one side, the colour of the light and noise; rounds to 8
  // bits.
  Image Develop(double difficulty, RandomStream& stream);

 private:
  int64_t height_;
  int64_t width_;
  std::vector<Color> pixels_;
};

void Paint::AddNoiseSurface(RandomStream& stream, double cell_px, double amplitude) {
  const int64_t columns = static_cast<int64_t>(static_cast<double>(width_) / cell_px) + 2;
  const int64_t rows = static_cast<int64_t>(static_cast<double>(height_) / cell_px) + 2;
  std::vector<float> corner(static_cast<size_t>(columns) * rows);
  for (float& value : corner) value = Uniform(stream, -amplitude, amplitude);
  const Color tint = RandomColor(stream, 0.5, 1.0);
  const float scale = static_cast<float>(1 / cell_px);
  for (int64_t y = 0; y < height_; ++y) {
    const float fy = static_cast<float>(y) * scale;
    const int64_t row = static_cast<int64_t>(fy);
    const float ty = fy - static_cast<float>(row);
    for (int64_t x = 0; x < width_; ++x) {
      const float fx = static_cast<float>(x) * scale;
      const int64_t column = static_cast<int64_t>(fx);
      const float tx = fx - static_cast<float>(column);
      const float* c = corner.data() + row * columns + column;
      const float top = c[0] + tx * (c[1] - c[0]);
      const float bottom = c[columns] + tx * (c[columns + 1] - c[columns]);
      const float value = top + ty * (bottom - top);
      for (int i = 0; i < 3; ++i) at(y, x)[i] += tint[i] * value;
    }
  }
}

// Blurs `count` colours that lie `step` apart.
void BlurLine(Color* first, int64_t count, int64_t step) {
  Color before = *first;
  for (int64_t i = 0; i < count; ++i) {
    Color& here = first[i * step];
    const Color& after = i + 1 < count ? first[(i + 1) * step] : here;
    const Color old = here;
    for (int k = 0; k < 3; ++k) here[k] = 0.25f * (before[k] + after[k]) + 0.5f * old[k];
    before = old;
  }
}

void Paint::Blur() {
  for (int64_t y = 0; y < height_; ++y) BlurLine(&at(y, 0), width_, 1);
  for (int64_t x = 0; x < width_; ++x) BlurLine(&at(0, x), height_, width_);
}

Image Paint::Develop(double difficulty, RandomStream& stream) {
  const double angle = stream.Uniform(0, kTwoPi);
  const double strength = stream.Uniform(0, 0.5 * difficulty);
  const float slope_x =
      static_cast<float>(strength * std::cos(angle) * 2 / static_cast<double>(width_));
  const float slope_y =
      static_cast<float>(strength * std::sin(angle) * 2 / static_cast<double>(height_));
  const Color light = RandomColor(stream, 1 - 0.3 * difficulty, 1 + 0.15 * difficulty);
  // The sum of two uniform bytes has a standard deviation of 104.
  const float noise = Uniform(stream, 0, 16 * difficulty) / 104;
  Image image(height_, width_);
  for (int64_t y = 0; y < height_; ++y) {
    uint8_t* out = image.row(y);
    const float dy = static_cast<float>(y) - 0.5f * static_cast<float>(height_);
    for (int64_t x = 0; x < width_; ++x) {
      const float dx = static_cast<float>(x) - 0.5f * static_cast<float>(width_);
      const float gain = 1 + slope_x * dx + slope_y * dy;
      uint64_t bits = stream.NextBits();
      for (int i = 0; i < 3; ++i, bits >>= 16) {
        const float grain = static_cast<float>(bits & 255) + static_cast<float>(bits >> 8 & 255);
        const float value = at(y, x)[i] * gain * light[i] + noise * (grain - 255);
        *out++ = static_cast<uint8_t>(std::clamp(value + 0.5f, 0.0f, 255.0f));
      }
    }
  }
  return image;
}

void PaintGround(Paint& paint, const Color& base, double difficulty, RandomStream& stream) {
  for (int64_t y = 0; y < paint.height(); ++y) {
    for (int64_t x = 0; x < paint.width(); ++x) paint.at(y, x) = base;
  }
  for (double cell_px : {61.0, 23.0, 9.0, 4.0}) {
    paint.AddNoiseSurface(stream, cell_px, stream.Uniform(5, 5 + 30 * difficulty));
  }
}

// A line from a random point, drawn pixel by pixel, that turns by the same angle at each.
void PaintStroke(Paint& paint, double difficulty, RandomStream& stream) {
  float x = Uniform(stream, 0, static_cast<double>(paint.width()));
  float y = Uniform(stream, 0, static_cast<double>(paint.height()));
  float angle = Uniform(stream, 0, kTwoPi);
  const float bend = Uniform(stream, -0.03, 0.03);
  const float half_width = Uniform(stream, 0.5, 1.6);
  const int64_t length = 10 + stream.UniformInt(60);
  const float amount = Uniform(stream, 0.3, 0.4 + 0.5 * difficulty);
  const Color color = RandomColor(stream, 20, 235);
  const int64_t reach = static_cast<int64_t>(std::ceil(half_width));
  for (int64_t i = 0; i < length; ++i) {
    for (int64_t dy = -reach; dy <= reach; ++dy) {
      for (int64_t dx = -reach; dx <= reach; ++dx) {
        const float inside = half_width + 0.5f - std::sqrt(static_cast<float>(dx * dx + dy * dy));
        paint.Mix(static_cast<int64_t>(y) + dy, static_cast<int64_t>(x) + dx, color,
                  amount * std::clamp(inside, 0.0f, 1.0f));
      }
    }
    x += std::cos(angle);
    y += std::sin(angle);
    angle += bend;
  }
}

// A soft spot without an edge.
void PaintSpot(Paint& paint, double difficulty, RandomStream& stream) {
  const float x = Uniform(stream, 0, static_cast<double>(paint.width()));
  const float y = Uniform(stream, 0, static_cast<double>(paint.height()));
  const float radius = Uniform(stream, 3, 22);
  const float amount = Uniform(stream, 0.2, 0.3 + 0.4 * difficulty);
  const Color color = RandomColor(stream, 20, 235);
  const int64_t reach = static_cast<int64_t>(radius) + 1;
  for (int64_t dy = -reach; dy <= reach; ++dy) {
    for (int64_t dx = -reach; dx <= reach; ++dx) {
      const float t = 1 - static_cast<float>(dx * dx + dy * dy) / (radius * radius);
      if (t <= 0) continue;
      paint.Mix(static_cast<int64_t>(y) + dy, static_cast<int64_t>(x) + dx, color, amount * t * t);
    }
  }
}

// The fill of a shape.
struct Fill {
  Color first;
  Color second;
  int pattern = 0;  // 0 plain, 1 gradient, 2 stripes, 3 dots
  float frequency = 6;
  bool outlined = false;

  Color At(const ShapePoint& point) const {
    if (pattern == 0) return first;
    if (pattern == 1) return Blend(first, second, std::clamp(0.5f + 0.5f * point.x, 0.0f, 1.0f));
    const float wave_x = std::sin(frequency * point.x);
    const float wave = pattern == 2 ? wave_x : wave_x * std::sin(frequency * point.y);
    return wave > 0.2f ? second : first;
  }
};

// Different enough from the background's colour to be visible; the difference
// decreases with difficulty.
Fill RandomFill(const Color& ground, double difficulty, RandomStream& stream) {
  const float contrast = static_cast<float>(190 - 100 * difficulty);
  Fill fill;
  do {
    fill.first = RandomColor(stream, 10, 250);
  } while (Difference(fill.first, ground) < contrast);
  fill.second = Blend(fill.first, RandomColor(stream, 0, 255), 0.45f);
  fill.pattern = stream.Bernoulli(difficulty) ? static_cast<int>(1 + stream.UniformInt(3)) : 0;
  fill.frequency = Uniform(stream, 5, 12);
  fill.outlined = stream.Bernoulli(0.4);
  return fill;
}

void PaintShape(Paint& paint, const PlacedShape& shape, const Fill& fill) {
  const float extent = shape.Extent();
  const int64_t y_begin =
      std::max<int64_t>(0, static_cast<int64_t>(std::floor(shape.center_y - extent)));
  const int64_t x_begin =
      std::max<int64_t>(0, static_cast<int64_t>(std::floor(shape.center_x - extent)));
  const int64_t y_end = std::min(paint.height(), static_cast<int64_t>(shape.center_y + extent) + 1);
  const int64_t x_end = std::min(paint.width(), static_cast<int64_t>(shape.center_x + extent) + 1);
  const Color edge = {fill.first[0] * 0.35f, fill.first[1] * 0.35f, fill.first[2] * 0.35f};
  for (int64_t y = y_begin; y < y_end; ++y) {
    for (int64_t x = x_begin; x < x_end; ++x) {
      const ShapePoint point =
          shape.ToShape(static_cast<float>(x) + 0.5f, static_cast<float>(y) + 0.5f);
      const float distance = ShapeDistance(shape.shape, point.x, point.y) * shape.radius;
      const float coverage = std::clamp(0.5f - distance, 0.0f, 1.0f);
      if (coverage <= 0) continue;
      const float on_edge = fill.outlined ? std::clamp(2.0f + distance, 0.0f, 1.0f) : 0.0f;
      paint.Mix(y, x, Blend(fill.At(point), edge, on_edge), coverage);
    }
  }
}

}  // namespace

Image PaintShapes(const configs::ShapesConfig& config, int64_t index, const ShapesLayout& layout) {
  RandomStream stream(
      {.seed = config.seed(), .stage = "shapes", .step = index, .purpose = "paint"});
  const double difficulty = config.difficulty();
  Paint paint(config.height_px(), config.width_px());
  const Color ground = RandomColor(stream, 50, 205);
  PaintGround(paint, ground, difficulty, stream);
  const double area = static_cast<double>(paint.height() * paint.width()) / (160.0 * 128.0);
  const int64_t clutter = static_cast<int64_t>(stream.Uniform(4, 16) * difficulty * area);
  for (int64_t i = 0; i < clutter; ++i) {
    PaintSpot(paint, difficulty, stream);
    PaintStroke(paint, difficulty, stream);
  }
  for (const PlacedShape& shape : layout.shapes) {
    PaintShape(paint, shape, RandomFill(ground, difficulty, stream));
  }
  for (int64_t i = 0; i < clutter / 4; ++i) PaintStroke(paint, difficulty, stream);
  for (int64_t blur = stream.UniformInt(1 + static_cast<int64_t>(4 * difficulty)); blur > 1;
       --blur) {
    paint.Blur();
  }
  return paint.Develop(difficulty, stream);
}

}  // namespace rcnn::data
