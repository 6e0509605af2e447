// Image files with EXIF data, for tests.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const std::string png, EncodePng(image));
//   RCNN_RETURN_IF_ERROR(WriteFileAtomically(path, WithExif(png, OrientationTiff(6))).status());

#ifndef RCNN_DATA_TESTING_EXIF_FILE_H_
#define RCNN_DATA_TESTING_EXIF_FILE_H_

#include <string>

#include "absl/strings/string_view.h"

namespace rcnn::data {

// EXIF data with only this orientation, as a TIFF structure.
std::string OrientationTiff(int orientation, bool big_endian = true);

// The JPEG, PNG or WebP file with these EXIF data added: in APP1 at its beginning, in
// eXIf before the pixels, in EXIF at its end. WebP: of a lossy or lossless file without
// an extended header, which it gets.
std::string WithExif(absl::string_view file, absl::string_view tiff);

// The PNG file with these EXIF data after its pixels.
std::string PngWithExifBehindPixels(absl::string_view file, absl::string_view tiff);

}  // namespace rcnn::data

#endif  // RCNN_DATA_TESTING_EXIF_FILE_H_
