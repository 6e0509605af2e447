#include "rcnn/data/split/image_hash.h"

#include <algorithm>
#include <vector>

#include "absl/numeric/bits.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/image/decode_image.h"
#include "rcnn/data/image/image.h"
#include "rcnn/data/split/jpeg_thumbnail.h"

namespace rcnn::data {
namespace {

constexpr int64_t kColumns = 17;
constexpr int64_t kRows = 16;

// HashContent makes two hashes of 64 bits from words of 8 bytes. They are mixed by the finaliser of
// MurmurHash3 (Appleby, public domain), which protects against chance, not against forgery.
uint64_t Mix(uint64_t value) {
  value = (value ^ (value >> 33)) * 0xff51afd7ed558ccdULL;
  value = (value ^ (value >> 33)) * 0xc4ceb9fe1a85ec53ULL;
  return value ^ (value >> 33);
}

std::array<uint64_t, 2> HashContent(absl::string_view bytes) {
  uint64_t first = 0x243f6a8885a308d3ULL, second = 0x13198a2e03707344ULL;
  for (size_t i = 0; i < bytes.size(); i += 8) {
    uint64_t word = 0;
    bytes.copy(reinterpret_cast<char*>(&word), 8, i);
    first = Mix(first ^ word);
    second = Mix(second + 0x9e3779b97f4a7c15ULL * word);
  }
  return {Mix(first ^ bytes.size()), Mix(second ^ bytes.size())};
}

std::vector<uint8_t> Grey(const Image& image) {
  std::vector<uint8_t> grey;
  const int64_t pixels = image.width() * image.height();
  grey.reserve(static_cast<size_t>(pixels));
  for (int64_t i = 0; i < pixels; ++i) {
    const uint8_t* const rgb = image.data() + 3 * i;
    grey.push_back(static_cast<uint8_t>((299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2]) / 1000));
  }
  return grey;
}

// The pixels that a cell covers along one axis, with weights whose sum is 1. Cells may begin and
// end inside a pixel, so that an image and a smaller copy of it have nearly the same means.
struct Cell {
  int64_t first = 0;
  std::vector<double> weights;
};

std::vector<Cell> MakeCells(int64_t n, int64_t size, double extent) {
  std::vector<Cell> cells(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    const double begin = static_cast<double>(i) * extent / static_cast<double>(n);
    const double end = static_cast<double>(i + 1) * extent / static_cast<double>(n);
    Cell& cell = cells[static_cast<size_t>(i)];
    cell.first = std::min(static_cast<int64_t>(begin), size - 1);
    for (int64_t pixel = cell.first; pixel < size && static_cast<double>(pixel) < end; ++pixel) {
      const double left = std::max(begin, static_cast<double>(pixel));
      cell.weights.push_back((std::min(end, static_cast<double>(pixel + 1)) - left) /
                             (end - begin));
    }
  }
  return cells;
}

// Sets `line` to the mean of the rows of pixels that a row of cells covers.
void AverageRows(const uint8_t* pixels, int64_t width, const Cell& rows,
                 std::vector<double>& line) {
  std::fill(line.begin(), line.end(), 0.0);
  for (size_t k = 0; k < rows.weights.size(); ++k) {
    const uint8_t* const source = pixels + (rows.first + static_cast<int64_t>(k)) * width;
    for (int64_t x = 0; x < width; ++x) line[x] += rows.weights[k] * source[x];
  }
}

double Average(const std::vector<double>& line, const Cell& columns) {
  double mean = 0;
  for (size_t k = 0; k < columns.weights.size(); ++k) {
    mean += columns.weights[k] * line[static_cast<size_t>(columns.first) + k];
  }
  return mean;
}

}  // namespace

std::array<uint64_t, 4> HashLook(const uint8_t* pixels, int64_t width, int64_t height,
                                 double extent_x, double extent_y) {
  const std::vector<Cell> columns = MakeCells(kColumns, width, extent_x);
  const std::vector<Cell> rows = MakeCells(kRows, height, extent_y);
  std::array<uint64_t, 4> look = {0, 0, 0, 0};
  std::vector<double> line(static_cast<size_t>(width));
  for (int64_t row = 0; row < kRows; ++row) {
    AverageRows(pixels, width, rows[static_cast<size_t>(row)], line);
    double previous = 0;
    for (int64_t column = 0; column < kColumns; ++column) {
      const double mean = Average(line, columns[static_cast<size_t>(column)]);
      // Rounding must not set bits for a uniform image.
      if (column > 0 && previous + 1e-6 < mean) {
        const int64_t bit = row * (kColumns - 1) + column - 1;
        look[static_cast<size_t>(bit / 64)] |= uint64_t{1} << (bit % 64);
      }
      previous = mean;
    }
  }
  return look;
}

int LookDistance(const ImageHash& a, const ImageHash& b) {
  int distance = 0;
  for (size_t i = 0; i < a.look.size(); ++i) distance += absl::popcount(a.look[i] ^ b.look[i]);
  return distance;
}

absl::StatusOr<ImageHash> ReadImageHash(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  ImageHash hash;
  hash.content = HashContent(file.bytes());
  const absl::StatusOr<GreyThumbnail> thumbnail =
      DecodeJpegThumbnail(file.bytes(), DecodeOptions().max_pixels);
  if (thumbnail.ok()) {
    hash.look = HashLook(thumbnail->pixels.data(), thumbnail->width, thumbnail->height,
                         thumbnail->extent_x, thumbnail->extent_y);
    return hash;
  }
  RCNN_ASSIGN_OR_RETURN(const Image image, DecodeImage(file.bytes(), {}), path);
  hash.look = HashLook(Grey(image).data(), image.width(), image.height(),
                       static_cast<double>(image.width()), static_cast<double>(image.height()));
  return hash;
}

}  // namespace rcnn::data
