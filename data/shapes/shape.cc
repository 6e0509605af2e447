#include "rcnn/data/shapes/shape.h"

#include <algorithm>
#include <cmath>

namespace rcnn::data {
namespace {

constexpr float kPi = 3.14159265f;

float Disc(float x, float y, float radius) { return std::sqrt(x * x + y * y) - radius; }

float Rectangle(float x, float y, float half_width, float half_height) {
  return std::max(std::abs(x) - half_width, std::abs(y) - half_height);
}

// Equilateral, one corner at (0, -1).
float Triangle(float x, float y) {
  constexpr float kSin60 = 0.8660254f;
  return std::max(y, kSin60 * std::abs(x) - 0.5f * y) - 0.5f;
}

// Five rays: folded to one half of a ray, whose edge runs from the tip at radius
// 1.1 to the notch at radius 0.45.
float Star(float x, float y) {
  constexpr float kSector = kPi / 5;
  const float radius = std::sqrt(x * x + y * y);
  float angle = std::fmod(std::atan2(y, x) + 2 * kPi, 2 * kSector);
  angle = std::min(angle, 2 * kSector - angle);
  const float px = radius * std::cos(angle);
  const float py = radius * std::sin(angle);
  constexpr float kTip = 1.1f;
  constexpr float kNotchX = 0.45f * 0.80901699f;  // cos 36°
  constexpr float kNotchY = 0.45f * 0.58778525f;  // sin 36°
  constexpr float kNormalX = kNotchY;
  constexpr float kNormalY = kTip - kNotchX;
  const float length = std::sqrt(kNormalX * kNormalX + kNormalY * kNormalY);
  return ((px - kTip) * kNormalX + py * kNormalY) / length;
}

float Cross(float x, float y) {
  return std::min(Rectangle(x, y, 1.0f, 0.32f), Rectangle(x, y, 0.32f, 1.0f));
}

float Ring(float x, float y) { return std::abs(Disc(x, y, 0.74f)) - 0.26f; }

float Crescent(float x, float y) { return std::max(Disc(x, y, 1.0f), -Disc(x - 0.55f, y, 0.85f)); }

// A shaft with a head that points to the right.
float Arrow(float x, float y) {
  const float head = std::max(-x, (x - 1) * 0.64f + std::abs(y) * 0.768f);
  return std::min(head, Rectangle(x + 0.45f, y, 0.55f, 0.26f));
}

}  // namespace

absl::string_view Name(Shape shape) {
  constexpr absl::string_view kNames[kNumShapes] = {"disc",  "square", "triangle", "star",
                                                    "cross", "ring",   "crescent", "arrow"};
  return kNames[static_cast<int>(shape)];
}

float ShapeDistance(Shape shape, float x, float y) {
  switch (shape) {
    case Shape::kDisc:
      return Disc(x, y, 0.95f);
    case Shape::kSquare:
      return Rectangle(x, y, 0.78f, 0.78f);
    case Shape::kTriangle:
      return Triangle(x, y);
    case Shape::kStar:
      return Star(x, y);
    case Shape::kCross:
      return Cross(x, y);
    case Shape::kRing:
      return Ring(x, y);
    case Shape::kCrescent:
      return Crescent(x, y);
    case Shape::kArrow:
      return Arrow(x, y);
  }
  return 1;
}

}  // namespace rcnn::data
