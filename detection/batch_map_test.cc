#include "rcnn/detection/batch_map.h"

#include <ATen/ATen.h>

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/ops/error_message.h"

namespace rcnn::detection {
namespace {

using ::testing::StartsWith;

at::Tensor Padded() { return at::arange(2 * 3 * 4 * 5).view({2, 3, 4, 5}); }

TEST(CutImagesTest, ImagesOfDifferentSizesArePartsOfTheirOwn) {
  const BatchMap images = CutImages(Padded(), {{4, 2}, {3, 5}});
  ASSERT_EQ(images.parts.size(), 2u);
  EXPECT_TRUE(at::equal(images.parts[0], Padded().slice(0, 0, 1).slice(3, 0, 2)));
  EXPECT_TRUE(at::equal(images.parts[1], Padded().slice(0, 1, 2).slice(2, 0, 3)));
}

TEST(CutImagesTest, ImagesOfOneSizeAreOneTensor) {
  const BatchMap images = CutImages(Padded(), {{3, 2}, {3, 2}});
  ASSERT_EQ(images.parts.size(), 1u);
  EXPECT_TRUE(at::equal(images.parts[0], Padded().slice(2, 0, 3).slice(3, 0, 2)));
}

TEST(CutImagesTest, NothingIsCopied) {
  const at::Tensor padded = Padded();
  EXPECT_EQ(CutImages(padded, {{4, 5}, {4, 5}}).parts[0].data_ptr(), padded.data_ptr());
  EXPECT_EQ(CutImages(padded, {{4, 5}, {1, 5}}).parts[1].data_ptr(), padded[1].data_ptr());
}

TEST(CutImagesTest, SizesThatDoNotFitAreErrors) {
  EXPECT_THAT(ops::ErrorMessage([] {
                CutImages(Padded(), {{4, 5}});
              }),
              StartsWith("images: 1 size for a tensor ["));
  EXPECT_THROW(CutImages(Padded(), {{4, 5}, {5, 5}}), c10::Error);
  EXPECT_THROW(CutImages(Padded().slice(0, 0, 0), {}), c10::Error);
}

TEST(BatchMapTest, SumsAddPartByPart) {
  const BatchMap a = CutImages(Padded(), {{4, 2}, {3, 5}});
  const BatchMap sum = a + a;
  ASSERT_EQ(sum.parts.size(), 2u);
  for (size_t p = 0; p < 2; ++p) EXPECT_TRUE(at::equal(sum.parts[p], 2 * a.parts[p]));
  EXPECT_EQ(ops::ErrorMessage([&] { a + BatchMap(Padded()); }), "maps: 2 parts plus 1 part");
}

}  // namespace
}  // namespace rcnn::detection
