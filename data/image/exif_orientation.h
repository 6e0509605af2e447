// The orientation that the EXIF data of a JPEG, PNG or WebP file give, or the same field of a TIFF.
//
// The container is searched here, its TIFF structure is read by libexif. JPEG: the first
// APP1 segment "Exif" before the first scan. PNG: the chunk eXIf, before the pixels or in
// the last 64 KiB. WebP: the chunk EXIF. TIFF: the field Orientation of its first directory
// (tiff_decoder.h). Nothing is decoded; of a large file only the pages at its beginning and
// its end are touched.
//
// As viewers do, an image without EXIF data, with damaged ones, or with a value that the
// standard does not know is taken as upright.
//
// Sources: ITU-T T.81 Annex B, PNG (third edition) 11.3.4.5, WebP container (RIFF).
//
// Example:
//   image = TurnImage(std::move(image), ParseExifOrientation(bytes));

#ifndef RCNN_DATA_IMAGE_EXIF_ORIENTATION_H_
#define RCNN_DATA_IMAGE_EXIF_ORIENTATION_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/data/image/orientation.h"

namespace rcnn::data {

// `bytes`: a whole file.
Orientation ParseExifOrientation(absl::string_view bytes);

// The same for a file. Errors are those of opening it.
absl::StatusOr<Orientation> ReadExifOrientation(const std::string& path);

}  // namespace rcnn::data

#endif  // RCNN_DATA_IMAGE_EXIF_ORIENTATION_H_
