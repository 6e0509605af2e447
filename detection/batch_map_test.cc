#include "rcnn/detection/batch_map.h"

#include <ATen/ATen.h>

#include <vector>

#include "gtest/gtest.h"

namespace rcnn::detection {
namespace {

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
  EXPECT_THROW(CutImages(Padded(), {{4, 5}}), c10::Error);
  EXPECT_THROW(CutImages(Padded(), {{4, 5}, {5, 5}}), c10::Error);
  EXPECT_THROW(CutImages(Padded().slice(0, 0, 0), {}), c10::Error);
}

TEST(BatchMapTest, SumsAddPartByPart) {
  const BatchMap a = CutImages(Padded(), {{4, 2}, {3, 5}});
  const BatchMap sum = a + a;
  ASSERT_EQ(sum.parts.size(), 2u);
  for (size_t p = 0; p < 2; ++p) EXPECT_TRUE(at::equal(sum.parts[p], 2 * a.parts[p]));
  EXPECT_THROW(a + BatchMap(Padded()), c10::Error);
}

}  // namespace
}  // namespace rcnn::detection
