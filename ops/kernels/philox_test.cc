#include "rcnn/ops/kernels/philox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace rcnn::ops {
namespace {

using ::testing::ElementsAre;

// Random123's kat_vectors, philox4x32 with 10 rounds.
TEST(PhiloxTest, KnownAnswers) {
  EXPECT_THAT(Philox({{0, 0, 0, 0}}, 0).word,
              ElementsAre(0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u));
  EXPECT_THAT(Philox({{~0u, ~0u, ~0u, ~0u}}, ~uint64_t{0}).word,
              ElementsAre(0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu));
  EXPECT_THAT(Philox({{0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}},
                     uint64_t{0x299f31d0u} << 32 | 0xa4093822u)
                  .word,
              ElementsAre(0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u));
}

TEST(PhiloxTest, ImagesRowsAndKeysHaveStreamsOfTheirOwn) {
  std::set<uint32_t> bits;
  for (uint64_t key = 0; key < 3; ++key) {
    for (const int64_t image : {int64_t{0}, int64_t{1}, int64_t{1} << 32}) {
      for (const int64_t row : {int64_t{0}, int64_t{1}, int64_t{1} << 32}) {
        bits.insert(RandomBits(key, image, row));
      }
    }
  }
  EXPECT_EQ(bits.size(), 27u);
}

TEST(PhiloxTest, FourRowsHaveTheWordsOfABlock) {
  const uint64_t key = 0x0123456789abcdef;
  const int64_t image = (int64_t{5} << 32) + 6, first = (int64_t{3} << 34) + 8;
  const uint32_t block_low = 2, block_high = 3;  // first / 4
  const PhiloxBlock expected = Philox({{block_low, block_high, 6, 5}}, key);
  for (int64_t i = 0; i < 4; ++i) {
    EXPECT_EQ(RandomBits(key, image, first + i), expected.word[i]) << i;
  }
}

}  // namespace
}  // namespace rcnn::ops
