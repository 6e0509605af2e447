// Decides whether the boxes of a dataset refer to its images as stored, or as viewers show
// them when EXIF data ask for a turn.
//
// Some tools annotate one, some the other, and no file says which. Only a quarter turn
// reveals it, through the annotated size. Every reader decides here, once all images are
// known, and sets ImageInfo accordingly.
//
// Example:
//   const BoxViews decided = DecideBoxViews(config, BoxView::kStored, images);
//   if (decided.views[i] == BoxView::kUndecided) {
//     report.Add({file, -1, DefectKind::kUndecidedOrientation, "", DefectAction::kImageDropped});
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
  // One per image. That of an upright image is kStored, except with APPLIED.
  std::vector<BoxView> views;
  // A notice for the user; "" if no image has a turn or the config decides.
  std::string notice;
};

// By config.exif_orientation(): NOT_APPLIED, or not set, kStored for all; APPLIED kTurned for
// all.
//
// FROM_ANNOTATED_SIZES: a quarter turn of an oblong image votes for the view that has the
// annotated size. If all votes agree, they decide for all images. If not, each decides for
// its own image and the others are undecided. Without a vote `convention` decides: the view
// that the format's tools annotate, kUndecided if they differ.
BoxViews DecideBoxViews(const configs::DatasetConfig& config, BoxView convention,
                        absl::Span<const AnnotatedImage> images);

// Sets size, orientation and exif_applied. `view` is not kUndecided.
void SetView(BoxView view, const ImageFacts& facts, ImageInfo& info);

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_BOX_VIEW_H_
