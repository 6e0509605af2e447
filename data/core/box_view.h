// Whether the boxes of a dataset are of its images as stored, or of what viewers show
// where EXIF data say that an image is to be turned.
//
// Some tools annotate one, some the other, and no file says which. Only a quarter turn
// can tell, by the size that was annotated. Every reader asks here, once all images are
// known, and sets ImageInfo by the answer.
//
// Example:
//   BoxViews decided = DecideBoxViews(config, BoxView::kStored, images);
//   if (decided.views[i] == BoxView::kUndecided) {
//     report.Add({file, -1, DefectKind::kUndecidedOrientation, ...});
//   } else {
//     SetView(decided.views[i], facts, info);
//   }
//   if (!decided.notice.empty()) report.AddNotice(decided.notice);

#ifndef RCNN_DATA_CORE_BOX_VIEW_H_
#define RCNN_DATA_CORE_BOX_VIEW_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/core/image_facts.h"
#include "rcnn/data/core/sample.h"

namespace rcnn::data {

enum class BoxView { kStored, kTurned, kUndecided };

struct AnnotatedImage {
  absl::string_view name;
  ImageFacts facts;
  // As the annotation says; 0 if it does not.
  int64_t width = 0;
  int64_t height = 0;
};

struct BoxViews {
  // Of each image. That of an upright one is kStored, except with APPLIED.
  std::vector<BoxView> views;
  // What the user should know; "" if no image has a turn, or the config says what to do.
  std::string notice;
};

// By config.exif_orientation(): NOT_APPLIED kStored, APPLIED kTurned for all.
//
// FROM_ANNOTATED_SIZES: each quarter turn of an oblong image whose annotated size is that
// of one view tells. If all that tell agree, they decide for all images. If they do not,
// each decides for itself and the others are undecided. If none tells, `custom`, what
// the format's tools do, decides; kUndecided where they differ.
BoxViews DecideBoxViews(const configs::DatasetConfig& config, BoxView custom,
                        absl::Span<const AnnotatedImage> images);

// Sets size, orientation and exif_applied. `view` is not kUndecided.
void SetView(BoxView view, const ImageFacts& facts, ImageInfo& info);

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_BOX_VIEW_H_
