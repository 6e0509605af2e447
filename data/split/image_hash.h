// Fingerprints of one image: of its bytes, and of how it looks.
//
// The first tells copies of a file; the second, images that were saved again, scaled, or
// changed in brightness. They decide which images of a dataset are of one source, and
// must not lie on both sides of a split.
//
// `look` has 256 bits: the image in grey, shrunk to 17 x 16 by averaging; a bit for each
// pixel that is darker than its right neighbour ("difference hash"). Of a JPEG only an
// eighth of the size is decoded, which costs a fifth of the whole.
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
  // Of the file's bytes.
  std::array<uint64_t, 2> content = {0, 0};
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

// Number of bits in which two differ, 0 to 256.
int LookDistance(const ImageHash& a, const ImageHash& b);

// Errors name the file: those of MappedFile::Open and of decoding.
absl::StatusOr<ImageHash> ReadImageHash(const std::string& path);

// The look of grey pixels, row by row, width x height >= 1. `extent_x`, `extent_y`: how
// many of them the image covers; the last row and column of a thumbnail may reach beyond.
std::array<uint64_t, 4> HashLook(const uint8_t* pixels, int64_t width, int64_t height,
                                 double extent_x, double extent_y);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SPLIT_IMAGE_HASH_H_
