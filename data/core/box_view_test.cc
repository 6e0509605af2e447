#include "rcnn/data/core/box_view.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn::data {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr BoxView kStored = BoxView::kStored;
constexpr BoxView kTurned = BoxView::kTurned;
constexpr BoxView kUndecided = BoxView::kUndecided;

// An image of 60 x 40 as stored, annotated with another size or none.
AnnotatedImage Image(int orientation, int64_t width, int64_t height) {
  AnnotatedImage image;
  image.name = "a.jpg";
  image.facts = {{ImageFormat::kJpeg, 60, 40}, static_cast<Orientation>(orientation)};
  image.width = width;
  image.height = height;
  return image;
}

AnnotatedImage Square(int orientation) {
  AnnotatedImage image = Image(orientation, 50, 50);
  image.facts.header = {ImageFormat::kJpeg, 50, 50};
  return image;
}

BoxViews Decide(configs::ExifOrientation rule, BoxView custom,
                const std::vector<AnnotatedImage>& images) {
  configs::DatasetConfig config;
  config.set_exif_orientation(rule);
  return DecideBoxViews(config, custom, images);
}

TEST(BoxView, IsStoredUnlessTheConfigSaysOtherwise) {
  const std::vector<AnnotatedImage> images = {Image(1, 60, 40), Image(6, 40, 60), Image(3, 60, 40)};
  const BoxViews unset = DecideBoxViews(configs::DatasetConfig(), kUndecided, images);
  EXPECT_THAT(unset.views, ElementsAre(kStored, kStored, kStored));
  EXPECT_THAT(unset.notice,
              AllOf(HasSubstr("2 images have an EXIF orientation"), HasSubstr("a.jpg"),
                    HasSubstr("quarter turn clockwise"), HasSubstr("exif_orientation"),
                    HasSubstr("turned view for 1"), HasSubstr("as the sizes say")));
  const BoxViews chosen = Decide(configs::NOT_APPLIED, kUndecided, images);
  EXPECT_THAT(chosen.views, Each(kStored));
  EXPECT_EQ(chosen.notice, "");
  EXPECT_THAT(Decide(configs::APPLIED, kUndecided, images).views, Each(kTurned));
}

TEST(BoxView, UprightImagesGiveNoNotice) {
  const std::vector<AnnotatedImage> images = {Image(1, 60, 40), Image(1, 40, 60)};
  EXPECT_EQ(DecideBoxViews(configs::DatasetConfig(), kUndecided, images).notice, "");
  const BoxViews decided = Decide(configs::FROM_ANNOTATED_SIZES, kUndecided, images);
  EXPECT_THAT(decided.views, Each(kStored));
  EXPECT_EQ(decided.notice, "");
}

TEST(BoxView, AQuarterTurnTellsForAll) {
  for (const int quarter : {5, 6, 7, 8}) {
    EXPECT_THAT(Decide(configs::FROM_ANNOTATED_SIZES, kUndecided,
                       {Image(1, 60, 40), Image(quarter, 40, 60), Image(2, 60, 40),
                        Image(3, 60, 40), Image(4, 60, 40), Square(6), Image(6, 0, 0)})
                    .views,
                ElementsAre(kStored, kTurned, kTurned, kTurned, kTurned, kTurned, kTurned));
    EXPECT_THAT(Decide(configs::FROM_ANNOTATED_SIZES, kUndecided,
                       {Image(quarter, 60, 40), Image(3, 60, 40), Square(8)})
                    .views,
                ElementsAre(kStored, kStored, kStored));
  }
}

// Even against what the format's tools do.
TEST(BoxView, SizesThatTellBeatTheCustom) {
  EXPECT_THAT(
      Decide(configs::FROM_ANNOTATED_SIZES, kStored, {Image(6, 40, 60), Image(3, 60, 40)}).views,
      ElementsAre(kTurned, kTurned));
}

TEST(BoxView, HalfTurnsAndMirrorsAloneFollowTheCustom) {
  for (const int orientation : {2, 3, 4}) {
    for (const BoxView custom : {kStored, kTurned, kUndecided}) {
      EXPECT_THAT(Decide(configs::FROM_ANNOTATED_SIZES, custom, {Image(orientation, 60, 40)}).views,
                  ElementsAre(custom));
    }
  }
}

TEST(BoxView, SizesThatContradictEachOtherDecideForThemselvesOnly) {
  const BoxViews decided =
      Decide(configs::FROM_ANNOTATED_SIZES, kStored,
             {Image(6, 40, 60), Image(8, 60, 40), Image(3, 60, 40), Image(1, 60, 40)});
  EXPECT_THAT(decided.views, ElementsAre(kTurned, kStored, kUndecided, kStored));
  EXPECT_THAT(decided.notice,
              AllOf(HasSubstr("cannot be decided, unless the field exif_orientation says it"),
                    HasSubstr("--exif_orientation=applied or not_applied")));
}

TEST(BoxView, SetsTheSizeOfTheView) {
  const ImageFacts facts = {{ImageFormat::kPng, 60, 40}, Orientation::kTransposed};
  ImageInfo info;
  SetView(kTurned, facts, info);
  EXPECT_EQ(info.width, 40);
  EXPECT_EQ(info.height, 60);
  EXPECT_TRUE(info.exif_applied);
  SetView(kStored, facts, info);
  EXPECT_EQ(info.width, 60);
  EXPECT_EQ(info.height, 40);
  EXPECT_FALSE(info.exif_applied);
  EXPECT_EQ(info.orientation, Orientation::kTransposed);
}

}  // namespace
}  // namespace rcnn::data
