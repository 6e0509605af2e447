#include "rcnn/data/split/plan_split.h"

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn::data {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// `count` images of a source each; every tenth has the rare label 2, all have 1.
std::vector<SplitImage> Images(int64_t count) {
  std::vector<SplitImage> images;
  for (int64_t i = 0; i < count; ++i) {
    images.push_back({absl::StrCat("image", i, ".jpg"), i, {1}});
    if (i % 10 == 0) images.back().labels.push_back(2);
  }
  return images;
}

std::array<int64_t, 3> Count(const PlannedSplit& split, const std::vector<SplitImage>& images,
                             int64_t label) {
  std::array<int64_t, 3> counts = {0, 0, 0};
  for (size_t i = 0; i < images.size(); ++i) {
    const auto& labels = images[i].labels;
    if (label == 0 || std::find(labels.begin(), labels.end(), label) != labels.end()) {
      ++counts[static_cast<int>(split.side[i])];
    }
  }
  return counts;
}

TEST(PlanSplit, KeepsTheSharesOfImagesAndOfRareClasses) {
  const std::vector<SplitImage> images = Images(400);
  const PlannedSplit split = PlanSplit(images, {.val = 0.1, .test = 0.2});
  EXPECT_THAT(Count(split, images, 0), ElementsAre(280, 40, 80));
  EXPECT_THAT(Count(split, images, 2), ElementsAre(28, 4, 8));
}

TEST(PlanSplit, GivesARareClassToTrainingFirstThenToEveryPart) {
  for (int64_t rare = 1; rare <= 9; ++rare) {
    std::vector<SplitImage> images = Images(200);
    for (int64_t i = 0; i < rare; ++i) images[static_cast<size_t>(7 * i)].labels.push_back(3);
    const std::array<int64_t, 3> counts =
        Count(PlanSplit(images, {.val = 0.15, .test = 0.15}), images, 3);
    EXPECT_GE(counts[0], 1) << rare;
    EXPECT_GE(counts[0], counts[1] + counts[2]) << rare;
    if (rare < 7) continue;
    EXPECT_GE(std::min(counts[1], counts[2]), 1) << rare;
  }
}

TEST(PlanSplit, DoesNotDependOnTheOrder) {
  std::vector<SplitImage> images = Images(100);
  const PlannedSplit split = PlanSplit(images, {.val = 0.1, .test = 0.1});
  std::map<std::string, SplitSide> sides;
  for (size_t i = 0; i < images.size(); ++i) sides[images[i].name] = split.side[i];
  std::shuffle(images.begin(), images.end(), std::mt19937(7));
  const PlannedSplit other = PlanSplit(images, {.val = 0.1, .test = 0.1});
  for (size_t i = 0; i < images.size(); ++i) EXPECT_EQ(other.side[i], sides[images[i].name]);
}

TEST(PlanSplit, KeepsImagesOfOneSourceTogether) {
  std::vector<SplitImage> images = Images(300);
  for (size_t i = 0; i < images.size(); ++i) images[i].group = static_cast<int64_t>(i / 3);
  const PlannedSplit split = PlanSplit(images, {.val = 0.2, .test = 0.2});
  for (size_t i = 0; i < images.size(); ++i) EXPECT_EQ(split.side[i], split.side[i / 3 * 3]);
  EXPECT_THAT(Count(split, images, 0), ElementsAre(180, 60, 60));
}

TEST(PlanSplit, OnlyAddsToWhatIsThere) {
  std::vector<SplitImage> images = Images(100);
  PlannedSplit split = PlanSplit(images, {.val = 0.1, .test = 0.1});
  for (size_t i = 0; i < images.size(); ++i) images[i].side = split.side[i];
  for (int64_t i = 100; i < 200; ++i) images.push_back({absl::StrCat("new", i), i, {1}});
  // One of a source in the test part, and one of sources on two sides.
  const auto test = std::find(split.side.begin(), split.side.end(), SplitSide::kTest);
  images[100].group = images[test - split.side.begin()].group;
  images[101].group = 1000;
  SplitImage torn_test = images[101], torn_val = images[101];
  torn_test.name = "old1", torn_test.side = SplitSide::kTest;
  torn_val.name = "old2", torn_val.side = SplitSide::kVal;
  images.push_back(torn_test);
  images.push_back(torn_val);
  const PlannedSplit grown = PlanSplit(images, {.val = 0.1, .test = 0.1});
  for (size_t i = 0; i < 100; ++i) EXPECT_EQ(grown.side[i], split.side[i]);
  EXPECT_EQ(grown.side[100], SplitSide::kTest);
  EXPECT_EQ(grown.side[101], SplitSide::kTrain);
  EXPECT_THAT(grown.torn, ElementsAre(101));
  const std::array<int64_t, 3> counts = Count(grown, images, 0);
  EXPECT_NEAR(counts[1], 20, 1);
  EXPECT_NEAR(counts[2], 20, 1);
}

TEST(PlanSplit, GivesEveryPartOfASmallSetAnImage) {
  for (int64_t count = 3; count < 12; ++count) {
    const std::vector<SplitImage> images = Images(count);
    const PlannedSplit split = PlanSplit(images, {.val = 0.05, .test = 0.05});
    for (const int64_t part : Count(split, images, 0)) EXPECT_GE(part, 1) << count;
  }
}

// `count` images of a source each, with one of `classes` labels in turn.
std::vector<SplitImage> ImagesInTurn(int64_t count, int64_t classes) {
  std::vector<SplitImage> images;
  for (int64_t i = 0; i < count; ++i) {
    images.push_back({absl::StrCat("image", i, ".jpg"), i, {1 + i % classes}});
  }
  return images;
}

TEST(PlanSplit, SmallClassesFillEveryPart) {
  // Of each class 5 images, of which none is val's by itself.
  std::vector<SplitImage> images = ImagesInTurn(100, 20);
  const PlannedSplit split = PlanSplit(images, {.val = 0.1, .test = 0.15});
  const std::array<int64_t, 3> counts = Count(split, images, 0);
  EXPECT_EQ(counts[1], 10);
  EXPECT_NEAR(counts[2], 15, 2);
  for (int64_t label = 1; label <= 20; ++label) {
    EXPECT_GE(Count(split, images, label)[0], 3) << label;
    EXPECT_LE(Count(split, images, label)[1], 1) << label;
  }
  // What has a side keeps it.
  for (size_t i = 0; i < images.size(); ++i) images[i].side = split.side[i];
  EXPECT_EQ(PlanSplit(images, {.val = 0.3, .test = 0.3}).side, split.side);
}

TEST(PlanSplit, TwoClassesInTurnGiveEveryPartAnImage) {
  for (int64_t count = 3; count < 40; ++count) {
    for (int64_t classes = 1; classes <= 4; ++classes) {
      const std::vector<SplitImage> images = ImagesInTurn(count, classes);
      const PlannedSplit split = PlanSplit(images, {.val = 0.1, .test = 0.15});
      for (const int64_t part : Count(split, images, 0)) {
        EXPECT_GE(part, 1) << count << " images, " << classes << " classes";
      }
    }
  }
}

TEST(PlanSplit, WithoutOtherPartsAllTrains) {
  const std::vector<SplitImage> images = Images(10);
  EXPECT_THAT(Count(PlanSplit(images, {}), images, 0), ElementsAre(10, 0, 0));
  EXPECT_THAT(PlanSplit({}, {.val = 0.1}).side, IsEmpty());
}

}  // namespace
}  // namespace rcnn::data
