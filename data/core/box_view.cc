#include "rcnn/data/core/box_view.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace rcnn::data {
namespace {

bool IsTurned(const AnnotatedImage& image) {
  return image.facts.orientation != Orientation::kUpright;
}

// The view that the annotated size implies; kUndecided if it implies none.
BoxView ViewFromSize(const AnnotatedImage& image) {
  const ImageHeader& stored = image.facts.header;
  if (!SwapsSides(image.facts.orientation) || stored.width == stored.height) {
    return BoxView::kUndecided;
  }
  if (image.width == stored.width && image.height == stored.height) return BoxView::kStored;
  if (image.width == stored.height && image.height == stored.width) return BoxView::kTurned;
  return BoxView::kUndecided;
}

struct Votes {
  int64_t turned_images = 0;
  int64_t stored = 0;
  int64_t turned = 0;
  const AnnotatedImage* first = nullptr;  // that has a turn
};

Votes Count(absl::Span<const AnnotatedImage> images) {
  Votes votes;
  for (const AnnotatedImage& image : images) {
    if (!IsTurned(image)) continue;
    if (votes.turned_images++ == 0) votes.first = &image;
    const BoxView view = ViewFromSize(image);
    votes.stored += view == BoxView::kStored ? 1 : 0;
    votes.turned += view == BoxView::kTurned ? 1 : 0;
  }
  return votes;
}

std::string Counted(const Votes& votes) {
  return absl::StrCat(votes.turned_images, votes.turned_images == 1 ? " image has" : " images have",
                      " an EXIF orientation by which viewers turn it, the first ",
                      votes.first->name, " (", Name(votes.first->facts.orientation),
                      "); the annotated size is that of the turned view for ", votes.turned,
                      ", that of the image as stored for ", votes.stored);
}

std::string DefaultNotice(const Votes& votes) {
  return absl::StrCat(
      Counted(votes),
      ". Boxes are taken to be of the images as stored; the field exif_orientation says "
      "otherwise: APPLIED if they are of the turned view",
      votes.turned > votes.stored ? ", as the sizes say" : "",
      ", NOT_APPLIED if this is right, FROM_ANNOTATED_SIZES if the sizes are to decide");
}

BoxView ViewFromAll(const Votes& votes, BoxView convention) {
  if (votes.turned > 0 && votes.stored > 0) return BoxView::kUndecided;
  if (votes.turned > 0) return BoxView::kTurned;
  return votes.stored > 0 ? BoxView::kStored : convention;
}

std::string DecisionNotice(const Votes& votes, BoxView view) {
  const char* decision =
      "; where no size tells it cannot be decided, unless the field exif_orientation says it: "
      "APPLIED if boxes are of the turned view, NOT_APPLIED if they are of the images as stored; "
      "for a folder of labelled images --exif_orientation=applied or not_applied";
  if (view == BoxView::kTurned) decision = "; images are turned when they are decoded";
  if (view == BoxView::kStored) decision = "; images are taken as stored";
  return absl::StrCat(Counted(votes), decision);
}

BoxViews FromSizes(BoxView convention, absl::Span<const AnnotatedImage> images) {
  const Votes votes = Count(images);
  const BoxView common = ViewFromAll(votes, convention);
  BoxViews result;
  for (const AnnotatedImage& image : images) {
    const BoxView own = ViewFromSize(image);
    result.views.push_back(!IsTurned(image)             ? BoxView::kStored
                           : own != BoxView::kUndecided ? own
                                                        : common);
  }
  if (votes.turned_images > 0) result.notice = DecisionNotice(votes, common);
  return result;
}

}  // namespace

BoxViews DecideBoxViews(const configs::DatasetConfig& config, BoxView convention,
                        absl::Span<const AnnotatedImage> images) {
  switch (config.exif_orientation()) {
    case configs::FROM_ANNOTATED_SIZES:
      return FromSizes(convention, images);
    case configs::APPLIED:
      return {std::vector<BoxView>(images.size(), BoxView::kTurned), ""};
    case configs::NOT_APPLIED:
      break;
  }
  BoxViews result = {std::vector<BoxView>(images.size(), BoxView::kStored), ""};
  if (config.has_exif_orientation()) return result;
  const Votes votes = Count(images);
  if (votes.turned_images > 0) result.notice = DefaultNotice(votes);
  return result;
}

void SetView(BoxView view, const ImageFacts& facts, ImageInfo& info) {
  info.orientation = facts.orientation;
  info.exif_applied = view == BoxView::kTurned;
  info.width = facts.header.width;
  info.height = facts.header.height;
  if (info.exif_applied && SwapsSides(facts.orientation)) std::swap(info.width, info.height);
}

}  // namespace rcnn::data
