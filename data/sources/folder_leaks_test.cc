#include "rcnn/data/sources/folder_leaks.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/temporary_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/image/encode_image.h"
#include "rcnn/data/image/image.h"

namespace rcnn::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Five images of two sources: 0, 2 and 4, and 1 and 3.
TEST(CollectLeaksTest, NamesEachImageOnAnotherSideThanTheFirst) {
  FolderImages images;
  images.names = {"a.png", "b.png", "c.png", "d.png", "e.png"};
  ImageGroups groups;
  groups.group = {0, 1, 0, 1, 0};
  groups.pairs = {
      {0, 2, SameSource::kContent}, {2, 4, SameSource::kLook}, {1, 3, SameSource::kName}};
  EXPECT_THAT(CollectLeaks(images, groups, {0, 0, 0, 0, 0}, {"train", "val"}), IsEmpty());
  EXPECT_THAT(CollectLeaks(images, groups, {0, 1, 0, 0, 1}, {"train", "val"}),
              ElementsAre("val/b.png and train/d.png: equal name up to .rf.",
                          "train/a.png and val/e.png: equal files"));
}

TEST(FindGroupsTest, ImagesInShardsHaveOnlyNames) {
  FolderImages images;
  images.names = {"a_png.rf.12.png", "a_png.rf.34.png", "b.png"};
  images.paths = {"", "", ""};
  std::vector<std::string> notices;
  const auto groups = FindGroups(images, {}, notices);
  ASSERT_THAT(groups, IsOk());
  EXPECT_THAT(groups->group, ElementsAre(0, 0, 2));
  EXPECT_THAT(notices,
              ElementsAre("3 images lie in shards, so only names show which share a source"));
  images.names.resize(1);
  images.paths.resize(1);
  notices.clear();
  ASSERT_THAT(FindGroups(images, {}, notices), IsOk());
  EXPECT_THAT(notices,
              ElementsAre("1 image lies in shards, so only names show which share a source"));
}

// Frames of one camera: 24 images that look the same, of which two are equal.
TEST(FindGroupsTest, LooksOfMostImagesDoNotCount) {
  const TemporaryDirectory folder("folder_leaks_test");
  FolderImages images;
  for (int i = 0; i < 24; ++i) {
    Image image(40, 40);
    for (int64_t k = 0; k < image.size_bytes(); ++k) {
      image.data()[k] = static_cast<uint8_t>(k / 600 % 2 * 120 + k % 120 / 3);
    }
    image.data()[0] = static_cast<uint8_t>(std::max(i, 1));  // of the first two the same
    const auto bytes = EncodePng(image);
    ASSERT_THAT(bytes, IsOk());
    images.names.push_back(absl::StrCat("frame", i, ".png"));
    images.paths.push_back(absl::StrCat(folder.path(), "/frame", i, ".png"));
    ASSERT_THAT(WriteFileAtomically(images.paths.back(), *bytes), IsOk());
  }
  std::vector<std::string> notices;
  const auto groups = FindGroups(images, {}, notices);
  ASSERT_THAT(groups, IsOk());
  EXPECT_THAT(notices, ElementsAre(HasSubstr("24 of 24 images look nearly the same")));
  EXPECT_EQ(groups->group[1], 0);
  for (size_t i = 2; i < 24; ++i) EXPECT_EQ(groups->group[i], static_cast<int64_t>(i));
}

}  // namespace
}  // namespace rcnn::data
