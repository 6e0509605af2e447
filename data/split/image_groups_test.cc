#include "rcnn/data/split/image_groups.h"

#include <optional>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/data/split/image_hash.h"

namespace rcnn::data {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

ImageHash RandomHash(std::mt19937_64& draw) {
  ImageHash hash;
  for (uint64_t& word : hash.content) word = draw();
  for (uint64_t& word : hash.look) word = draw();
  return hash;
}

// With `bits` others flipped, spread over all words.
ImageHash Changed(ImageHash hash, int bits, std::mt19937_64& draw) {
  for (uint64_t& word : hash.content) word = draw();
  for (int i = 0; i < bits; ++i) {
    const int bit = (i * 21 + 5) % 256;
    hash.look[static_cast<size_t>(bit / 64)] ^= uint64_t{1} << (bit % 64);
  }
  return hash;
}

TEST(GroupImages, JoinsNamesUpToRf) {
  const std::vector<std::string> names = {"train/a_jpg.rf.01.jpg", "b.jpg", "a_jpg.rf.77.jpg",
                                          "c/b.jpg", "a_jpg"};
  const ImageGroups groups =
      GroupImages(names, std::vector<std::optional<ImageHash>>(names.size()));
  EXPECT_THAT(groups.group, ElementsAre(0, 1, 0, 3, 4));
  ASSERT_THAT(groups.pairs, SizeIs(1));
  EXPECT_EQ(groups.pairs[0].reason, SameSource::kName);
  EXPECT_EQ(SourceName("x/a.rf.b.rf.c.jpg"), "a");
  EXPECT_EQ(SourceName("x/a.jpg"), "x/a.jpg");
}

TEST(GroupImages, JoinsEqualFilesAndNearLooks) {
  std::mt19937_64 draw(3);
  const ImageHash a = RandomHash(draw), b = RandomHash(draw);
  const ImageGroups groups = GroupImages(
      {"0", "1", "2", "3", "4", "5"},
      {a, b, a, Changed(b, kSameLook, draw), Changed(a, kSameLook + 1, draw), std::nullopt});
  EXPECT_THAT(groups.group, ElementsAre(0, 1, 0, 1, 4, 5));
  ASSERT_THAT(groups.pairs, SizeIs(2));
  EXPECT_EQ(groups.pairs[0].reason, SameSource::kContent);
  EXPECT_EQ(groups.pairs[1].reason, SameSource::kLook);
}

TEST(GroupImages, FindsWhatComparingAllPairsFinds) {
  std::mt19937_64 draw(11);
  std::vector<std::optional<ImageHash>> hashes;
  std::vector<std::string> names;
  for (int i = 0; i < 300; ++i) {
    hashes.push_back(i < 100 ? RandomHash(draw)
                             : Changed(*hashes[static_cast<size_t>(i - 100)], i % 25, draw));
    names.push_back(std::to_string(i));
  }
  const ImageGroups groups = GroupImages(names, hashes);
  for (size_t i = 0; i < hashes.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (LookDistance(*hashes[i], *hashes[j]) <= kSameLook) {
        EXPECT_EQ(groups.group[i], groups.group[j]) << i << " " << j;
      }
    }
  }
}

TEST(GroupImages, ConnectsAlongChains) {
  std::mt19937_64 draw(5);
  const ImageHash a = RandomHash(draw);
  ImageHash b = a, c = a;
  b.look[0] ^= 0x3ff;
  c.look[0] ^= 0x3ff;
  c.look[1] ^= 0x3ff;
  b.content = {1, 1};
  c.content = {2, 2};
  EXPECT_THAT(GroupImages({"a", "c", "b"}, {a, c, b}).group, ElementsAre(0, 0, 0));
  EXPECT_THAT(GroupImages({"a", "c"}, {a, c}).group, ElementsAre(0, 1));
}

}  // namespace
}  // namespace rcnn::data
