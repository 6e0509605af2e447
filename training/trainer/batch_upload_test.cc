#include "rcnn/training/trainer/batch_upload.h"

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/ops/testing/far_device.h"

namespace rcnn::training {
namespace {

using ops::testing::FarDevice;
using ops::testing::TakeFarStreamLog;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

data::Batch TwoImages() {
  data::Batch batch;
  batch.iteration = 7;
  batch.images = at::arange(2 * 3 * 4 * 5, at::kFloat).view({2, 3, 4, 5});
  batch.entries.resize(2);
  batch.entries[1].height = 4;
  return batch;
}

// As BatchBuilderOptions::keep_bytes leaves them: the images have one element of memory, and the
// second one, whose maps are cached, has no bytes.
data::Batch BytesOfTwoOfThree() {
  data::Batch batch;
  batch.images = at::zeros({}).expand({3, 3, 4, 5});
  batch.entries.resize(3);
  for (const size_t b : {size_t{0}, size_t{2}}) {
    batch.entries[b].bytes = at::full({2, 3, 3}, static_cast<int64_t>(b) + 7, at::kByte);
  }
  batch.entries[1].has_pixels = false;
  return batch;
}

TEST(BatchUploadTest, LeavesTheBatchOnTheCpu) {
  const data::Batch batch = TwoImages();
  BatchUpload upload(at::kCPU);
  EXPECT_TRUE(upload.Upload(batch).images.is_same(batch.images));
}

TEST(BatchUploadTest, CopiesTheImagesAlone) {
  const data::Batch batch = TwoImages();
  BatchUpload upload(FarDevice());
  const data::Batch uploaded = upload.Upload(batch);
  EXPECT_EQ(uploaded.images.device(), FarDevice());
  EXPECT_TRUE(uploaded.images.cpu().equal(batch.images));
  EXPECT_TRUE(batch.images.is_cpu());
  EXPECT_EQ(uploaded.iteration, 7);
  EXPECT_EQ(uploaded.entries[1].height, 4);
}

// The copy is on the second stream, and the first, on which networks compute, waits for it.
TEST(BatchUploadTest, TheNetworksStreamWaitsForTheCopy) {
  const data::Batch batch = TwoImages();
  BatchUpload upload(FarDevice());
  for (int i = 0; i < 2; ++i) {
    TakeFarStreamLog();
    upload.Upload(batch);
    EXPECT_THAT(TakeFarStreamLog(),
                ElementsAre("copy on 1", "record on 1", "0 waits for 1", "0 uses a tensor"));
  }
  batch.images.to(FarDevice());
  EXPECT_THAT(TakeFarStreamLog(), ElementsAre("copy on 0"));
}

TEST(BatchUploadTest, CopiesBytesInPlaceOfImagesThatAreSizesAlone) {
  const data::Batch batch = BytesOfTwoOfThree();
  BatchUpload upload(FarDevice());
  TakeFarStreamLog();
  const data::Batch uploaded = upload.Upload(batch);
  EXPECT_THAT(TakeFarStreamLog(),
              ElementsAre("copy on 1", "copy on 1", "record on 1", "0 waits for 1",
                          "0 uses a tensor", "0 uses a tensor"));
  EXPECT_TRUE(uploaded.images.is_same(batch.images));
  EXPECT_FALSE(uploaded.entries[1].bytes.defined());
  for (const size_t b : {size_t{0}, size_t{2}}) {
    EXPECT_EQ(uploaded.entries[b].bytes.device(), FarDevice());
    EXPECT_TRUE(uploaded.entries[b].bytes.cpu().equal(batch.entries[b].bytes));
    EXPECT_TRUE(batch.entries[b].bytes.is_cpu());
  }
}

TEST(BatchUploadTest, ImagesWithoutPixelsStay) {
  data::Batch batch = TwoImages();
  for (data::BatchImage& image : batch.entries) image.has_pixels = false;
  BatchUpload upload(FarDevice());
  TakeFarStreamLog();
  EXPECT_TRUE(upload.Upload(batch).images.is_cpu());
  EXPECT_THAT(TakeFarStreamLog(), IsEmpty());
}

}  // namespace
}  // namespace rcnn::training
