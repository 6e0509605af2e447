#include "rcnn/data/loader/color_matrix.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "rcnn/base/target_clones.h"

namespace rcnn::data {
namespace {

constexpr std::array<double, 3> kLuma = {0.299, 0.587, 0.114};

// The in-phase and quadrature axes of NTSC in R - Y and B - Y.
constexpr double kInPhaseR = 0.736, kInPhaseB = -0.268;
constexpr double kQuadratureR = 0.478, kQuadratureB = 0.413;

ColorMatrix Scaled(double factor, double offset) {
  ColorMatrix matrix;
  for (int c = 0; c < 3; ++c) {
    matrix.rows[c].fill(0);
    matrix.rows[c][c] = factor;
    matrix.rows[c][3] = offset;
  }
  return matrix;
}

// m: three rows of four, as ColorMatrix.
RCNN_LOOP void MapPixelsLoop(const float* m, const uint8_t* from, uint8_t* to, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const float r = from[3 * i];
    const float g = from[3 * i + 1];
    const float b = from[3 * i + 2];
    for (int c = 0; c < 3; ++c) {
      const float value = m[4 * c] * r + m[4 * c + 1] * g + m[4 * c + 2] * b + m[4 * c + 3];
      to[3 * i + c] =
          static_cast<uint8_t>(static_cast<int>(std::min(std::max(value, 0.0f), 255.0f) + 0.5f));
    }
  }
}
RCNN_TARGET_CLONES(void, MapPixels, MapPixelsLoop,
                   (const float* m, const uint8_t* from, uint8_t* to, int64_t n), (m, from, to, n));

}  // namespace

ColorMatrix ColorMatrix::After(const ColorMatrix& first) const {
  ColorMatrix product;
  for (int c = 0; c < 3; ++c) {
    for (int k = 0; k < 4; ++k) {
      double sum = k == 3 ? rows[c][3] : 0;
      for (int j = 0; j < 3; ++j) sum += rows[c][j] * first.rows[j][k];
      product.rows[c][k] = sum;
    }
  }
  return product;
}

ColorMatrix Brightness(double factor) { return Scaled(factor, 0); }

ColorMatrix Contrast(double factor) { return Scaled(factor, (1 - factor) * 127.5); }

ColorMatrix Saturation(double factor) {
  ColorMatrix matrix = Scaled(factor, 0);
  for (auto& row : matrix.rows) {
    for (int k = 0; k < 3; ++k) row[k] += (1 - factor) * kLuma[k];
  }
  return matrix;
}

// With u = R - Y and v = B - Y: (I, Q) = A (u, v), turned: (u, v)' = A^-1 T A (u, v);
// R' = Y + u', B' = Y + v', and G' keeps the luma.
ColorMatrix Hue(double degrees) {
  const double cosine = std::cos(degrees * M_PI / 180), sine = std::sin(degrees * M_PI / 180);
  const double determinant = kInPhaseR * kQuadratureB - kInPhaseB * kQuadratureR;
  // T A: rows of the turned I and Q over (u, v).
  const double iu = cosine * kInPhaseR - sine * kQuadratureR;
  const double iv = cosine * kInPhaseB - sine * kQuadratureB;
  const double qu = sine * kInPhaseR + cosine * kQuadratureR;
  const double qv = sine * kInPhaseB + cosine * kQuadratureB;
  const double uu = (kQuadratureB * iu - kInPhaseB * qu) / determinant;
  const double uv = (kQuadratureB * iv - kInPhaseB * qv) / determinant;
  const double vu = (kInPhaseR * qu - kQuadratureR * iu) / determinant;
  const double vv = (kInPhaseR * qv - kQuadratureR * iv) / determinant;
  ColorMatrix matrix;
  for (int k = 0; k < 3; ++k) {
    const double y = kLuma[k];
    const double u = (k == 0 ? 1 : 0) - y;
    const double v = (k == 2 ? 1 : 0) - y;
    const double turned_u = uu * u + uv * v;
    const double turned_v = vu * u + vv * v;
    matrix.rows[0][k] = y + turned_u;
    matrix.rows[1][k] = y - (kLuma[0] * turned_u + kLuma[2] * turned_v) / kLuma[1];
    matrix.rows[2][k] = y + turned_v;
  }
  return matrix;
}

Image ApplyColor(const ColorMatrix& matrix, const Image& image) {
  std::array<float, 12> m;
  for (int i = 0; i < 12; ++i) m[i] = static_cast<float>(matrix.rows[i / 4][i % 4]);
  Image changed(image.height(), image.width());
  MapPixels(m.data(), image.data(), changed.data(), image.height() * image.width());
  return changed;
}

}  // namespace rcnn::data
