// Fingerprints of one image: of its bytes, and of how it looks.
//
// The first finds copies of a file; the second, images that were saved again, scaled, or
// changed in brightness. They decide which images of a dataset have one source and so must
// not lie on both sides of a split.
//
// `look` has 256 bits. The image in grey is shrunk to 17 columns x 16 rows by averaging; a
// bit is set for each pixel that is darker than its right neighbour ("difference hash"). A
// JPEG is decoded at a fraction of its size (jpeg_thumbnail.h).
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const ImageHash a, ReadImageHash("a.jpg"));
//   RCNN_ASSIGN_OR_RETURN(const ImageHash b, ReadImageHash("b.jpg"));
//   const bool same = LookDistance(a, b) <= kSameLook;

#ifndef RCNN_DATA_SPLIT_IMAGE_HASH_H_
#define RCNN_DATA_SPLIT_IMAGE_HASH_H_

#include <array>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rcnn::data {

struct ImageHash {
  // Two hashes of the file's bytes.
  std::array<uint64_t, 2> content = {0, 0};
  // 16 bits for each row, the top row first.
  std::array<uint64_t, 4> look = {0, 0, 0, 0};

  bool operator==(const ImageHash& other) const {
    return content == other.content && look == other.look;
  }
  bool operator!=(const ImageHash& other) const { return !(*this == other); }
};

// Looks that differ in at most this many bits are taken for one image that was saved twice. On
// BCCD, saving as JPEG of quality 50, at half the size, or 10 % brighter changes at most 9 bits;
// two different images differ in at least 81, except for one pair.
inline constexpr int kSameLook = 12;

// Number of bits in which the looks differ, 0 to 256. `content` does not count.
int LookDistance(const ImageHash& a, const ImageHash& b);

// Reads the file and decodes its image. Errors are those of MappedFile::Open and DecodeImage, and
// name the file.
absl::StatusOr<ImageHash> ReadImageHash(const std::string& path);

// The look of grey `pixels`, [height, width] row by row, with width and height >= 1. The image
// covers the first `extent_x` columns and `extent_y` rows, in pixels; the last column and row of a
// thumbnail may reach beyond it.
std::array<uint64_t, 4> HashLook(const uint8_t* pixels, int64_t width, int64_t height,
                                 double extent_x, double extent_y);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SPLIT_IMAGE_HASH_H_
